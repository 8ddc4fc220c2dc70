"""Whatever happens to one cell or its worker, all the others arrive."""

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil
import pytest
from faulty import REPLICATES, STRUCK, atrial, trial

from crystallize import Experiment, Result, StoreWarning
from crystallize.errors import CrystallizeError
from crystallize.results.errors import TooManyFailuresError
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(sys.modules["faulty"])

PROCESS = ("parallel", {"executor_type": "process", "max_workers": 2})
STRATEGIES = {
    "serial": ("serial", {}),
    "thread": ("parallel", {"max_workers": 2}),
    "process-1": ("parallel", {"executor_type": "process", "max_workers": 1}),
    "process-2": PROCESS,
    "process-3": ("parallel", {"executor_type": "process", "max_workers": 3}),
    "async": ("async", {}),
}
EVERYWHERE = ("raise", "unpicklable", "unpickling", "sys.exit", "interrupt", "type", "result")
KILLING = ("kill", "exit", "segfault")


@pytest.fixture
def experiment(tmp_path):
    """Makes the experiment with a fault, on a store."""

    def make(strategy, fault, **options):
        name, arguments = STRATEGIES[strategy]
        paths = {"flag": str(tmp_path / "flag"), "log": str(tmp_path / "log")}
        conditions = {
            c: {"shift": s, "fault": fault if s else "", **paths} for c, s in (("a", 0), ("b", 1))
        }
        (tmp_path / "log").touch()
        return Experiment(
            atrial if strategy == "async" else trial,
            conditions,
            replicates=REPLICATES,
            seed=11,
            execution=name,
            execution_options=arguments,
            **{"store": tmp_path / "store.db", **options},
        )

    return make


def executions(tmp_path):
    return Counter(map(int, (tmp_path / "log").read_text().split()))


def undisturbed(experiment, tmp_path):
    (tmp_path / "flag").touch()
    result = experiment("serial", "", store=None).run()
    (tmp_path / "flag").unlink()
    (tmp_path / "log").unlink()
    return result


def assert_kept_and_resumable(result, tmp_path, experiment, strategy):
    """What was reported is in the store; a resume runs the failed cells alone."""
    same_result(result, Result.from_store(tmp_path / "store.db"))
    (tmp_path / "flag").touch()
    (tmp_path / "log").unlink()
    with pytest.warns(StoreWarning, match="cells of generation 1"):  # with the fault, they ran
        again = experiment(strategy, "", retry_failed=True, accept_changes=True).run()
    assert executions(tmp_path).total() == len(result.errors)
    return again


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fault", EVERYWHERE)
def test_a_cell_that_fails_costs_itself(experiment, tmp_path, strategy, fault):
    clean = undisturbed(experiment, tmp_path)
    result = experiment(strategy, fault).run()
    assert [(e.condition, e.replicate) for e in result.errors] == [("b", STRUCK)]
    assert set(executions(tmp_path).values()) == {2}
    same_result(clean, assert_kept_and_resumable(result, tmp_path, experiment, strategy))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fault", EVERYWHERE)
def test_a_cell_that_fails_once_is_retried(experiment, tmp_path, strategy, fault):
    clean = undisturbed(experiment, tmp_path)
    result = experiment(strategy, fault, retries=1).run()
    same_result(clean, result)
    assert executions(tmp_path)[STRUCK] == 3


@pytest.mark.parametrize("strategy", ["process-1", "process-2", "process-3"])
@pytest.mark.parametrize("fault", KILLING)
def test_a_worker_that_dies_once_costs_nothing(experiment, tmp_path, strategy, fault):
    clean = undisturbed(experiment, tmp_path)
    result = experiment(strategy, fault).run()
    same_result(clean, result)
    assert executions(tmp_path).total() < 2 * REPLICATES + 20


@pytest.mark.parametrize("strategy", ["process-1", "process-2", "process-3"])
@pytest.mark.parametrize("fault", KILLING)
def test_a_cell_that_always_kills_is_found_and_all_others_arrive(
    experiment, tmp_path, strategy, fault
):
    clean = undisturbed(experiment, tmp_path)
    result = experiment(strategy, f"{fault}-always", retries=1).run()
    (error,) = result.errors
    assert (error.condition, error.replicate, error.type) == ("b", STRUCK, "WorkerLost")
    assert error.attempts == 2
    expected = {"kill": "SIGKILL", "exit": "EXIT", "segfault": "SIGSEGV"}[fault]
    assert expected in error.message
    assert np.isfinite(result.metrics["b"]["x"]).sum() == REPLICATES - 1
    same_result(clean, assert_kept_and_resumable(result, tmp_path, experiment, strategy))


def test_running_out_of_memory_is_a_failed_cell(experiment, tmp_path):
    result = experiment("process-2", "memory").run()
    assert [(e.replicate, "MemoryError" in e.type) for e in result.errors] == [(STRUCK, True)]


@pytest.mark.parametrize(
    ("strategy", "fault"),
    [("process-2", "sleep"), ("process-2", "gil"), ("process-1", "sleep"), ("async", "sleep")],
)
def test_a_cell_that_takes_too_long_is_stopped(experiment, tmp_path, strategy, fault):
    clean = undisturbed(experiment, tmp_path)
    (tmp_path / "log").touch()
    always = fault if strategy == "async" else f"{fault}-always"
    result = experiment(strategy, always, timeout=0.7).run()
    (error,) = result.errors
    assert (error.condition, error.replicate, error.type) == ("b", STRUCK, "TimedOut")
    assert error.message == "took longer than 0.7 s"
    assert np.isfinite(result.metrics["b"]["x"]).sum() == REPLICATES - 1
    same_result(clean, assert_kept_and_resumable(result, tmp_path, experiment, strategy))


@pytest.mark.parametrize("strategy", ["serial", "thread"])
def test_a_timeout_is_refused_where_nothing_can_cancel_a_call(experiment, strategy):
    with pytest.raises(CrystallizeError, match=r"timeout: .*processes .*and 'async' can"):
        experiment(strategy, "", timeout=1)


@pytest.mark.parametrize("allowed", [3, 0.1])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_too_many_failures_stop_the_run_and_keep_everything(tmp_path, strategy, allowed):
    def fails(replicate):
        if replicate % 2:
            raise ValueError(replicate)
        return replicate

    async def afails(replicate):
        return fails(replicate)

    name, options = STRATEGIES[strategy]
    experiment = Experiment(
        afails if strategy == "async" else fails,
        replicates=2000,
        execution=name,
        execution_options=options,
        max_failures=allowed,
        store=tmp_path / "s.db",
    )
    with pytest.raises(TooManyFailuresError) as caught:
        experiment.run()
    result = caught.value.result
    limit = allowed if isinstance(allowed, int) else allowed * 2000
    assert len(result.errors) > limit
    same_result(result, Result.from_store(tmp_path / "s.db"))


def test_a_pool_inside_the_function_works():
    def nested(replicate):
        inner = Experiment(
            lambda rng: rng.random(),
            replicates=2,
            seed=replicate,
            execution="parallel",
            execution_options={"executor_type": "process", "max_workers": 2},
        ).run()
        return inner.metrics["baseline"]["value"].sum()

    serial = Experiment(nested, replicates=2, seed=1).run()
    process = Experiment(
        nested, replicates=2, seed=1, execution=PROCESS[0], execution_options=PROCESS[1]
    ).run()
    assert process.errors == []
    same_result(serial, process)


def test_a_thread_that_holds_a_lock_when_the_pool_starts_does_not_block_it():
    import logging
    import threading

    locked, release = threading.Event(), threading.Event()

    def hold():
        with logging._lock:  # type: ignore[attr-defined]
            locked.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait()
    try:
        result = Experiment(
            lambda: __import__("logging").getLogger("x").level, replicates=3,
            execution=PROCESS[0], execution_options=PROCESS[1],
        ).run()  # fmt: skip
    finally:
        release.set()
        thread.join()
    assert result.errors == []


def test_a_busy_worker_does_not_outlive_a_dropped_stream(tmp_path):
    def trial(replicate):
        if replicate:
            (tmp_path / str(os.getpid())).touch()
            time.sleep(60)
        return 1.0

    stream: Any = Experiment(
        trial, replicates=4, execution=PROCESS[0], execution_options=PROCESS[1]
    ).stream()
    next(stream)
    while len(begun := list(tmp_path.iterdir())) < 2:
        time.sleep(0.01)
    busy = [psutil.Process(int(file.name)) for file in begun]
    stream.close()
    _, alive = psutil.wait_procs(busy, 5)
    assert alive == []


def test_the_engine_of_a_stranger_is_opened_again_when_it_breaks(tmp_path):
    from concurrent.futures import ProcessPoolExecutor
    from contextlib import contextmanager
    from functools import partial
    from multiprocessing import get_context

    from crystallize.plugins import Capabilities, FuturesExecution

    class StandardPool(FuturesExecution):
        capabilities = Capabilities(workers=2, shares_process=False)

        @contextmanager
        def submitter(self, call, workers):
            with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
                yield partial(pool.submit, call)

    flag = str(tmp_path / "flag")

    def once(replicate):
        import os
        import signal

        if replicate == STRUCK and not Path(flag).exists():
            Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return replicate

    result = Experiment(once, replicates=REPLICATES, execution=StandardPool()).run()
    assert result.errors == []
    assert result.metrics["baseline"]["value"].tolist() == list(range(REPLICATES))


def test_a_worker_that_dies_while_its_block_travels_costs_that_block_alone(tmp_path):
    def trial(replicate, log):
        with Path(log).open("a") as file:
            file.write(f"{replicate}\n")
        large = {"large": np.full(4_000_000, replicate)} if replicate else {}
        return {"pid": float(os.getpid()), **large}

    (tmp_path / "log").touch()
    stream = Experiment(
        trial,
        {"only": {"log": str(tmp_path / "log")}},
        replicates=4,
        execution="parallel",
        execution_options={"executor_type": "process", "max_workers": 1},
    ).stream()
    outcomes = [next(stream)]  # nobody reads while we have it, so the next block fills the pipe
    assert outcomes[0].metrics is not None
    worker = psutil.Process(int(outcomes[0].metrics["pid"]))
    until = time.monotonic() + 20
    while worker.cpu_percent(0.2) > 1 and time.monotonic() < until:
        pass
    struck = (tmp_path / "log").read_text().split()[-1]
    worker.kill()
    outcomes += stream
    assert sorted(outcome.replicate for outcome in outcomes) == [0, 1, 2, 3]
    assert [outcome.error for outcome in outcomes] == [None] * 4
    for outcome in outcomes:
        assert np.all(outcome.metrics.get("large", outcome.replicate) == outcome.replicate)
    ran = Counter((tmp_path / "log").read_text().split())
    assert (ran["0"], ran[struck], max(ran.values())) == (1, 2, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that a worker leaves behind")
def test_what_a_dead_worker_leaves_behind_holds_nobody_up(tmp_path):
    def trial(replicate, child):
        if replicate == 1:
            if (pid := os.fork()) == 0:
                time.sleep(60)  # with the worker's end of the pipe
                os._exit(0)
            Path(child).write_text(str(pid))
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        return float(replicate)

    conditions = {"only": {"child": str(tmp_path / "child")}}
    name, options = PROCESS
    experiment = Experiment(
        trial, conditions, replicates=6, execution=name, execution_options=options
    )
    result = experiment.run()
    assert [(error.replicate, error.type) for error in result.errors] == [(1, "WorkerLost")]
    left = psutil.Process(int((tmp_path / "child").read_text()))
    assert left.is_running()
    left.kill()


PROGRAM = """
def trial(replicate):
    time.sleep(0.05)
    return float(replicate)


class Watch:
    began = threading.Event()

    @hookimpl
    def outcomes_completed(self):
        self.began.set()


experiment = Experiment(trial, replicates=200, plugins=[Watch()], **PROCESS)
"""


@pytest.mark.parametrize(
    "end",
    [
        "stream = experiment.stream(); next(stream)",
        "for outcome in experiment.stream(): raise RuntimeError('on purpose')",
        "threading.Thread(target=experiment.run, daemon=True).start(); Watch.began.wait()",
    ],
    ids=["stream", "raise", "thread"],
)
def test_a_program_ends_although_it_leaves_a_run_in_its_middle(program, end):
    running = program(PROGRAM + end)
    running.ended(code=None, timeout=30)
    assert ("on purpose" in running.err) == (running.returncode == 1)
