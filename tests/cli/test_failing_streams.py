"""Streams that are closed, full or have lost their reader: exit code 3, and the store has all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from crystallize import Result

CELLS = 60
CONFIG = f"""
[experiment]
function = "trials:trial"
replicates = {CELLS}
seed = 1
"""
TRIAL = """
def trial(rng, replicate):
    print("cell", replicate)
    if replicate == 7:
        raise ValueError("seven")
    return rng.random()
"""
REDIRECTED = {
    "stdout is closed": (">&-", 3),
    "stdout is full": ("> /dev/full", 3),
    "stdout has lost its reader": ("| true", 3),
    "stderr is closed": ("2>&- > /dev/null", 1),
    "stderr is full": ("2> /dev/full > /dev/null", 1),
    "all are closed": ("<&- >&- 2>&-", 3),
    "all are full": ("> /dev/full 2> /dev/full", 3),
}


def shell(command, folder):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


def prepared(folder):
    (folder / "trials.py").write_text(TRIAL)
    (folder / "c.toml").write_text(CONFIG)
    return folder


@pytest.fixture
def folder(tmp_path):
    return prepared(tmp_path)


COMMAND = f"{shlex.quote(sys.executable)} -m crystallize"
PROCESSES = (
    "--execution parallel --set execution.executor_type=process --set execution.max_workers=2"
)


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param("", id="serial"),
        pytest.param(PROCESSES, id="process", marks=pytest.mark.faults),
    ],
)
@pytest.mark.parametrize("case", REDIRECTED)
def test_a_run_keeps_all_when(folder, case, strategy):
    redirection, code = REDIRECTED[case]
    done = shell(f"{COMMAND} run c.toml --store s.db {strategy} {redirection}", folder)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    kept = Result.from_store(folder / "s.db")
    assert int(kept.done["baseline"].sum()) == CELLS - 1
    assert [error.replicate for error in kept.errors] == [7]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with a store."""
    folder = prepared(tmp_path_factory.mktemp("stored"))
    shell(f"{COMMAND} run c.toml --store s.db", folder)
    return folder


@pytest.mark.parametrize(
    "command", ["show s.db", "check s.db", "plugins", "--help", "--version", "run --help"]
)
@pytest.mark.parametrize("redirection", [">&-", "> /dev/full", "| true"])
def test_an_answer_that_cannot_be_written_is_an_error(stored, command, redirection):
    done = shell(f"{COMMAND} {command} {redirection}", stored)
    assert done.returncode == 3
    said = "Error: Standard output could not be written: "
    assert done.stderr.startswith(said) or (redirection == "| true" and not done.stderr)
    assert "Traceback" not in done.stderr


def test_too_few_file_descriptors_are_said_and_what_was_stored_stays(folder):
    shell(f"{COMMAND} run c.toml --store s.db --replicates 3", folder)
    done = shell(f"ulimit -n 14; {COMMAND} run c.toml --store s.db {PROCESSES}", folder)
    assert done.returncode == 2
    assert "could not be started" in done.stderr
    assert "Too many open files" in done.stderr
    assert "Traceback" not in done.stderr
    again = shell(f"{COMMAND} run c.toml --store s.db {PROCESSES}", folder)
    assert again.returncode == 1
    assert "Resumed: 3 of 60" in again.stderr
