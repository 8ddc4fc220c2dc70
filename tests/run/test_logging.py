"""What cells log reaches the program's own logging, and says of which cell it is."""

import asyncio
import logging
import os
import pickle
import sys
import threading
import time
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import cloudpickle
import pytest

from crystallize import Experiment
from crystallize.plugins import Capabilities, Completion, Execution, hookimpl

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PROCESS = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "serial": {},
    "thread": {"execution": "parallel", "execution_options": {"max_workers": 2}},
    "process": PROCESS,
    "serial coroutines": {"is_async": True},
    "async": {"is_async": True, "execution": "async"},
}
CONDITIONS: dict[str, dict[str, Any]] = {"a": {}, "b": {}}


class Odd:
    def __reduce__(self):
        raise TypeError("stays here")

    def __repr__(self):
        return "Odd()"


def trial(replicate, condition):
    log = logging.getLogger("crystallize_tests.study")
    log.debug("too quiet")
    log.info("cell %d of %s", replicate, condition)
    if replicate == 2:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            log.exception("bad", extra={"odd": Odd()})
    return float(replicate)


async def awaited(replicate, condition):
    await asyncio.sleep(0.001)
    value = trial(replicate, condition)
    await asyncio.sleep(0)
    return value


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def kept():
    """What arrives at the root of this process, of the study and from INFO on."""
    handler, logger = Kept(), logging.getLogger("crystallize_tests")
    logger.setLevel(logging.INFO)
    logging.root.addHandler(handler)
    yield handler.records
    logging.root.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def run(name, replicates=5, **options):
    chosen = dict(STRATEGIES[name])
    function = awaited if chosen.pop("is_async", False) else trial
    arguments = {"replicates": replicates, "seed": 1, **chosen, **options}
    return Experiment(function, CONDITIONS, **arguments).run()


@pytest.mark.parametrize("name", STRATEGIES)
def test_records_arrive_with_their_cell_under_every_strategy(name, kept):
    assert not run(name).errors

    said = [(r.condition, r.replicate, r.levelname, r.getMessage()) for r in kept]
    assert sorted(said) == sorted(
        [(c, i, "INFO", f"cell {i} of {c}") for c in "ab" for i in range(5)]
        + [(c, 2, "ERROR", "bad") for c in "ab"]
    )
    assert {r.name for r in kept} == {"crystallize_tests.study"}
    bad = next(r for r in kept if r.levelname == "ERROR")
    assert "ZeroDivisionError" in logging.Formatter().format(bad)
    assert repr(bad.odd) in ("Odd()", "'Odd()'")


@pytest.mark.parametrize("name", ["serial", "process"])
def test_outside_of_cells_records_are_as_they_were(name, kept):
    factory = logging.getLogRecordFactory()  # Ray sets one of its own
    run(name)
    logging.getLogger("crystallize_tests").warning("after")

    assert not hasattr(kept[-1], "condition")
    assert logging.getLogRecordFactory() is factory


@pytest.mark.parametrize("name", ["serial", "process"])
def test_what_a_cell_says_of_its_record_itself_counts(name, kept):
    def trial(replicate):
        logging.getLogger("crystallize_tests").info("x", extra={"replicate": "mine"})
        return 1.0

    Experiment(trial, replicates=2, **STRATEGIES[name]).run()

    assert [(r.replicate, r.condition) for r in kept] == [("mine", "baseline")] * 2


def test_a_level_that_changes_between_runs_holds_in_workers_that_are_used_again(kept):
    logger = logging.getLogger("crystallize_tests.study")
    run("process")
    first = len(kept)
    logger.setLevel(logging.ERROR)
    run("process")
    second = len(kept) - first
    logger.setLevel(logging.NOTSET)
    run("process")

    assert (first, second, len(kept) - first - second) == (12, 2, 12)


def test_a_logger_that_does_not_propagate_reaches_its_own_handlers(kept):
    logger, own = logging.getLogger("crystallize_tests.study"), Kept()
    logger.propagate = False
    logger.addHandler(own)
    try:
        run("process")
    finally:
        logger.propagate = True
        logger.removeHandler(own)

    assert (len(kept), len(own.records)) == (0, 12)


def test_handlers_of_a_module_that_cells_import_print_nothing_in_workers(program, tmp_path):
    (tmp_path / "loud.py").write_text(
        "import logging, sys\n"
        "log = logging.getLogger('loud')\n"
        "log.addHandler(logging.StreamHandler(sys.stdout))\n"
    )
    running = program(
        "import loud\n"
        "def trial(replicate):\n"
        "    loud.log.warning('cell %d', replicate)\n"
        "    return 1.0\n"
        "if __name__ == '__main__':\n"
        "    Experiment(trial, replicates=3, **PROCESS).run()\n"
    )
    assert sorted(running.ended().splitlines()) == ["cell 0", "cell 1", "cell 2"]


def test_a_handler_that_a_cell_adds_is_gone_in_the_next_run(program):
    running = program(
        "import logging\n"
        "ONE = {'execution': 'parallel',\n"
        "    'execution_options': {'executor_type': 'process', 'max_workers': 1}}\n"
        "def adds(replicate):\n"
        "    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))\n"
        "    return float(os.getpid())\n"
        "def trial(replicate):\n"
        "    logging.warning('cell %d', replicate)\n"
        "    return float(os.getpid())\n"
        "if __name__ == '__main__':\n"
        "    first = values(Experiment(adds, replicates=1, **ONE).run())\n"
        "    then = values(Experiment(trial, replicates=2, **ONE).run())\n"
        "    print(set(first) == set(then))\n"
    )
    assert running.ended() == "True"
    assert running.err.count("cell") == 2


@pytest.mark.faults
def test_records_of_a_cell_that_takes_its_worker_down_arrive(kept):
    def trial(replicate):
        logging.getLogger("crystallize_tests").info("last words of %d", replicate)
        if replicate == 1:
            os.abort()
        return 1.0

    result = Experiment(trial, replicates=3, **PROCESS).run()

    assert [error.replicate for error in result.errors] == [1]
    assert "last words of 1" in {record.getMessage() for record in kept}


@pytest.mark.faults
def test_a_record_arrives_while_its_cell_runs(kept, tmp_path):
    go = tmp_path / "go"

    def trial():
        logging.getLogger("crystallize_tests").info("under way")
        while not go.exists():
            time.sleep(0.01)
        return 1.0

    class Answers(logging.Handler):
        def emit(self, record):
            go.touch()

    handler = Answers()
    logging.root.addHandler(handler)
    try:
        result = Experiment(trial, replicates=1, **PROCESS).run()
    finally:
        logging.root.removeHandler(handler)

    assert not result.errors


class ElsewhereExecution(Execution):
    """A stranger's: sends pickles to a process of its own kind, and brings pickles back."""

    capabilities = Capabilities(workers=1)

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        with get_context("spawn").Pool(1) as pool:
            there, call = sys.modules["strangers_study"].there, pickle.dumps(call)
            while (task := next_task()) is not None:
                yield Completion(task, pickle.loads(pool.apply(there, (call, task))))


def test_records_and_warnings_come_back_from_a_strangers_processes(kept, tmp_path, monkeypatch):
    (tmp_path / "strangers_study.py").write_text(
        "import logging, pickle, warnings\n"
        "def trial(replicate):\n"
        "    logging.getLogger('crystallize_tests').warning('cell %d', replicate)\n"
        "    warnings.warn('careful')\n"
        "    return 1.0\n"
        "def there(call, task):\n"
        "    return pickle.dumps(pickle.loads(call)(task))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    strangers_study = import_module("strangers_study")

    with pytest.warns(UserWarning, match="careful"):
        result = Experiment(
            strangers_study.trial, replicates=4, execution=ElsewhereExecution()
        ).run()

    assert [(w.replicate, w.count) for w in result.warnings] == [(0, 4)]
    assert [(r.replicate, r.getMessage()) for r in kept] == [(i, f"cell {i}") for i in range(4)]


def test_two_runs_at_once_label_their_own(kept):
    factory = logging.getLogRecordFactory()  # Ray sets one of its own

    def log(replicate, condition):
        logging.getLogger("crystallize_tests").info("of %s", condition)
        return 1.0

    def go(name):
        Experiment(log, {name: {}}, replicates=200, seed=1).run()

    threads = [threading.Thread(target=go, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kept) == 400
    assert all(record.getMessage() == f"of {record.condition}" for record in kept)
    assert logging.getLogRecordFactory() is factory
