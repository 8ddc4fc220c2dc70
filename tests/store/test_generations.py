"""What changed is refused, naming it; what is accepted is told apart for good."""

import functools
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest

from crystallize import Experiment, Result
from crystallize.errors import StoreMismatchError, StoreWarning
from crystallize.store.dropping import drop
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment

scale = 1.0
state: list[int] = []


def trial(rng, shift=0.0):
    return rng.normal() * scale + shift


def make(store, function=trial, conditions=None, **options):
    arguments = {"replicates": 10, "seed": 1, "store": store, **options}
    return Experiment(function, conditions or {"a": {"shift": 0.0}, "b": {}}, **arguments)


def program(folder, name, source):
    (folder / name).write_text(textwrap.dedent(source))


def started(folder, *arguments, seed="0"):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


STUDY = """
    import helper
    def trial(rng, shift=0.0):
        return helper.scale(rng.normal()) + shift
"""
HELPER = """
    K = 1
    def scale(x):
        '''Scale it.'''
        return x * K
"""
CONFIG = """
    [experiment]
    function = "study:trial"
    replicates = 10
    seed = 1
    [store]
    path = "s.db"
"""


@pytest.fixture
def study(tmp_path):
    for name, source in (("study.py", STUDY), ("helper.py", HELPER), ("c.toml", CONFIG)):
        program(tmp_path, name, source)

    def run(*options, code=0):
        done = started(tmp_path, "-m", "crystallize", "run", "c.toml", *options)
        assert done.returncode == code, done.stderr
        return done.stderr

    run()
    return run


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("helper.py", "x * K", "x * K + 100", "`helper.scale` changed (helper.py:3)"),
        ("helper.py", "K = 1", "K = 2", "`helper.K`: 1, now 2"),
        ("study.py", "+ shift", "- shift", "`trial` changed (study.py:3)"),
        ("study.py", "shift=0.0", "shift=1.0", "default `shift`"),
    ],
)
def test_what_changed_is_refused_with_what_and_where(tmp_path, study, file, before, after, says):
    path = tmp_path / file
    path.write_text(path.read_text().replace(before, after))
    assert says in study(code=2)
    warned = study("--accept-changes", "--replicates", "15")
    assert "condition 'baseline': 10 cells of generation 1 (" in warned
    assert says in warned
    shown = started(tmp_path, "-m", "crystallize", "show", "s.db").stdout
    assert "generation 1: 10 cells of baseline" in shown
    assert "generation 2: 5 cells of baseline" in shown
    assert says in shown


def test_what_did_not_change_resumes(tmp_path, study):
    program(
        tmp_path,
        "helper.py",
        '"""Helps."""\n# what it is\nK = 1\n\n\ndef scale(x): return (x\n* K)\n',
    )
    with (tmp_path / "study.py").open("a") as file:
        file.write("\n\ndef unused():\n    return 5\n")
    assert "Resumed: 10 of 12" in study("--replicates", "12")


VALUES = """
    import collections, dataclasses, datetime, decimal, enum, fractions, pathlib, sys, types
    import numpy as np
    from crystallize import Experiment
    class Color(enum.Enum):
        RED = 1
    @dataclasses.dataclass
    class Config:
        rate: float = 0.1
        names: frozenset = frozenset({"alpha", "beta", "gamma"})
    class Plain:
        def __init__(self):
            self.names = {"alpha", "beta"}
    values = {
        "tuple": (1, 2), "nested": [(1, 2), (3, (4, 5))], "keys": {0: 1.0, (0, 1): 2, True: 3},
        "set": {"alpha", "beta", "gamma"}, "sets": {"k": {"x", "y", "z"}}, "range": range(3),
        "date": datetime.date(2020, 1, 1), "decimal": decimal.Decimal("0.1"), "enum": Color.RED,
        "fraction": fractions.Fraction(1, 3), "path": pathlib.Path("x"), "bytes": b"abc",
        "complex": 1j, "nan": [float("nan")], "config": Config(), "object": Plain(),
        "function": lambda x: x, "class": Plain, "scalar": np.float32(0.1), "slice": slice(1, 2),
        "arrays": {"x": [np.arange(3)]}, "space": types.SimpleNamespace(a=1), "big": 10**40,
        "default": collections.defaultdict(list, a=[1]), "counter": collections.Counter("aab"),
    }
    def trial(rng, value):
        return rng.normal()
    conditions = {name: {"value": value} for name, value in values.items()}
    result = Experiment(trial, conditions, replicates=3, seed=1, store="values.db").run()
    print(result.provenance["store"]["found"], len(result.provenance["store"]["generations"]))
    print(3 * len(values))
"""


def test_parameters_of_any_kind_resume_in_another_process_with_another_hash_seed(tmp_path):
    program(tmp_path, "values.py", VALUES)
    started(tmp_path, "values.py", seed="1")
    found, cells = started(tmp_path, "values.py", seed="7").stdout.splitlines()
    assert found == f"{cells} 1"


def closure(shift):
    return lambda rng: rng.normal() + shift


class Model:
    def __init__(self, shift):
        self.shift = shift

    def __call__(self, rng):
        return rng.normal() + self.shift

    def trial(self, rng):
        return rng.normal() + self.shift


def decorated(shift):
    @functools.wraps(trial)
    def wrapper(rng):
        return trial(rng) + shift

    return wrapper


@pytest.mark.parametrize(
    "made",
    [
        closure,
        Model,
        decorated,
        lambda shift: functools.partial(trial, shift=shift),
        lambda shift: Model(shift).trial,
    ],
    ids=["closure", "object", "decorated", "partial", "method"],
)
def test_what_a_function_carries_with_it_counts(store, made):
    make(store, made(0), {"a": {}}).run()
    assert make(store, made(0), {"a": {}}).run().provenance["store"]["found"] == 10
    with pytest.raises(StoreMismatchError, match=r"0, now 100|changed"):
        make(store, made(100), {"a": {}}).run()


def test_a_changed_element_of_an_array_is_refused(store):
    data = np.arange(100_000.0)
    function = lambda rng, data: rng.normal() + data[0]  # noqa: E731
    make(store, function, {"a": {"data": data}}).run()
    assert make(store, function, {"a": {"data": data.copy()}}).run().provenance["store"]["found"]
    data[-1] += 1
    with pytest.raises(StoreMismatchError, match="condition 'a', `data`"):
        make(store, function, {"a": {"data": data}}).run()


def test_what_cannot_be_known_is_refused_until_it_is_accepted(store):
    def locked(rng, lock):
        with lock:
            return rng.normal()

    conditions = {"a": {"lock": threading.Lock()}}
    make(store, locked, conditions).run()
    with pytest.raises(StoreMismatchError, match=r"condition 'a', `lock`.*cannot be known"):
        make(store, locked, conditions).run()
    with pytest.warns(StoreWarning, match="cannot be known"):
        result = make(store, locked, conditions, replicates=12, accept_changes=True).run()
    assert result.provenance["store"]["generation"] == 2


def test_accepted_changes_are_told_apart_in_store_and_result(store, monkeypatch):
    make(store).run()
    monkeypatch.setitem(globals(), "scale", 2.0)
    with pytest.warns(StoreWarning, match=r"condition 'a': 10 cells of generation 1 \(global `sc"):
        result = make(store, replicates=14, accept_changes=True).run()
    kept = result.provenance["store"]
    assert (kept["found"], kept["generation"]) == (20, 2)
    first, second = kept["generations"]
    assert first["cells"] == {"a": [[0, 10]], "b": [[0, 10]]}
    assert first["fingerprint"] != second["fingerprint"]
    stored = Result.from_store(store).provenance["generations"]
    assert stored[1]["cells"] == {"a": [[10, 14]], "b": [[10, 14]]}
    assert set(stored[1]["versions"]) >= {"python", "numpy"}
    with pytest.warns(StoreWarning, match="condition 'b': 10 cells of generation 1"):
        make(store, replicates=14).run()


def test_only_conditions_whose_cells_differ_are_warned_of(store):
    make(store).run()
    changed = {"a": {"shift": 1.0}, "b": {}}
    with pytest.warns(StoreWarning) as caught:
        make(store, conditions=changed, accept_changes=True).run()
    assert "condition 'a'" in str(caught[0].message)
    assert "condition 'b'" not in str(caught[0].message)


def test_what_was_dropped_runs_again_and_is_of_one_generation(store):
    make(store).run()
    changed = {"a": {"shift": 1.0}, "b": {}}
    with pytest.raises(StoreMismatchError, match=r"condition 'a', `shift`: 0\.0, now 1\.0"):
        make(store, conditions=changed).run()
    drop(store, ["a"])
    result = make(store, conditions=changed).run()
    assert result.provenance["store"]["found"] == 10
    fresh = Experiment(trial, changed, replicates=10, seed=1).run()
    assert result.metrics["a"]["value"].tolist() == fresh.metrics["a"]["value"].tolist()
    assert make(store, conditions=changed).run().provenance["store"]["found"] == 20


def test_a_change_that_is_taken_back_is_of_the_earlier_generation(store, monkeypatch):
    make(store).run()
    with monkeypatch.context() as changed, pytest.warns(StoreWarning):
        changed.setitem(globals(), "scale", 2.0)
        make(store, replicates=12, accept_changes=True).run()
    with pytest.raises(StoreMismatchError, match=r"global `scale`: 2\.0, now 1\.0"):
        make(store).run()
    with pytest.warns(StoreWarning, match="condition 'a': 2 cells of generation 2"):
        result = make(store, replicates=14, accept_changes=True).run()
    assert result.provenance["store"]["generation"] == 1
    assert StoredExperiment(store).cells[1]["a"] == [[0, 10], [12, 14]]


def test_what_cells_did_to_a_global_is_no_change(store):
    state.clear()

    def counting(rng, shift=0.0):
        state.append(1)
        return rng.normal()

    make(store, counting).run()
    assert len(state) == 20
    assert make(store, counting, replicates=12).run().provenance["store"]["found"] == 20
    assert make(store, counting, replicates=12).run().provenance["store"]["found"] == 24
    state[:] = [5]
    with pytest.raises(StoreMismatchError, match="global `state`"):
        make(store, counting).run()
    state.clear()
    assert make(store, counting, replicates=12).run().provenance["store"]["found"] == 24


def test_other_versions_are_warned_of_and_recorded(store):
    make(store).run()
    with Store(store) as opened:
        record = json.loads(opened.generations[1])
        record["fingerprint"]["versions"]["numpy"] = "1.0"
        opened.set_identity(opened.identity, {1: record})
    with pytest.warns(StoreWarning, match=rf"numpy 1\.0, now {np.__version__}"):
        result = make(store, replicates=12).run()
    versions = [one["versions"]["numpy"] for one in result.provenance["store"]["generations"]]
    assert versions == ["1.0", np.__version__]
    assert list(StoredExperiment(store).cells) == [1, 2]


def test_another_condition_is_of_the_same_generation(store):
    make(store).run()
    make(store, conditions={"c": {"shift": 2.0}}).run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = make(store, conditions={"a": {"shift": 0.0}, "b": {}, "c": {"shift": 2.0}}).run()
    assert result.provenance["store"]["found"] == 30
    assert list(StoredExperiment(store).cells) == [1]


def _as_format_1(store):
    connection = sqlite3.connect(store)
    with connection:
        for table in ("blocks", "damaged"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN generation")
        connection.execute("DROP TABLE generations")
        connection.execute("ALTER TABLE about DROP COLUMN checksum")
        connection.execute("DELETE FROM about WHERE key <> 'identity'")
        (text,) = connection.execute("SELECT value FROM about").fetchone()
        identity = json.loads(text)
        del identity["generation"]
        connection.execute("UPDATE about SET value = ?", (json.dumps(identity),))
        for number, *parts in connection.execute(
            "SELECT id, condition, start, stop, payload FROM blocks"
        ):
            record = Record.of_row((*parts, 0))
            assert record is not None
            checksum = record.checksum()
            connection.execute("UPDATE blocks SET checksum = ? WHERE id = ?", (checksum, number))
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_store_of_the_first_format_is_shown_and_resumed_when_that_is_accepted(store):
    result = make(store).run()
    _as_format_1(store)
    shown = Result.from_store(store)
    assert shown.metrics["a"]["value"].tolist() == result.metrics["a"]["value"].tolist()
    with pytest.raises(StoreMismatchError, match="earlier version of Crystallize did not record"):
        make(store).run()
    with pytest.warns(StoreWarning, match="condition 'b': 10 cells of generation 0"):
        resumed = make(store, replicates=12, accept_changes=True).run()
    assert resumed.provenance["store"]["found"] == 20
    for _ in range(2):
        with pytest.warns(StoreWarning):
            again = make(store, replicates=12).run().provenance["store"]
        assert again["found"] == 24
        assert [one["number"] for one in again["generations"]] == [0, 1]
        assert again["generations"][1]["cells"] == {"a": [[10, 12]], "b": [[10, 12]]}


@pytest.mark.parametrize(
    "pair", list(itertools.permutations([True, 1, 1.0, 0.0, -0.0, "1", None], 2))
)
def test_values_that_look_alike_are_told_apart(store, pair):
    before, after = pair
    function = lambda rng, value: rng.normal()  # noqa: E731
    make(store, function, {"a": {"value": before}}, replicates=1).run()
    with pytest.raises(StoreMismatchError, match="condition 'a', `value`"):
        make(store, function, {"a": {"value": after}}).run()


def test_a_fingerprint_is_of_the_conditions_that_have_cells(tmp_path):
    both, one = tmp_path / "both.db", tmp_path / "one.db"
    make(both).run()
    make(one, conditions={"a": {"shift": 0.0}}).run()
    found = [Result.from_store(store).provenance["generations"] for store in (both, one)]
    assert found[0][0]["fingerprint"] != found[1][0]["fingerprint"]
    drop(both, ["b"])
    (again,) = Result.from_store(both).provenance["generations"]
    assert again["fingerprint"] == found[1][0]["fingerprint"]
