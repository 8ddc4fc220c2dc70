"""Every strategy in the box, and a stranger's, runs the same suite."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from crystallize import hookimpl
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution
from crystallize.testing import AsyncExecutorSuite, ExecutorSuite


class TestSerial(ExecutorSuite):
    def make(self):
        return SerialExecution()


class TestSerialWithCoroutines(AsyncExecutorSuite):
    def make(self):
        return SerialExecution()


class TestThreads(ExecutorSuite):
    @pytest.fixture(autouse=True, params=[1, 2, 3])
    def _workers(self, request):
        self.workers = request.param

    def make(self):
        return ParallelExecution(self.workers)


class TestProcesses(ExecutorSuite):
    @pytest.fixture(autouse=True, params=[1, 2, 3])
    def _workers(self, request):
        self.workers = request.param

    def make(self):
        return ParallelExecution(self.workers, "process")


class TestAsync(AsyncExecutorSuite):
    @pytest.fixture(autouse=True, params=[1, 7, 1000])
    def _concurrency(self, request):
        self.concurrency = request.param

    def make(self):
        return AsyncExecution(max_concurrency=self.concurrency)


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


class TestBackwards(ExecutorSuite):
    def make(self):
        return Backwards()


class TestStandardPool(ExecutorSuite):
    replicates = 20

    def make(self):
        return StandardPool()


class TestStandardThreads(ExecutorSuite):
    def make(self):
        return StandardThreads()
