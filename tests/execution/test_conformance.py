"""Every strategy in the box, and a stranger's, runs the same suite."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from crystallize import hookimpl
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution
from crystallize.testing import AsyncExecutorSuite, ExecutorSuite, LoopExecutorSuite


class TestSerial(ExecutorSuite):
    def make(self):
        return SerialExecution()


class TestSerialWithCoroutines(AsyncExecutorSuite):
    def make(self):
        return SerialExecution()


class TestThreads(ExecutorSuite):
    def make(self):
        return ParallelExecution(3)


@pytest.mark.faults
class TestOneThread(ExecutorSuite):
    def make(self):
        return ParallelExecution(1)


@pytest.mark.faults  # slow: workers are killed, and start again
class TestProcesses(ExecutorSuite):
    def make(self):
        return ParallelExecution(2, "process")


@pytest.mark.faults
class TestOneProcess(ExecutorSuite):
    def make(self):
        return ParallelExecution(1, "process")


class TestAsync(AsyncExecutorSuite):
    def make(self):
        return AsyncExecution(max_concurrency=7)


@pytest.mark.faults
class TestAsyncOneAtATime(AsyncExecutorSuite):
    def make(self):
        return AsyncExecution(max_concurrency=1)


class TestAsyncManyAtOnce(AsyncExecutorSuite):
    def make(self):
        return AsyncExecution()


class Backwards:
    """A stranger's executor: nothing but the loop."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        results = [replicate_fn(i) for i in reversed(range(experiment.replicates))]
        return results[::-1]


class StandardPool:
    """A stranger's executor over another process pool, with plain pickle."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
            return list(pool.map(replicate_fn, range(experiment.replicates), chunksize=7))


class StandardThreads:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(partial(replicate_fn), range(experiment.replicates)))


class TestBackwards(LoopExecutorSuite):
    def make(self):
        return Backwards()


@pytest.mark.faults
class TestStandardPool(LoopExecutorSuite):
    replicates = 20
    processes = True

    def make(self):
        return StandardPool()


@pytest.mark.faults
class TestStandardThreads(ExecutorSuite):
    def make(self):
        return StandardThreads()
