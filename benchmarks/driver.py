"""*driver*: what the driver itself costs, with executors that do no work.

``python -m benchmarks.driver blocks COUNT`` and ``... simulated CELLS WORKERS`` are one
measurement each.
"""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count as counting
from time import perf_counter, thread_time
from typing import Any

from benchmarks.child import measured
from benchmarks.plan import Plan
from benchmarks.timing import Row, Sample, Table, interleave
from benchmarks.workloads import null
from crystallize import Experiment, hookimpl
from crystallize.plugins import Capabilities, Completion, Execution

BLOCKS, QUICK_BLOCKS = 100_000, 20_000
SIMULATED_WORKERS = 10_000
CELLS, QUICK_CELLS = 200_000, 50_000
CELL_SECONDS = 1.0
MOST_ROUNDS, QUICK_ROUNDS = 3, 1
CONTENDERS = ("crystallize blocks", "crystallize simulated")


class NothingToDo(Execution):
    """Runs the first cell, and answers every other task with that cell's block under its name.

    What it takes to name a block anew is counted against the driver.
    """

    capabilities = Capabilities(single_cell=True, shares_process=False)

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any) -> Iterator[Completion]:
        block = None
        while (task := next_task()) is not None:
            if block is None:
                block = call(task)
            yield Completion(task, replace(block, start=task.start, stop=task.stop))


class Simulated(Execution):
    """Workers on a virtual clock, into which the driver's own CPU time is counted.

    The clock stands still while this executor computes, runs with the CPU while the driver does,
    and jumps to the next completion where the driver waits.  The driver cuts the blocks as it
    likes; it learns that a cell takes a second.
    """

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers
        self.clock = 0.0
        self.spent = 0.0
        self.own = 0.0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(shares_process=False, workers=self._workers)

    def _driver_spent(self, seconds: float) -> None:
        self.clock += seconds
        self.spent += seconds

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any) -> Iterator[Completion]:
        block = None
        running: list[tuple[float, int, Any]] = []
        order = counting()
        workers = self.capabilities.workers
        entered = thread_time()
        while True:
            asking = 0.0
            while len(running) < workers:
                asked = thread_time()
                task = next_task()
                asked = thread_time() - asked
                self._driver_spent(asked)
                asking += asked
                if task is None:
                    break
                if block is None:
                    block = call(task)
                cells = task.stop - task.start
                heapq.heappush(running, (self.clock + cells * CELL_SECONDS, next(order), task))
            if not running:
                self.own += thread_time() - entered - asking
                return
            finished, _, task = heapq.heappop(running)
            self.clock = max(self.clock, finished)
            seconds = (task.stop - task.start) * CELL_SECONDS
            value = replace(block, start=task.start, stop=task.stop, seconds=seconds)
            left = thread_time()
            self.own += left - entered - asking
            yield Completion(task, value)
            entered = thread_time()
            self._driver_spent(entered - left)


def blocks(count: int) -> dict[str, float]:
    """The seconds of a run of blocks that cost nothing."""
    began = perf_counter()
    result = Experiment(null, replicates=count, execution=NothingToDo()).run()
    seconds = perf_counter() - began
    _check(result, count)
    return {"seconds": seconds, "blocks a second": count / seconds}


def simulated(cells: int, workers: int) -> dict[str, float]:
    """The makespan on the virtual clock, with what comes before and after the cells."""
    executor = Simulated(workers)
    began = thread_time()
    result = Experiment(null, replicates=cells, execution=executor).run()
    driver = thread_time() - began - executor.own
    _check(result, cells)
    # The driver's time between first and last task is on the clock; the rest of it is not yet.
    makespan = executor.clock + max(0.0, driver - executor.spent)
    ideal = -(-cells // workers) * CELL_SECONDS
    return {"seconds": makespan, "of the ideal makespan": ideal / makespan}


def _check(result: Any, count: int) -> None:
    if len(result.metrics["baseline"]["value"]) != count or result.errors:
        raise RuntimeError("The driver lost cells.")


def main(what: str, *numbers: str) -> None:
    """One measurement, printed."""
    run = {"blocks": blocks, "simulated": simulated}[what]
    print(json.dumps(run(*map(int, numbers))))


def measure(plan: Plan) -> Table:
    """Both, in turn."""
    count = plan.count(BLOCKS, QUICK_BLOCKS)
    cells = plan.count(CELLS, QUICK_CELLS)

    def one(*arguments: object) -> Sample:
        found = measured("driver", *arguments)
        return Sample(found.pop("seconds"), found)

    blocks_name, simulated_name = CONTENDERS
    table = {
        blocks_name: Row(count, note="an executor that does nothing"),
        simulated_name: Row(
            cells, note=f"{SIMULATED_WORKERS:,} workers, cells of 1 s, virtual seconds"
        ),
    }
    runs = {
        blocks_name: partial(one, "blocks", count),
        simulated_name: partial(one, "simulated", cells, SIMULATED_WORKERS),
    }
    table = {name: row for name, row in table.items() if plan.wants(name)}
    runs = {name: run for name, run in runs.items() if name in table}
    return interleave(runs, table, min(plan.rounds, QUICK_ROUNDS if plan.quick else MOST_ROUNDS))


if __name__ == "__main__":
    main(*sys.argv[1:])
