"""Blocks of coroutines are long until nothing is left, and give back what has not begun."""

import asyncio
import heapq
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.contracts import Task
from crystallize.run.schedule import Schedule

BLOCK_SECONDS = 0.4
LONGEST = 3 * BLOCK_SECONDS
"""After so many seconds a block ends itself."""


class Loop:
    """An event loop on a virtual clock, whose blocks await cell after cell.

    Parameters
    ----------
    sizes : list of int
        How many cells each condition has.
    seconds : callable
        (condition, replicate) -> how long a cell takes.
    workers : int
    """

    def __init__(self, sizes, seconds, workers):
        self.now = 0.0
        self.schedule = Schedule(
            [(condition, 0, size) for condition, size in enumerate(sizes)],
            workers,
            single_cell=False,
            block_seconds=BLOCK_SECONDS,
            awaits=True,
            clock=lambda: self.now,
        )
        self.schedule.learn_taking_back(self.waiting, self.take_back)
        self.seconds = seconds
        self.workers = workers
        self.blocks = {}
        self.begun: Counter[tuple[int, int]] = Counter()
        self.looks = self.handed_out = 0

    def waiting(self):
        self.looks += 1
        return [(task, stop - at - 1) for task, (at, stop, _) in self.blocks.items()]

    def take_back(self, task, count):
        at, stop, began = self.blocks[task]
        assert at < stop - count
        self.blocks[task] = at, stop - count, began
        return Task(task.condition, stop - count, stop)

    def run(self):
        """Run to the end; the seconds that it took."""
        ends: list[tuple[float, Task]] = []

        def begin(task, at):
            self.begun[task.condition, at] += 1
            heapq.heappush(ends, (self.now + self.seconds(task.condition, at), task))

        while True:
            while len(self.blocks) < self.workers and (task := self.schedule.next_task()):
                self.handed_out += 1
                self.blocks[task] = task.start, task.stop, self.now
                begin(task, task.start)
            if not ends:
                assert self.schedule.done
                return self.now
            # Who has nothing to do asks again, as an executor does.
            self.now = min(ends[0][0], self.now + self.schedule.tick())
            if ends[0][0] > self.now:
                continue
            _, task = heapq.heappop(ends)
            at, stop, began = self.blocks[task]
            at += 1
            if at < stop and self.now - began < LONGEST:
                self.blocks[task] = at, stop, began
                begin(task, at)
                continue
            del self.blocks[task]
            self.schedule.finished(task, at - task.start, self.now - began, stop)


def every_cell_once(sizes):
    return Counter((c, replicate) for c, size in enumerate(sizes) for replicate in range(size))


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    paces=st.lists(st.sampled_from([1e-4, 3e-3, 0.02, 0.5, 7.0]), min_size=4, max_size=4),
    workers=st.integers(2, 60),
    slow=st.integers(0, 400),
)
@settings(max_examples=150, deadline=None)
def test_every_cell_begins_once_however_long_each_takes(sizes, paces, workers, slow):
    def seconds(condition, replicate):
        return 20.0 if replicate == slow else paces[condition] * (1 + replicate % 3)

    loop = Loop(sizes, seconds, workers)
    loop.run()
    assert loop.begun == every_cell_once(sizes)


@pytest.mark.parametrize("workers", [2, 40, 1000])
@pytest.mark.parametrize("each", [0.002, 0.01, 0.3, 30.0])
def test_all_end_together_where_cells_are_alike(workers, each):
    cells = 50 * workers + 7
    loop = Loop([cells], lambda *_: each, workers)
    assert loop.run() <= -(-cells // workers) * each + 2 * each + 0.1
    assert loop.begun == every_cell_once([cells])


def test_what_waits_behind_slow_cells_goes_to_who_has_nothing():
    """Of blocks that were made by the pace of those before."""
    loop = Loop([1000], lambda _, replicate: 0.2 if 500 <= replicate < 520 else 0.01, 10)
    assert loop.run() <= 1.8
    assert loop.begun == every_cell_once([1000])


def test_few_cells_that_are_unlike_keep_nobody_waiting():
    random = Random(1)
    seconds = [random.expovariate(20.0) for _ in range(100)]
    loop = Loop([100], lambda _, replicate: seconds[replicate], 10)
    assert loop.run() <= sum(seconds) / 10 + 0.15
    assert loop.begun == every_cell_once([100])


def test_a_thousand_blocks_are_few_and_seldom_looked_at():
    loop = Loop([100_000], lambda _, replicate: 0.015 + replicate % 7 * 1e-4, 1000)
    loop.run()
    assert loop.handed_out <= 7_000  # 1,000 first cells, and blocks of 26 at the most
    assert loop.looks <= 30


def test_of_a_block_that_is_lost_only_that_runs_again_which_it_had_not_given_back():
    loop = Loop([30], lambda *_: 0.01, 2)
    schedule = loop.schedule
    for task in (schedule.next_task(), schedule.next_task()):
        schedule.finished(task, 1, 0.01)
    lost, other = schedule.next_task(), schedule.next_task()
    assert isinstance(lost, Task) and isinstance(other, Task)
    schedule.put_back(lost.condition, lost.stop - 5, lost.stop)
    assert not schedule.lost(lost, lost.stop - 5)
    schedule.finished(other, other.stop - other.start, 0.1)
    assert schedule.next_task() == lost._replace(stop=lost.stop - 5)


@pytest.mark.parametrize("concurrency", [2, 7, 1000])
def test_a_run_has_every_cell_once_and_the_numbers_of_a_serial_one(tmp_path, concurrency):
    begun: Counter[tuple[int, int]] = Counter()

    async def trial(rng, replicate, slow):
        begun[slow, replicate] += 1
        value = rng.random()
        await asyncio.sleep(0.3 if replicate == slow else value / 200)
        return value

    given = {"replicates": 300, "seed": 3}
    conditions = {"early": {"slow": 5}, "late": {"slow": 280}}
    result = Experiment(
        trial, conditions, **given, store=tmp_path / "cells.db", execution="async",
        execution_options={"max_concurrency": concurrency},
    ).run()  # fmt: skip
    assert begun == Counter((slow, r) for slow in (5, 280) for r in range(300))

    def drawn(rng):
        return rng.random()

    expected = Experiment(drawn, conditions={"early": {}, "late": {}}, **given).run()
    for name in conditions:
        found = result.metrics[name]["value"]
        assert found.tobytes() == expected.metrics[name]["value"].tobytes()
