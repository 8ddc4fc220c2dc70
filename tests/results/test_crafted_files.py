"""A result file that was made to do harm is refused before it is believed, or unpacked."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import CrystallizeError, Experiment, Result
from crystallize.errors import ResultFileError


def trial(rng, replicate):
    if replicate == 2:
        raise ValueError("no")
    return {"x": rng.random(), "flag": replicate % 2 == 0, "name": "text"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "good.zip"
    Experiment(trial, {"a": {}, "b": {}}, replicates=6, seed=1).run().save(path)
    return path


def entries_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    return path


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def test_a_small_file_that_would_fill_the_memory_is_not_unpacked(saved, tmp_path):
    entries = entries_of(saved)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        with archive.open("99.npy", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(2**20))
    assert bomb.stat().st_size < 400_000
    program = (
        "import resource, sys; from crystallize import Result, CrystallizeError\n"
        "import numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: Result.load(sys.argv[1])\n"
        "except CrystallizeError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, bomb], capture_output=True, text=True, check=True
    )
    assert "more than the 268,435,456 that it may" in done.stdout
    assert done.stdout.endswith("True\n")


def test_more_may_be_allowed(saved):
    assert Result.load(saved, max_bytes=10**6).replicates == 6
    with pytest.raises(ResultFileError, match="more than the 100 that it may"):
        Result.load(saved, max_bytes=100)
    with pytest.raises(CrystallizeError, match="max_bytes: expected a whole number"):
        Result.load(saved, max_bytes="much")


def test_two_entries_of_one_name_are_refused(saved, tmp_path):
    entries = [*entries_of(saved).items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "twice.zip", [*entries, entries[-1]])
    with pytest.raises(ResultFileError, match="two of its entries have one name"):
        Result.load(path)


def damaged(content, where, value):
    """The JSON of a result with one value replaced."""
    content = json.loads(content)
    place = content
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        (["conditions", 1, "name"], "a", "conditions: the name 'a' stands twice"),
        (["conditions", 1, "name"], 5, "the name 5"),
        (["conditions", 0, "metrics", 1, "name"], "x", "metrics of 'a': the name 'x'"),
        (["conditions"], [], "it has no conditions"),
        (["baseline"], "c", "baseline"),
        (["root"], "7", "root: expected a whole number"),
        (["seed_rule"], "mine", "seed_rule"),
        (["sections"], [], "sections"),
        (["provenance"], None, "provenance"),
        (["errors", 0, 0], "c", "error 0, condition"),
        (["errors", 0, 1], 17, "error 0"),
        (["errors", 0, 1], 3, "error 0"),
        (["errors", 0, 1], "1", "error 0, replicate"),
        (["errors", 0, 5], None, "its traceback is no text"),
        (["errors", 0, 4], {"a": 1}, "its message is no text"),
        (["warnings"], [["c", 0, "W", "m", 1]], "warning 0, condition"),
        (["warnings"], [["a", 17, "W", "m", 1]], "replicate 17 does not exist"),
        (["warnings"], [["a", 0, "W", ["m"], 1]], "its category or message is no text"),
        (["warnings"], [["a", 0, "W", "m", 0]], "warning 0, count"),
        (["conditions", 0, "metrics", 0, "array"], 0, "values of shape"),
    ],
)
def test_what_does_not_fit_together_is_refused(saved, tmp_path, where, value, problem):
    entries = entries_of(saved)
    changed = damaged(entries["result.json"], where, value)
    if where[-1] == "array":
        entries["0.npy"] = npy(np.ones(3, dtype=bool))
    path = write(tmp_path / "r.zip", {**entries, "result.json": changed})
    with pytest.raises(ResultFileError, match=problem):
        Result.load(path)


@pytest.mark.parametrize("array", [np.ones(2), np.ones((6, 2, 0)), np.float64(1), np.ones(10**6)])
def test_a_column_of_another_length_is_refused(saved, tmp_path, array):
    entries = entries_of(saved)
    content = json.loads(entries["result.json"])
    number = content["conditions"][0]["metrics"][0]["array"]
    path = write(tmp_path / "r.zip", {**entries, f"{number}.npy": npy(array)})
    if array.shape[:1] == (6,):
        assert Result.load(path).metrics["a"]["x"].shape == (6, 2, 0)
    else:
        with pytest.raises(ResultFileError, match="values of shape"):
            Result.load(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_flipped_and_cut_files_are_refused_or_say_what_they_said(saved, tmp_path, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) // 2, len(content)))]
    path = tmp_path / "flipped.zip"
    path.write_bytes(content)
    try:
        loaded = Result.load(path)
    except ResultFileError:
        return
    assert loaded.to_dict() == Result.load(saved).to_dict()
