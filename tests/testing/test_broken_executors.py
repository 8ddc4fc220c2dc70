"""Each rule of the suites is there for something: an executor that breaks it alone."""

import os
import random
import signal
import subprocess
from contextlib import suppress

import broken_executors
import pytest
from broken_executors import BROKEN, CallsOneTwice, CompletesOneTwice, DropsOne
from harness import checks_of, failures, suite_of

from crystallize.testing import ExecutorSuite

PATIENCE = 6.0

pytestmark = [pytest.mark.faults, pytest.mark.matrix]


@pytest.fixture(autouse=True)
def _put_back():
    """What broken executors leave behind."""
    environment, state = dict(os.environ), random.getstate()
    yield
    for thing in broken_executors.kept:
        if isinstance(thing, subprocess.Popen):
            thing.kill()
            thing.wait()
        elif hasattr(thing, "set"):
            thing.set()
        else:
            thing.close()
    broken_executors.kept.clear()
    os.environ.clear()
    os.environ.update(environment)
    random.setstate(state)
    with suppress(ValueError):
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_executor_is_found(broken, tmp_path):
    suite, test, _ = BROKEN[broken]
    suite = suite_of(suite, broken, patience=PATIENCE)
    assert test in checks_of(suite), "the check must apply"
    assert test in failures(suite, tmp_path, only=test)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_by_nothing_else(broken, tmp_path):
    suite, test, alone = BROKEN[broken]
    found = failures(suite_of(suite, broken, patience=PATIENCE), tmp_path)
    assert test in found
    if alone:
        assert list(found) == [test], found


@pytest.mark.parametrize("number", [1, 18, 30, 300])
@pytest.mark.parametrize("broken", [CallsOneTwice, DropsOne, CompletesOneTwice])
def test_whichever_task_it_is(broken, number, tmp_path):
    class Broken(broken):
        pass

    Broken.number = number
    found = {}
    for what in ("fresh", "resumed"):
        _, test, _ = BROKEN[broken]
        test = test.replace("fresh", what)
        (tmp_path / what).mkdir()
        found |= failures(
            suite_of(ExecutorSuite, Broken, patience=PATIENCE), tmp_path / what, only=test
        )
    assert len(found) == 2
