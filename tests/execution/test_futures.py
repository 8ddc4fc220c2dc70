"""Engines with futures: the call shipped once to each worker, and running calls that are ended."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from crystallize import Experiment, FunctionError
from crystallize.errors import ExecutorError
from crystallize.plugins import (
    Capabilities,
    FutureLike,
    FuturesExecution,
    Shipped,
)
from crystallize.plugins.execution import shipping
from crystallize.testing import ExecutorSuite
from crystallize.testing.watching import until, within

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PATIENCE = 60.0
"""Seconds after which something hangs."""

# Nearly every test starts workers, and what they take longest for is to import this.
FORKSERVER = get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    ["numpy", "cloudpickle", "crystallize.testing.noted", "crystallize.worker.block_runner"]
)


class Pool(FuturesExecution):
    """Another process pool, which is sent the call once and whose running calls can be ended."""

    def __init__(self, workers: int = 2) -> None:
        super().__init__()
        self.workers = workers

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            workers=self.workers, shares_process=False, local_processes=True, can_cancel=True
        )

    @contextmanager
    def submitter(self, call: Any, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        pool = ProcessPoolExecutor(workers, FORKSERVER)
        try:
            yield Shipped(call).through(pool.submit, workers, local_processes=True)
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def cancel_running(self, future: Any) -> bool:
        return bool(future.kill())

    def running_seconds(self, future: Any) -> Any:
        return future.running_seconds()


@pytest.mark.faults  # slow: workers are killed, and programs interrupted
class TestPool(ExecutorSuite):
    patience = PATIENCE

    def make(self) -> Pool:
        return Pool()


class Counted:
    """A call that notes where it is unpickled, and that it is closed."""

    def __init__(self, log: Path) -> None:
        self.log = str(log)
        log.touch()

    def note(self, what: str) -> None:
        with Path(self.log).open("a") as file:
            file.write(f"{what} {os.getpid()}\n")

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.note("arrived")

    def __call__(self, task: int) -> int:
        return task * task

    def close(self) -> None:
        self.note("closed")


def noted(log: Path, what: str) -> list[str]:
    return [line.split()[1] for line in log.read_text().splitlines() if line.startswith(what)]


def squares(executor: FuturesExecution, call: Any, replicates: int) -> Any:
    loop: Any = executor.run_experiment_loop
    return within(PATIENCE, loop, SimpleNamespace(replicates=replicates), call)


def test_each_worker_unpickles_the_call_once_and_closes_it_when_it_ends(tmp_path):
    log = tmp_path / "log"
    assert squares(Pool(), Counted(log), 50) == [i * i for i in range(50)]
    arrived = noted(log, "arrived")
    assert 1 <= len(arrived) <= 2 and len(set(arrived)) == len(arrived)
    assert sorted(noted(log, "closed")) == sorted(arrived)


def test_workers_that_join_later_get_the_call_too(tmp_path):
    log = tmp_path / "log"
    pools = [ProcessPoolExecutor(1, get_context("spawn")) for _ in range(3)]

    class Joining(FuturesExecution):
        capabilities = Capabilities(shares_process=False)

        @contextmanager
        def submitter(self, call: Any, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
            def submit(function: Any, task: int) -> FutureLike:
                return pools[task // 3].submit(function, task)

            yield Shipped(call).through(submit, workers)

    try:
        assert squares(Joining(), Counted(log), 9) == [i * i for i in range(9)]
    finally:
        for pool in pools:
            pool.shutdown()
    arrived = noted(log, "arrived")
    assert len(arrived) == len(set(arrived)) == 3


def test_a_worker_is_sent_what_is_heavy_only_if_it_lacks_it():
    sent: list[int] = []

    def submit(function: Any, task: int) -> Future[int]:
        travelled = pickle.dumps(function)
        sent.append(len(travelled))
        future: Future[int] = Future()
        future.set_result(pickle.loads(travelled)(task))
        return future

    heavy = b"x" * 10**6
    shipped = Shipped(lambda task: len(heavy) + task)
    through = shipped.through(submit, workers=1)
    results: list[Any] = []
    for task in range(3):
        through(task).add_done_callback(lambda future: results.append(future.result()))
    shipped.forget()
    through(3).add_done_callback(lambda future: results.append(future.result()))
    assert results == [10**6 + task for task in range(4)]
    assert [size > 10**6 for size in sent] == [True, False, False, False, True]
    shipped.forget()


def test_a_call_that_is_forgotten_while_it_runs_is_closed_when_it_has_ended(tmp_path):
    log = tmp_path / "log"
    shipped = Shipped(Counted(log))
    arrived = pickle.loads(pickle.dumps(shipped))
    went_on, began = threading.Event(), threading.Event()

    class Slow(int):
        def __mul__(self, other: Any) -> Any:
            began.set()
            return went_on.wait(PATIENCE)

    thread = threading.Thread(target=arrived, args=(Slow(1),), daemon=True)
    thread.start()
    assert began.wait(PATIENCE)
    arrived.forget()
    assert noted(log, "closed") == []
    went_on.set()
    thread.join(PATIENCE)
    assert len(noted(log, "closed")) == 1


def test_what_nobody_uses_any_more_is_forgotten_without_being_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(shipping, "_keeper", shipping._Keeper())
    log = tmp_path / "log"
    assert pickle.loads(pickle.dumps(Shipped(Counted(log))))(3) == 9
    assert until(lambda: noted(log, "closed"), PATIENCE)
    assert len(noted(log, "arrived")) == len(noted(log, "closed")) == 1


def test_what_cannot_travel_is_refused_before_it_is_sent():
    lock = threading.Lock()
    with pytest.raises(FunctionError, match=r"cannot be sent to another process.*lock"):
        Shipped(lambda task: lock)


def test_what_a_worker_cannot_load_ends_the_run():
    class Unloadable:
        def __reduce__(self) -> Any:
            return refuse, ()

    with pytest.raises(ExecutorError, match=r"could not load the function(?s:.*)not here"):
        squares(Pool(1), partial(lambda given, task: task, Unloadable()), 3)


def refuse() -> Any:
    raise LookupError("not here")


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 2])
def test_a_call_that_takes_too_long_is_ended_and_fails_alone(workers):
    def trial(replicate: int) -> int:
        if replicate == 5:
            time.sleep(600)
        return replicate

    experiment = Experiment(trial, replicates=12, timeout=1, execution=Pool(workers))
    result = within(120, experiment.run)
    assert [(error.replicate, error.type) for error in result.errors] == [(5, "TimedOut")]
    assert result.replicates == 12


@pytest.mark.faults
def test_a_worker_that_is_killed_costs_its_cell_alone():
    def trial(replicate: int) -> int:
        if replicate == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return replicate

    result = within(120, Experiment(trial, replicates=12, execution=Pool()).run)
    assert [(error.replicate, error.type) for error in result.errors] == [(5, "WorkerLost")]


@contextmanager
def without_collector() -> Iterator[None]:
    """What is in a circle of references stays, as it may for long."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Shut:
    """An engine whose one worker begins with the second task, and that takes no third."""

    def __init__(self) -> None:
        self.held: list[tuple[Future[Any], bytes, int]] = []

    def submit(self, function: Any, task: int) -> Future[Any]:
        if len(self.held) == 2:
            raise RuntimeError("it is shut")
        future: Future[Any] = Future()
        self.held.append((future, pickle.dumps(function), task))
        if len(self.held) == 2:
            threading.Thread(target=self.work).start()
        return future

    def work(self) -> None:
        for future, function, task in reversed(self.held):
            future.set_result(pickle.loads(function)(task))


def test_a_task_that_comes_back_to_an_engine_that_was_shut_does_not_keep_it():
    made: list[weakref.ref[Shut]] = []

    class Executor(FuturesExecution):
        capabilities = Capabilities(shares_process=False)

        @contextmanager
        def submitter(self, call: Any, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
            engine = Shut()
            made.append(weakref.ref(engine))
            yield Shipped(call).through(engine.submit, 1)  # the call goes with the first task

    def run() -> list[Any]:
        handed = iter([1, 2])
        stream = Executor().execute(SimpleNamespace(), abs, lambda: next(handed, None), Ticking())
        return [(item.task, str(item.error)) for item in stream if item is not None]

    with without_collector():
        assert sorted(run()) == [(1, "None"), (2, "it is shut")]
        assert until(lambda: made[0]() is None, 5)


class Ticking:
    """As much of a run as an executor asks."""

    def register_control(self, *functions: Any) -> None:
        pass

    def tick(self) -> float:
        return 0.05


@pytest.mark.faults
@pytest.mark.parametrize("ends", [True, False], ids=["to its end", "left in the middle"])
def test_an_engine_whose_worker_was_killed_is_not_kept(ends):
    made: list[weakref.ref[Any]] = []

    def pool() -> ProcessPoolExecutor:
        engine = ProcessPoolExecutor(2, FORKSERVER)
        made.append(weakref.ref(engine))
        return engine

    def trial(replicate: int) -> int:
        if replicate == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return replicate

    options = {"factory": pool, "workers": 2, "worker_type": "process"}
    experiment = Experiment(trial, replicates=12, execution="futures", execution_options=options)
    with without_collector():
        if ends:
            assert len(within(120, experiment.run).errors) == 1
        else:
            for outcome in experiment.stream():
                if outcome.error is not None:
                    break
        assert made
        assert until(lambda: not any(engine() for engine in made), 5)


@pytest.mark.faults
def test_used_alone_without_a_run_it_raises_what_ended_a_call():
    def call(index: int) -> int:
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with pytest.raises(Exception, match="terminated abruptly"):
        squares(Pool(), call, 10)


def test_what_cannot_be_ended_yet_is_asked_for_again():
    asked: list[int] = []

    class Reluctant(FuturesExecution):
        capabilities = Capabilities(workers=1, can_cancel=True)

        @contextmanager
        def submitter(self, call: Any, workers: int) -> Iterator[Any]:
            def submit(task: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_running_or_notify_cancel()
                if task.start != 1:
                    future.set_result(call(task))
                return future

            yield submit

        def cancel_running(self, future: Any) -> bool:
            asked.append(1)
            if len(asked) < 3:
                return False
            future.set_exception(TimeoutError())
            return True

    experiment = Experiment(
        lambda replicate: replicate, replicates=2, timeout=0.3, execution=Reluctant()
    )
    result = within(PATIENCE, experiment.run)
    assert [error.replicate for error in result.errors] == [1]
    assert len(asked) == 3
