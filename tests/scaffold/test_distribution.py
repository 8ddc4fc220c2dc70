"""A new distribution works as it is written: typed, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from crystallize import InvalidValueError
from crystallize.cli import main
from crystallize.scaffold.distribution import KINDS, write_distribution

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Where mypy keeps what it found in the core, which is the same for all of them."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "checked"


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_typed_and_passes_its_tests(kind, checked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["plugins", "new", "my-own", "--kind", kind])
    assert (ended.exit_code, "crystallize-my-own" in ended.output) == (0, True)
    folder = tmp_path / "crystallize-my-own"
    path = os.pathsep.join([str(folder / "src"), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "MYPYPATH": path}
    for command in (
        ["pytest", "-q", "-p", "no:cacheprovider"],
        ["mypy", "--cache-dir", str(checked)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["My", "a--b", "1st", "../up", "class", ""])
def test_a_name_that_will_not_do_is_refused(name, tmp_path):
    with pytest.raises(InvalidValueError, match="NAME: expected lower-case letters"):
        write_distribution(name, "executor", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over_and_an_unknown_kind_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_distribution("mine", "observer", tmp_path)
    runner = CliRunner()
    again = runner.invoke(main, ["plugins", "new", "mine", "--kind", "observer"])
    assert (again.exit_code, "not there yet" in again.output) == (2, True)
    other = runner.invoke(main, ["plugins", "new", "other", "--kind", "executr"])
    assert (other.exit_code, "'executor'" in other.output) == (2, True)
