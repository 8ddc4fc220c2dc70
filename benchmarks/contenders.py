"""Everyone who runs a loop over replicates, each at its best and in a process of its own.

Whoever keeps workers is given them before the clock starts: pools are made beforehand, and a few
replicates are run, untimed, before each measurement.  ``python -m benchmarks.contenders NAME``
answers requests as :mod:`benchmarks.side` makes them.
"""

from __future__ import annotations

import gc
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from time import perf_counter
from typing import Any, ClassVar

from benchmarks.limit import BareProcesses
from benchmarks.side import NOT_INSTALLED, answer_requests
from benchmarks.timing import Sample, timed
from benchmarks.workloads import ROOT_SEED, WORKERS, WORKLOADS, Workload

WARM = 20
"""How many trivial replicates go before each measurement."""
CHUNK_SHARES = (2, 8, 32, 128, 512)
"""Chunk sizes that are tried: the replicates divided by each of these."""
QUICK_CHUNK_SHARES = (8, 128)
TRIAL_SECONDS = 0.3
"""How long each chunk size is tried; at least once."""


class Contender(ABC):
    """Someone who runs a workload.

    Attributes
    ----------
    name : str
    note : str
        What it was given or spared, if anything.
    """

    name: ClassVar[str]
    note: str = ""
    chunk_shares = CHUNK_SHARES

    def start(self, stack: ExitStack) -> None:  # noqa: B027 - most have something, not all
        """Make what it keeps between runs."""

    def prepare(self, workload: Workload, count: int) -> None:  # noqa: B027
        """Choose its best settings for a workload, untimed."""

    @abstractmethod
    def run(self, workload: Workload, count: int) -> int | None:
        """Run; how many results there are, if it keeps any."""

    def measure(self, workload: Workload, count: int) -> Sample:
        """One timed run with its workers warm."""
        self.check(self.run(WORKLOADS["null"], WARM), WARM)
        gc.collect()
        return timed(partial(self.run, workload, count))

    def check(self, results: int | None, count: int) -> None:
        if results not in (None, count):
            raise RuntimeError(f"{self.name} gave {results} results of {count} replicates.")


class BareLoop(Contender):
    name = "bare loop"

    def run(self, workload: Workload, count: int) -> None:
        function = workload.indexed
        for index in range(count):
            function(index)


class Limit(Contender):
    name = "limit"
    note = "nothing sent back"

    def start(self, stack: ExitStack) -> None:
        self._processes = stack.enter_context(BareProcesses())

    def run(self, workload: Workload, count: int) -> None:
        self._processes.give(workload, workload.shares(count))
        self._processes.go()

    def measure(self, workload: Workload, count: int) -> Sample:
        self.run(WORKLOADS["null"], WARM)
        self._processes.give(workload, workload.shares(count))
        return timed(self._processes.go)


class Chunked(Contender):
    """A contender whose chunk size is ours to choose: the quickest of a few is taken."""

    chunk = 1

    def prepare(self, workload: Workload, count: int) -> None:
        best = float("inf")
        for chunk in sorted({max(1, count // shares) for shares in self.chunk_shares}):
            self.chunk = chunk
            self.run(workload, min(count, WARM))
            began, least = perf_counter(), float("inf")
            while least == float("inf") or perf_counter() - began < TRIAL_SECONDS:
                least = min(least, timed(partial(self.run, workload, count)).seconds)
            if least < best:
                best, chosen = least, chunk
        self.chunk = chosen
        self.note = f"chunks of {chosen}, the best of {len(self.chunk_shares)}"


class ExecutorMap(Chunked):
    name = "ProcessPoolExecutor.map"

    def start(self, stack: ExitStack) -> None:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        pool = ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"))
        self._pool = stack.enter_context(pool)

    def run(self, workload: Workload, count: int) -> int:
        return len(list(self._pool.map(workload.indexed, range(count), chunksize=self.chunk)))


class PoolImap(Chunked):
    name = "Pool.imap"

    def start(self, stack: ExitStack) -> None:
        from multiprocessing import get_context

        self._pool = stack.enter_context(get_context("spawn").Pool(WORKERS))

    def run(self, workload: Workload, count: int) -> int:
        return len(list(self._pool.imap(workload.indexed, range(count), chunksize=self.chunk)))


class Mpire(Chunked):
    name = "mpire"

    def start(self, stack: ExitStack) -> None:
        from mpire import WorkerPool

        self._pool = stack.enter_context(WorkerPool(WORKERS, start_method="spawn", keep_alive=True))

    def run(self, workload: Workload, count: int) -> int:
        results = self._pool.map(
            workload.indexed,
            range(count),
            chunk_size=self.chunk,
            concatenate_numpy_output=False,  # a list of arrays, as from everyone else
        )
        return len(results)


class KeepsWorkers(Contender):
    """A contender that keeps its workers between runs: one whole run has gone before."""

    def prepare(self, workload: Workload, count: int) -> None:
        self.check(self.run(workload, count), count)


class Joblib(KeepsWorkers):
    backend: ClassVar[str]

    def start(self, stack: ExitStack) -> None:
        from joblib import Parallel, delayed

        self._parallel = partial(Parallel, n_jobs=WORKERS, backend=self.backend)
        self._delayed = delayed

    def run(self, workload: Workload, count: int) -> int:
        function = self._delayed(workload.indexed)
        return len(self._parallel()(function(index) for index in range(count)))


class JoblibLoky(Joblib):
    name, backend = "joblib loky", "loky"


class JoblibThreading(Joblib):
    name, backend = "joblib threading", "threading"


class Crystallize(KeepsWorkers):
    """A whole experiment: seeding, error capture, columns, aggregation and provenance."""

    options: ClassVar[Mapping[str, Any]] = {}

    def start(self, stack: ExitStack) -> None:
        from crystallize import Experiment

        self._experiment = partial(Experiment, seed=ROOT_SEED, **self.options)

    def run(self, workload: Workload, count: int) -> int:
        conditions = {"baseline": workload.parameters} if workload.parameters else None
        result = self._experiment(workload.named, conditions, replicates=count).run()
        return len(next(iter(result.metrics["baseline"].values())))


class CrystallizeSerial(Crystallize):
    name = "crystallize serial"


class CrystallizeThread(Crystallize):
    name = "crystallize thread"
    options: ClassVar = {"execution": "parallel", "execution_options": {"max_workers": WORKERS}}


class CrystallizeProcess(Crystallize):
    name = "crystallize process"
    options: ClassVar = {
        "execution": "parallel",
        "execution_options": {"executor_type": "process", "max_workers": WORKERS},
    }


CONTENDERS = {
    contender.name: contender
    for contender in (
        BareLoop,
        Limit,
        ExecutorMap,
        PoolImap,
        JoblibLoky,
        JoblibThreading,
        Mpire,
        CrystallizeSerial,
        CrystallizeThread,
        CrystallizeProcess,
    )
}


def main(name: str) -> None:
    """Start a contender and answer requests for it."""
    contender = CONTENDERS[name]()
    with ExitStack() as stack:
        try:
            contender.start(stack)
        except ModuleNotFoundError as error:
            missing = error.name
            answer_requests(lambda what, workload, count: {NOT_INSTALLED: missing})
            return

        def respond(what: str, workload: str, count: int) -> dict[str, Any]:
            if what.startswith("prepare"):
                contender.note = type(contender).note
                if what.startswith("prepare quickly"):
                    contender.chunk_shares = QUICK_CHUNK_SHARES
                contender.prepare(WORKLOADS[workload], count)
                return {"note": contender.note}
            return {"seconds": contender.measure(WORKLOADS[workload], count).seconds}

        answer_requests(respond)


if __name__ == "__main__":
    main(sys.argv[1])
