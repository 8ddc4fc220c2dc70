"""Each check of the suites is there for something: a plugin that breaks it alone."""

import os
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import broken
import broken_matrix as matrix
import pytest
from broken import BROKEN, Processes
from broken_streams import CallsOneTwice, CompletesOneTwice, DropsOne
from harness import checks_of, failures, suite_of

from crystallize.testing import ExecutorSuite
from crystallize.testing.closing import ClosingChecks
from crystallize.testing.programs import ProgramChecks

pytestmark = pytest.mark.faults  # it takes long

PATIENCE = 6.0


@pytest.fixture(autouse=True)
def _put_back(monkeypatch):
    """What broken plugins leave behind."""
    environment, state, folder = dict(os.environ), random.getstate(), Path.cwd()
    yield
    for thing in broken.kept:
        if isinstance(thing, subprocess.Popen):
            thing.kill()
            thing.wait()
        elif hasattr(thing, "set"):
            thing.set()
        else:
            thing.close()
    broken.kept.clear()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    random.setstate(state)
    with suppress(ValueError):
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def takes_long(plugin):
    """Whether its check waits for something: an end, a program, a worker's death."""
    name = matrix.without_parameters(BROKEN[plugin].check)
    waits = hasattr(ClosingChecks, name) or hasattr(ProgramChecks, name)
    return waits or issubclass(plugin, Processes)


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(
            plugin,
            id=plugin.__name__,
            marks=[pytest.mark.faults, pytest.mark.matrix] if takes_long(plugin) else [],
        )
        for plugin in BROKEN
    ],
)
def test_a_broken_plugin_is_found_by_its_check(plugin, tmp_path):
    fault = BROKEN[plugin]
    suite = suite_of(fault.suite, plugin, patience=PATIENCE)
    assert fault.check in checks_of(suite), "the check must apply"
    assert fault.check in dict(failures(suite, tmp_path, only=fault.check))


@pytest.mark.parametrize("number", [1, 18, 30, 300])
@pytest.mark.parametrize("plugin", [CallsOneTwice, DropsOne, CompletesOneTwice])
@pytest.mark.parametrize("how", ["fresh", "resumed"])
def test_whichever_task_it_is(plugin, number, how, tmp_path):
    class Broken(plugin):
        pass

    Broken.number = number
    check = BROKEN[plugin].check.replace("fresh", how)
    suite = suite_of(ExecutorSuite, Broken, patience=PATIENCE)
    assert check in dict(failures(suite, tmp_path, only=check))


@pytest.mark.parametrize("check", matrix.checks())
def test_every_check_has_a_broken_plugin_that_it_alone_finds(check):
    found = [fault for fault in BROKEN.values() if matrix.without_parameters(fault.check) == check]
    assert any(fault.alone for fault in found)


def test_the_page_has_every_check_and_every_broken_plugin():
    rows = {}
    (written,) = matrix.WRITTEN.finditer(matrix.PAGE.read_text(encoding="utf-8"))
    for line in written[0].splitlines():
        if line.startswith("| ") and "---" not in line:
            check, alone, others = (cell.strip() for cell in line.strip("|").split("|"))
            rows[check] = alone, others
    del rows["check"]
    assert list(rows) == [matrix.in_words(check) for check in matrix.checks()]
    for plugin, fault in BROKEN.items():
        alone, others = rows[matrix.in_words(matrix.without_parameters(fault.check))]
        assert f"`{plugin.__name__}`" in (alone if fault.alone else alone + others)
