"""What determines a number: other numbers have other fingerprints, and only these do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import family
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.description.fingerprint import Fingerprint, fingerprint_of, function_fingerprint
from crystallize.errors import InvalidValueError

pytestmark = pytest.mark.faults  # it takes long

HERE = Path(__file__).parent
PROGRAM = HERE / "fingerprints.py"
Records = dict[str, Any]


def fingerprints(folder: Path, hash_seed: int) -> Records:
    """The fingerprints of all that is in a folder, taken by a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found: Records = json.loads(done.stdout)
    return {name: Fingerprint.from_record(record) for name, record in found.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("family")


@pytest.fixture(scope="module")
def kinds(folder: Path) -> dict[str, Records]:
    first, second = family.modules(1), family.modules(2)
    anew = {name: family.laid_out_anew(source) for name, source in first.items()}
    (folder / "elsewhere").mkdir()
    variants = {"one": first, "other": second, "elsewhere/one": first, "laid out anew": anew}
    found = {}
    for seed, (name, sources) in enumerate(variants.items()):
        family.write(folder / name, sources)
        found[name] = fingerprints(folder / name, seed)
    return found


def test_other_numbers_have_other_fingerprints(kinds):
    one, other = kinds["one"], kinds["other"]
    assert len(one) > 200
    same = [family.kind_of(name) for name in one if one[name].digest == other[name].digest]
    assert not same
    untold = [family.kind_of(name) for name in one if not other[name].differences(one[name])]
    assert not untold


def test_another_process_folder_and_hash_seed_change_nothing(kinds):
    one, there = kinds["one"], kinds["elsewhere/one"]
    assert not [family.kind_of(name) for name in one if one[name] != there[name]]


def test_comments_docstrings_and_line_breaks_change_nothing(kinds):
    one, anew = kinds["one"], kinds["laid out anew"]
    found = {family.kind_of(name): anew[name].differences(one[name]) for name in one}
    assert not {kind: text for kind, text in found.items() if text}
    assert all(one[name].digest == anew[name].digest for name in one)


def test_everything_in_the_family_can_be_known(kinds):
    assert not [found.unknown for found in kinds["one"].values() if found.unknown]


@pytest.mark.parametrize("how", ["reference", "value"])
def test_what_arrives_in_a_worker_is_the_same_and_other_code_there_is_not(kinds, folder, how):
    def run(*arguments: object, hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, str(HERE / "travelling.py"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout

    file = folder / how
    run("send", folder / "one", file, how, hash_seed="1")
    same = json.loads(run("receive", folder / "one", file, hash_seed="2"))
    # By value cloudpickle leaves out what a class in a function names, which no cell survives.
    unlike = {family.kind_of(name) for name, answer in same.items() if answer}
    assert not {kind for kind in unlike if not kind.endswith("by class in the function")}
    assert len(same) > 200
    if how == "reference":
        assert not unlike
        other = json.loads(run("receive", folder / "other", file, hash_seed="2"))
        unseen = {family.kind_of(name) for name, answer in other.items() if not answer}
        # These are sent with what they hold, so that nothing is left to differ.
        objects = (" by callable object", " by bound method", " by partial")
        held = (*objects, " by closure", " by decorator's argument", " by code of a lambda")
        assert not {kind for kind in unseen if not kind.endswith(held)}


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.frozensets(KEYS, max_size=4)
        | st.lists(st.floats(), max_size=4).map(np.array)
    ),
    max_leaves=12,
)


def written(value: Any) -> Any:
    """What tells values apart, written another way: types, and the bits of numbers."""
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        return kind, value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, float):
        return kind, np.float64(value).tobytes()
    if isinstance(value, dict):
        return kind, [(written(key), written(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [written(item) for item in value]
    if isinstance(value, frozenset):
        return kind, sorted((written(item) for item in value), key=repr)
    return kind, value


SPEC = Experiment(lambda given: 1.0, {"a": {"given": 1}}).spec


def digest(value: Any) -> str:
    return fingerprint_of(replace(SPEC, conditions={"a": {"given": value}})).digest


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_values_have_one_digest_exactly_if_they_are_the_same(one, other):
    assert (digest(one) == digest(other)) == (written(one) == written(other))


def test_flags_are_not_numbers_and_zero_has_a_sign():
    values = [True, 1, 1.0, np.int64(1), np.float32(1), "1", b"1", (1,), [1], {1}, {1: None}]
    values += [0.0, -0.0, float("nan"), None, np.array([1]), np.array([1.0]), np.array([[1]])]
    values += [np.zeros((2, 3)), np.asfortranarray(np.zeros((2, 3))), pd.Series([1]), False]
    assert len({digest(value) for value in values}) == len(values)


def test_names_say_what_changed():
    def trial(data):
        return 1.0

    def taken(**columns):
        conditions = {"a": {"data": pd.DataFrame(columns)}, "b": {"data": 1}}
        return fingerprint_of(Experiment(trial, conditions).spec)

    before, after = taken(x=[1, 2], y=[0, 0]), taken(x=[1, 3], y=[0, 0])
    assert after.differences(before) == ["condition 'a', `data`: column 'x' changed"]


def test_other_conditions_are_no_difference():
    def trial(estimator):
        return 1.0

    def made(shift):
        return lambda x: x + shift

    def taken(**estimators):
        conditions = {name: {"estimator": value} for name, value in estimators.items()}
        return fingerprint_of(Experiment(trial, conditions).spec)

    both = taken(a=made(1), b=made(2))
    assert taken(b=made(2)).differences(both) == []
    assert both.differences(taken(b=made(2))) == []
    (text,) = taken(b=made(3)).differences(both)
    assert text.startswith("closure `shift` of condition 'b': ")
    assert text.endswith("2, now 3")


def test_what_cannot_be_known_is_named():
    import threading

    lock = threading.Lock()

    def trial(data):
        with lock:
            return 1.0

    unknown = fingerprint_of(Experiment(trial, {"a": {"data": {"log": sys.stdout}}}).spec).unknown
    assert [text.split(" (")[0] for text in unknown] == [
        "closure `lock`",
        "condition 'a', `data`['log']",
    ]
    assert "0x" not in "".join(unknown)


def test_versions_of_what_is_used_are_recorded():
    def trial(rng):
        import scipy.stats

        return scipy.stats.norm.rvs(random_state=rng)

    versions = function_fingerprint(trial).versions
    assert versions.keys() >= {"python", "numpy", "scipy"}


def test_caches_and_reports_are_no_content():
    import functools
    import logging

    log = logging.getLogger("study")

    @functools.cache
    def cached(x):
        log.info("x")
        return x

    def trial():
        return cached(1)

    before = function_fingerprint(trial).digest
    trial()
    assert function_fingerprint(trial).digest == before


def test_an_array_of_objects_and_a_circle_have_an_end():
    circle: list[Any] = [1]
    circle.append(circle)
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    assert digest(circle) == digest(circle)
    assert digest(np.array([circle, None], dtype=object))
    spec = replace(SPEC, conditions={"a": {"given": nested}})
    assert "nested too deeply" in fingerprint_of(spec).unknown[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("parts"),
        lambda record: record.update(digest="0"),
        lambda record: record["parts"].append(["x"]),
        lambda record: record["parts"].append(record["parts"][0]),
        lambda record: record["parts"][0].__setitem__(1, 3),
        lambda record: record.update(versions=[]),
        lambda record: record.update(unknown=None),
    ],
)
def test_a_record_is_checked(change):
    record = function_fingerprint(digest).record()
    assert Fingerprint.from_record(json.loads(json.dumps(record))).digest == record["digest"]
    change(record)
    with pytest.raises(InvalidValueError, match="fingerprint"):
        Fingerprint.from_record(record)
