"""A result file, however damaged, is refused or holds what was saved."""

import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from bounded import bounded, examples, mutated
from hypothesis import given
from hypothesis import strategies as st

from crystallize import CrystallizeError, Experiment, Result

pytestmark = pytest.mark.faults  # it takes long

PIECES = [
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"\0\0\0\0", b"\xff\xff\xff\xff", b"{", b"[", b"]",
    b"null", b"1e999", b"-1", b"9" * 5000, b'"', b",", b"NaN", b"|O", b"<f8", b"True", b"(", b"\n",
]  # fmt: skip


def trial(rng, replicate):
    if replicate == 2:
        raise ValueError("no")
    return {"x": rng.random(), "flag": replicate % 2 == 0, "name": "text", "a": np.arange(3)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "good.zip"
    Experiment(trial, {"a": {}, "b": {}}, replicates=6, seed=1).run().save(path)
    return path


def loaded(path):
    """The result, and that it can be looked at; ``None`` where it was refused."""
    with bounded(), warnings.catch_warnings(action="ignore"):
        try:
            result = Result.load(path)
        except CrystallizeError as error:
            assert str(error)
            return None
        assert repr(result)
        result.to_dict()
        return result


def content(result):
    found = result.to_dict()
    return json.dumps([found["metrics"], found["errors"], found["seeds"], found["sections"]])


@examples(300)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_holds_what_was_saved(saved, tmp_path, data):
    path = tmp_path / "damaged.zip"
    path.write_bytes(mutated(data, saved.read_bytes(), PIECES))
    result = loaded(path)
    if result is not None:
        assert content(result) == content(Result.load(saved))


@examples(300)
@given(data=st.data())
def test_a_file_made_of_damaged_entries_is_refused_or_can_be_looked_at(saved, tmp_path, data):
    with zipfile.ZipFile(saved) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(entries)))
    kind = data.draw(st.sampled_from(["bytes", "swap", "drop", "json"]))
    if kind == "bytes":
        entries[name] = mutated(data, entries[name], PIECES)
    elif kind == "swap":
        other = data.draw(st.sampled_from(sorted(entries)))
        entries[name], entries[other] = entries[other], entries[name]
    elif kind == "drop":
        del entries[name]
    else:
        (name,) = (name for name in entries if name.endswith(".json"))
        entries[name] = json.dumps(with_another_value(data, json.loads(entries[name]))).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in entries.items():
            archive.writestr(key, value)
    path = tmp_path / "made.zip"
    path.write_bytes(buffer.getvalue())
    loaded(path)


def with_another_value(data, whole):
    """Plain data with one value, anywhere in it, replaced by another."""
    table = whole
    while True:
        keys = list(table) if isinstance(table, dict) else list(range(len(table)))
        if not keys:
            return whole
        key = data.draw(st.sampled_from(keys))
        if isinstance(table[key], (dict, list)) and table[key] and data.draw(st.integers(0, 4)):
            table = table[key]
            continue
        table[key] = data.draw(
            st.sampled_from([None, True, -1, 0, 7, 2**70, 0.5, float("nan"), "", "a", [], {}, [1]])
        )
        return whole
