"""Failures as the commands show them: those that are alike once, each with its replay."""

import re
import shlex

import pytest

TRIALS = """
def trial(replicate, n):
    if replicate % 10 == n:
        raise ValueError(f"{n}: no convergence after {replicate} steps")
    if replicate == 7:
        raise KeyError("weights\\x1b[31m")
    return {"x": replicate}
def all_kinds(replicate):
    raise type(f"Error{replicate}", (Exception,), {})("no")
"""
CONFIG = """
[experiment]
function = "failing_trials:trial"
replicates = 100
[conditions."one, first"]
n = 1
[conditions.two]
n = 2
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "failing_trials.py").write_text(TRIALS)
    path = tmp_path / "failing.toml"
    path.write_text(CONFIG)
    return path


def replays(shown):
    """The commands that are shown."""
    return [shlex.split(line)[1:] for line in shown.splitlines() if line.startswith("  crysta")]


def test_failures_are_shown_by_condition_and_type_each_with_its_replay(
    config, tmp_path, in_process, crystallize
):
    store = tmp_path / "s.db"
    done = in_process("run", config, "--store", store, "--set", "conditions.two.n=3", "--seed", 8)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 8
    assert re.search(
        r"Failed: condition 'two', replicate 3, seed \d+: ValueError: 3: no convergence after 3 "
        r"steps \(9 more of this condition and type\)\n",
        done.stderr,
    )
    assert r"KeyError: 'weights\x1b[31m'" in done.stderr.replace("\\\\", "\\")
    of_two = next(words for words in replays(done.stderr) if words[5] == "two")
    assert of_two == [
        "replay", str(config), "--replicate", "3", "--condition", "two",
        "--set", "conditions.two.n=3", "--set", "experiment.seed=8",
    ]  # fmt: skip
    shown = in_process("show", store).stdout
    assert replays(shown)[0] == [
        "replay", str(store), "--replicate", "1", "--condition", "one, first"
    ]  # fmt: skip
    for command in (of_two, replays(shown)[0]):
        again = crystallize(*command)
        assert again.returncode == 1
        assert "no convergence" in again.stderr


def test_of_many_kinds_some_are_shown(config, in_process):
    one = ["--condition", "two", "--set", "conditions.two.n="]
    done = in_process("run", config, "--set", "experiment.function=failing_trials:all_kinds", *one)
    assert len(done.stderr.splitlines()) == 21
    assert done.stderr.endswith("… and 90 more, of other conditions or types; --json shows all.\n")


def test_a_config_is_replayed_without_a_store(config, in_process):
    cell = ["--replicate", 4, "--condition", "two"]
    done = in_process("replay", config, *cell, "--set", "experiment.seed=1")
    assert (done.exit_code, done.stdout) == (0, "{'x': 4}\n")
    for options, message in (
        ([], "it has no seed"),
        (["--accept-changes"], "go with a store"),
        (["--set", "experiment.seed=1", "--condition", "tow"], "two"),
    ):
        refused = in_process("replay", config, *cell, *options)
        assert refused.exit_code == 2
        assert message in refused.stderr
