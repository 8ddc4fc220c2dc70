"""Shards on the command line: their stores, what merge says is missing, and going on from there."""

import json

import numpy as np
import pytest

from crystallize import Result

TRIALS = """
def trial(rng, shift):
    return {"x": rng.normal() + shift}
"""
CONFIG = """
[experiment]
name = "cover age"
function = "shard_trials:trial"
replicates = 30
seed = 3
[conditions.a]
shift = 0.0
[conditions.b]
shift = 1.0
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shard_trials.py").write_text(TRIALS)
    (tmp_path / "study.toml").write_text(CONFIG)
    return tmp_path


def test_shards_are_merged_and_what_is_missing_is_said_and_run(crystallize, study):
    for number in (1, 3):
        done = crystallize("run", "study.toml", "--shard", f"{number}/3")
        assert done.returncode == 0, done.stderr
        name = f"cover-age-{number}of3.db"
        assert f"Shard {number}/3: 20 of 60 cells, kept in {name}" in done.stderr
    done = crystallize("merge", *study.glob("*.db"), "-o", "part.db")
    assert done.returncode == 1
    assert "part.db: 40 cells done, 0 failed" in done.stdout
    assert "missing: 20 cells\n  a: 10 of 30 replicates: 10 to 19\n  b: 10 of 30" in done.stderr
    assert "shard 2/3: no store of it here: crystallize run CONFIG --shard 2/3\n" in done.stderr
    assert "crystallize run CONFIG --store part.db" in done.stderr
    (study / "part.db").unlink()
    whole = crystallize("run", "study.toml", "--json")
    given = ["--from-merge", "cover-age-1of3.db", "cover-age-3of3.db", "--json"]
    done = crystallize("run", "study.toml", *given)
    assert done.returncode == 0, done.stderr
    assert "Merged: 2 stores into cover-age.db." in done.stderr
    assert "Resumed: 40 of 60 cells" in done.stderr
    found, expected = json.loads(done.stdout), json.loads(whole.stdout)
    assert {**found, "provenance": None} == {**expected, "provenance": None}
    again = crystallize("run", "study.toml", "--from-merge", "*-?of3.db")
    assert again.returncode == 2
    assert "cover-age.db: there is a file already, and --from-merge makes a new" in again.stderr


def test_shards_with_one_output_write_a_file_each(crystallize, study):
    for arguments in (["--shard", "1/2"], ["--shard", "2/2"], []):
        done = crystallize("run", "study.toml", *arguments, "--output", "x-{shard}.zip")
        assert done.returncode == 0, done.stderr
    names = ["x-1of2.zip", "x-2of2.zip", "x-1of1.zip"]
    assert {path.name for path in study.glob("*.zip")} == set(names)
    first, second, whole = (Result.load(study / name).metrics["a"]["x"] for name in names)
    assert np.array_equal(np.where(np.isnan(first), second, first), whole)
    (study / "of-{shard}").mkdir()
    done = crystallize("run", "study.toml", "--shard", "1/2", "--output", "of-{shard}/")
    assert done.returncode == 0 and list((study / "of-1of2").glob("*/result.zip")), done.stderr


def test_the_store_of_a_config_is_one_for_each_shard(crystallize, study):
    with (study / "study.toml").open("a") as config:
        config.write('[store]\npath = "out.db"\n')
    done = crystallize(
        "run", study / "study.toml", "--shard", "auto", "--dry-run",
        env={"CRYSTALLIZE_SHARD": "2/3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Shard 2/3 (CRYSTALLIZE_SHARD=2/3): 20 of 60 cells, kept in" in done.stderr
    assert "out-2of3.db" in done.stderr
    assert "shard       2/3\ncells       20\n" in done.stdout
    done = crystallize("run", "study.toml", "--dry-run", env={"CRYSTALLIZE_SHARD": "2/3"})
    assert "All is run, no shard: CRYSTALLIZE_SHARD=2/3 is for --shard auto." in done.stderr
    assert "cells       60\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard", "4/3"], "--shard: expected which one and of how many"),
        (["x.db"], "x.db: what follows CONFIG goes with --from-merge"),
        (["--from-merge", "no-*.db"], "no-*.db: there is no such store"),
        (["--from-merge", "a.db", "--dry-run"], "--dry-run writes nothing"),
    ],
)
def test_what_does_not_fit_is_refused(crystallize, study, arguments, message):
    done = crystallize("run", "study.toml", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
