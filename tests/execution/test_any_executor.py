"""The strategy ``futures``: any executor of the concurrent.futures kind, by name."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from crystallize import CrystallizeError, Experiment
from crystallize.errors import ExecutorError
from crystallize.plugins.execution import FactoryExecution
from crystallize.testing import ExecutorSuite
from crystallize.testing.watching import within

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test


class TestThreadPool(ExecutorSuite):
    def make(self) -> FactoryExecution:
        return FactoryExecution("concurrent.futures:ThreadPoolExecutor", workers=3)


@pytest.mark.faults
class TestProcessPool(ExecutorSuite):
    patience = 60.0

    def make(self) -> FactoryExecution:
        options = {"max_workers": 2, "mp_context": get_context("forkserver")}
        return FactoryExecution(ProcessPoolExecutor, options)


@pytest.mark.faults
class TestLoky(ExecutorSuite):
    patience = 60.0

    def make(self) -> FactoryExecution:
        return FactoryExecution("loky:get_reusable_executor", {"max_workers": 2})


def trial(rng: Any, replicate: int, flag: str = "") -> Any:
    if flag and replicate == 17 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rng.random()


def experiment(**options: Any) -> Experiment:
    return Experiment(trial, replicates=60, seed=1, execution="futures", execution_options=options)


def refusal(**options: Any) -> str:
    with pytest.raises(CrystallizeError) as caught:
        experiment(**options)
    return str(caught.value)


SERIAL = Experiment(trial, replicates=60, seed=1).run().metrics["baseline"]["value"]
LOKY = "loky:get_reusable_executor"
THREADS = "concurrent.futures:ThreadPoolExecutor"
EXECUTORLIB = {
    "factory": "executorlib:SingleNodeExecutor",
    "factory_options": {"max_workers": 2, "block_allocation": True},
    "worker_type": "remote",
}


def test_executorlib_gives_the_bytes_of_a_serial_run():
    result = within(100, experiment(**EXECUTORLIB).run)
    assert result.metrics["baseline"]["value"].tobytes() == SERIAL.tobytes()


@pytest.mark.faults
def test_executorlib_loses_nothing_to_a_worker_that_is_killed_once(tmp_path):
    run = Experiment(
        trial,
        {"baseline": {"flag": str(tmp_path / "flag")}},
        replicates=60,
        seed=1,
        execution="futures",
        execution_options=EXECUTORLIB,
    ).run
    result = within(100, run)
    assert (tmp_path / "flag").exists()
    assert result.errors == []
    assert result.metrics["baseline"]["value"].tobytes() == SERIAL.tobytes()


def test_a_config_names_it_with_a_factory_beside_it(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def pool(size: int):\n    return ThreadPoolExecutor(size)\n"
        "def trial(rng):\n    return rng.random()\n"
    )
    config = tmp_path / "experiment.toml"
    config.write_text(
        '[experiment]\nfunction = "mine:trial"\nreplicates = 60\nseed = 1\n'
        '[execution]\nstrategy = "futures"\nfactory = "mine:pool"\nworkers = 3\n'
        "[execution.factory_options]\nsize = 3\n"
    )
    result = within(60, Experiment.from_config(config).run)
    assert result.metrics["baseline"]["value"].tobytes() == SERIAL.tobytes()
    config.write_text(config.read_text().replace("size = 3", "sise = 3"))
    with pytest.raises(CrystallizeError, match=r"no option 'sise'\. Did you mean 'size'"):
        Experiment.from_config(config)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "needs the option 'factory'"),
        ({"factory": "ThreadPoolExecutor"}, "expected 'module:attribute' of what makes"),
        ({"factory": "no_such_module:pool"}, "There is no module 'no_such_module'"),
        ({"factory": "loky:get_reusable_executer"}, "Did you mean 'get_reusable_executor'"),
        ({"factory": "math:pi"}, "factory: expected what makes a concurrent.futures.Executor"),
        ({"factory": LOKY, "factory_options": {"max_wrkers": 2}}, "Did you mean 'max_workers'"),
        ({"factory": LOKY, "factory_options": [2]}, "factory_options: expected a mapping"),
        ({"factory": LOKY, "factory_options": {"max_workers": "two"}}, "expected a whole number"),
        (
            {"factory": LOKY, "factory_options": {"max_workers": 2}, "workers": 3},
            "workers: expected 2, as factory_options.max_workers has it, got 3",
        ),
        ({"factory": LOKY, "worker_type": "proces"}, "Did you mean 'process'"),
        ({"factory": LOKY, "worker": 2}, "no option 'worker'. Did you mean 'workers'"),
        ({"factory": object}, "workers: expected how many calls object runs at once"),
    ],
)
def test_what_is_wrong_is_said_when_the_experiment_is_made(options, said):
    assert said in refusal(**options)


def give_nothing(max_workers: int) -> None:
    """A factory that gives no executor."""


def fail(max_workers: int) -> None:
    raise OSError("no licence")


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (give_nothing, "give_nothing gave NoneType, which is no concurrent.futures.Executor"),
        (fail, r"fail could not make an executor: OSError: no licence"),
    ],
)
def test_a_factory_that_gives_no_executor_is_refused_before_the_first_replicate(factory, said):
    ran: list[int] = []

    def noted(replicate: int) -> float:
        ran.append(replicate)
        return 1.0

    run = Experiment(
        noted,
        replicates=3,
        execution="futures",
        execution_options={"factory": factory},
    ).run
    with pytest.raises(ExecutorError, match=said):
        within(30, run)
    assert ran == []


def test_a_timeout_and_seeded_globals_need_workers_that_are_known_to_be_processes():
    def make(max_workers: int) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers)

    for options in ({"timeout": 1}, {"seed_globals": True}):
        for strategy in ({"factory": make}, {"factory": THREADS}):
            with pytest.raises(ValueError, match=next(iter(options))):
                Experiment(trial, execution="futures", execution_options=strategy, **options)
        Experiment(trial, execution="futures", execution_options={"factory": LOKY}, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_are_no_processes_though_they_are_said_to_be_end_the_run(workers):
    options = {"factory": THREADS, "workers": workers, "worker_type": "process"}
    with pytest.raises(ExecutorError, match="said to be processes"):
        within(30, experiment(**options).run)


def test_an_executor_of_the_callers_is_used_as_it_is_and_left_open():
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            result = within(30, experiment(factory=pool, workers=2, worker_type="thread").run)
            assert result.metrics["baseline"]["value"].tobytes() == SERIAL.tobytes()
        assert pool.submit(int, "3").result() == 3


def test_used_alone_it_raises_with_the_line_of_the_call():
    def call(index: int) -> float:
        return 1 / index

    with pytest.raises(ZeroDivisionError) as caught:
        FactoryExecution(THREADS, workers=2).run_experiment_loop(
            SimpleNamespace(replicates=3), call
        )
    assert caught.traceback[-1].name == "call"


def test_a_factory_that_gives_what_was_shut_down_is_found_out():
    pool = ThreadPoolExecutor(2)
    options = {"factory": lambda: pool, "workers": 2, "worker_type": "thread"}
    assert within(30, experiment(**options).run).errors == []
    with pytest.raises(ExecutorError, match="an earlier run has shut down"):
        within(30, experiment(**options).run)


def test_threads_are_given_the_function_itself():
    seen: list[int] = []

    def noted(replicate: int) -> float:
        seen.append(replicate)
        return 1.0

    run = Experiment(
        noted,
        replicates=20,
        execution="futures",
        execution_options={"factory": THREADS, "workers": 2},
    ).run
    within(30, run)
    assert sorted(seen) == list(range(20))


@pytest.mark.faults
def test_a_cell_that_kills_its_worker_is_found_and_fails_alone():
    def deadly(replicate: int) -> int:
        if replicate == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        return replicate

    options = {"factory": LOKY, "factory_options": {"max_workers": 2}}
    run = Experiment(deadly, replicates=60, execution="futures", execution_options=options).run
    assert [(e.replicate, e.type) for e in within(100, run).errors] == [(17, "WorkerLost")]
