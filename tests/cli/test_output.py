"""``--output`` of ``run`` and ``show``: files of any ending, and a folder for each run."""

import json

import numpy as np
import pytest

from crystallize import Result

TRIALS = """
def trial(rng, replicate):
    if replicate == 2:
        raise ValueError("two")
    return {"x": rng.random(), "label": "a" if replicate % 2 else "b, c", "n": replicate}
"""
CONFIG = """
[experiment]
name = "a name/of its own"
function = "output_trials:trial"
replicates = 20
seed = 3
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "output_trials.py").write_text(TRIALS)
    path = tmp_path / "output.toml"
    path.write_text(CONFIG)
    return path


def same(one, other):
    assert one.seeds == other.seeds
    assert one.errors == other.errors
    for condition, metrics in one.metrics.items():
        for metric, values in metrics.items():
            np.testing.assert_array_equal(values, other.metrics[condition][metric])


def test_a_folder_has_one_of_each_run(config, tmp_path, in_process):
    results = tmp_path / "results"
    for options in ([], ["--set", "experiment.keep=summary", "--store", tmp_path / "s.db"]):
        done = in_process("run", config, "--output", f"{results}/", *options)
        assert done.exit_code == 1
        assert "cells.csv" in done.stderr
    assert in_process("show", tmp_path / "s.db", "--output", results).exit_code == 0
    folders = sorted(results.iterdir())
    assert len(folders) == 3
    assert all(folder.name.startswith("a-name-of-its-own-20") for folder in folders)
    files = {"cells.csv", "provenance.json", "result.zip", "summary.txt"}
    assert all({file.name for file in folder.iterdir()} == files for folder in folders)
    assert len({(folder / "cells.csv").read_bytes() for folder in folders}) == 1
    results = [Result.load(folder / "result.zip") for folder in folders]
    kept = [result for result in results if result.keeps_values]
    assert len(kept) == 2
    same(*kept)
    for folder, result in zip(folders, results, strict=True):
        assert (folder / "summary.txt").read_text() == f"{result.text()}\n"
        assert json.loads((folder / "provenance.json").read_text()) == result.provenance


def test_a_folder_that_cannot_be_made_is_refused_before_the_first_replicate(
    config, tmp_path, in_process
):
    refused = in_process("run", config, "--output", f"{tmp_path}/no/results/")
    assert refused.exit_code == 3
    assert "does not exist; make it first" in refused.stderr
    assert refused.stdout == ""
    results = tmp_path / "results"
    (tmp_path / "notes.db").write_text("somebody's notes, no store at all, and longer than one")
    nothing = in_process("run", config, "--output", f"{results}/", "--store", tmp_path / "notes.db")
    assert nothing.exit_code == 2
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "json", "zip", "md", "parquet"])
def test_what_is_in_a_store_is_written_as_any_ending_says(config, tmp_path, ending, in_process):
    store = tmp_path / "s.db"
    in_process("run", config, "--store", store)
    done = in_process("show", store, "--output", tmp_path / f"x.{ending}")
    assert (done.exit_code, done.stderr) == (0, "")
    whole = tmp_path / f"whole.{ending}"
    Result.from_store(store).export(whole)
    if ending == "zip":
        same(Result.load(tmp_path / "x.zip"), Result.from_store(store))
    else:
        assert (tmp_path / f"x.{ending}").read_bytes() == whole.read_bytes()
    if ending in ("csv", "json"):
        assert "b, c" in whole.read_text()


def test_what_cannot_be_written_of_a_store_is_refused(config, tmp_path, in_process):
    store = tmp_path / "s.db"
    in_process("run", config, "--store", store)
    for place, code, message in (
        (tmp_path / "no" / "x.csv", 3, "does not exist; make it first"),
        (tmp_path / "x.docx", 2, "not among the endings"),
    ):
        refused = in_process("show", store, "--output", place)
        assert refused.exit_code == code
        assert message in refused.stderr
    assert in_process("show", store, "--watch", "--output", "x.csv").exit_code == 2


def test_an_interrupted_run_is_a_result_of_its_store(config, tmp_path, in_process):
    store = tmp_path / "s.db"
    in_process("run", config, "--store", store, "--set", "experiment.max_failures=0")
    stored = Result.from_store(store)
    missing = ~stored.done["baseline"]
    assert missing[2]
    assert [error.replicate for error in stored.errors] == [2]
    assert stored.metrics["baseline"]["label"][0] == "b, c"
    assert stored.provenance["name"] == "a name/of its own"
    by_pages = Result.from_store(store, keep="summary")
    assert by_pages.summary() == stored.summary()
    assert by_pages.errors == stored.errors
