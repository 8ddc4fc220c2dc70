"""Blocks that can be cut while they run: workers end together, and every cell is run once."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.cells.block import Block
from crystallize.contracts import TICK, Task, Trip
from crystallize.run.schedule import Schedule

LONGEST = 0.3
"""After so many seconds a block ends itself."""


class Engine:
    """Workers on a virtual clock, which look once a millisecond whether their task is to end.

    Parameters
    ----------
    schedule : Schedule
    speeds : list of float
        Seconds a cell of each worker.
    ready : int
        How many tasks it takes beyond those that run.
    start : float
        Seconds that the first cell of a worker takes besides.
    held_up : dict of int to float
        Worker -> the seconds that its second task is held up.
    """

    def __init__(self, runs, speeds, *, ready=0, trips=False, start=0.0, held_up=()):
        self.now = 0.0
        self.schedule = Schedule(
            runs, len(speeds), single_cell=False, trips=trips, clock=lambda: self.now
        )
        self.schedule.learn_shortening(self.shorten, self.running_for)
        self.speeds = speeds
        self.start = dict.fromkeys(range(len(speeds)), start)
        self.held_up = dict(held_up)
        self.ready = ready
        self.waiting: list[Task | Trip] = []
        self.running: dict[int, tuple[Task | Trip, float, float]] = {}
        self.done: list[tuple[int, int]] = []
        self.blocks = self.shortened = 0

    def shorten(self, task):
        self.shortened += 1
        for worker, (running, began, latest) in self.running.items():
            if running == task:
                self.running[worker] = running, began, min(latest, self.now + 1e-3)

    def running_for(self):
        return [(task, self.now - began) for task, began, _ in self.running.values()]

    def run(self):
        """Run to the end; the seconds that it took."""
        while True:
            while len(self.waiting) + len(self.running) < len(self.speeds) + self.ready:
                if (task := self.schedule.next_task()) is None:
                    break
                self.waiting.append(task)
            for worker in range(len(self.speeds)):
                if worker not in self.running and self.waiting:
                    self.running[worker] = self.waiting.pop(0), self.now, self.now + LONGEST
            if not self.running:
                assert self.schedule.done
                return self.now
            ends = [(self.end(worker), worker) for worker in self.running]
            end, worker = min(ends)
            if end > self.now + (tick := self.schedule.tick()):
                self.now += tick
                continue
            self.now = end
            self.land(worker)

    def end(self, worker):
        """When a worker's task comes back."""
        _, began, latest = self.running[worker]
        return began + self.start[worker] + self.cells(worker, latest) * self.speeds[worker]

    def cells(self, worker, latest):
        task, began, _ = self.running[worker]
        most = (task.stop - task.start) * (task.conditions if isinstance(task, Trip) else 1)
        there = latest - began - self.start[worker]
        return min(most, max(1, int(there / self.speeds[worker]) + 1))

    def land(self, worker):
        task, _, latest = self.running[worker]
        count = self.cells(worker, latest)
        del self.running[worker]
        self.blocks += 1
        seconds = self.start[worker] + count * self.speeds[worker]
        self.start[worker] = self.held_up.pop(worker, 0.0)
        if isinstance(task, Task):
            self.schedule.finished(task, count, seconds)
            self.done += [(task.condition, task.start + i) for i in range(count)]
            return
        width, blocks = task.stop - task.start, []
        for condition in range(task.condition, task.condition + task.conditions):
            stop = task.start + min(width, count)
            if stop > task.start:
                blocks.append(Block(condition, task.start, stop, [], [], seconds))
                self.done += [(condition, i) for i in range(task.start, stop)]
            count -= stop - task.start
        self.schedule.trip_finished(task, blocks, seconds)


@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    speeds=st.lists(st.sampled_from([1e-6, 1e-5, 1e-3, 0.05, 0.5]), min_size=1, max_size=5),
    ready=st.integers(0, 3),
    trips=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_every_cell_is_run_once_however_unlike_workers_are(sizes, speeds, ready, trips):
    engine = Engine([(c, 0, n) for c, n in enumerate(sizes)], speeds, ready=ready, trips=trips)
    engine.run()
    assert sorted(engine.done) == [(c, i) for c, size in enumerate(sizes) for i in range(size)]


@pytest.mark.parametrize("ready", [0, 2])
@pytest.mark.parametrize("slower", [1.0, 1.1, 2.0, 4.0])
def test_two_workers_end_together_after_few_blocks(slower, ready):
    cells, each = 20_000, 1e-5
    engine = Engine([(0, 0, cells)], [each, each * slower], ready=ready)
    least = cells / (1 / each + 1 / (each * slower))
    assert engine.run() <= 1.1 * least
    assert engine.blocks <= 14


def test_the_start_of_processes_does_not_make_blocks_small():
    engine = Engine([(0, 0, 20_000)], [1e-5, 1e-5], ready=2, start=4e-5)
    assert engine.run() <= 0.11
    assert engine.blocks <= 8


@pytest.mark.parametrize("workers", [1, 4, 30])
def test_workers_end_together_where_cells_are_slow(workers):
    cells, each = 40 * workers + 3, 0.02
    least = -(-cells // workers) * each
    assert Engine([(0, 0, cells)], [each] * workers).run() <= least + 2 * each


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_losses_cost_no_cell(seed):
    choose = Random(seed)
    engine = Engine([(0, 0, 500), (1, 0, 70)], [1e-4, 1e-4, 1e-4])
    schedule = engine.schedule
    in_flight: list[Any] = []
    while True:
        while len(in_flight) < 3 and (task := schedule.next_task()) is not None:
            in_flight.append((task, engine.now))
        if not in_flight:
            assert not schedule.remaining
            break
        engine.running = {i: (task, began, LONGEST) for i, (task, began) in enumerate(in_flight)}
        engine.now += 0.01
        task, _ = in_flight.pop(choose.randrange(len(in_flight)))
        count = task.stop - task.start
        if choose.random() < 0.2:
            if schedule.lost(task):
                schedule.suspect(task.condition, task.start)
            continue
        part = choose.randint(1, count)
        schedule.finished(task, part, part * 1e-4)
        engine.done += [(task.condition, task.start + i) for i in range(part)]
    assert schedule.done
    assert sorted(engine.done) == [(c, i) for c, n in enumerate((500, 70)) for i in range(n)]


def test_a_lone_worker_has_blocks_as_small_as_anywhere():
    engine = Engine([(0, 0, 100)], [1e-4])
    schedule = engine.schedule
    first: Any = schedule.next_task()
    schedule.finished(first, 1, 1e-4)
    second: Any = schedule.next_task()
    assert second.stop - second.start < 70  # what is lost with it is run again


def test_nobody_looks_every_few_milliseconds_beside_a_suspect():
    engine = Engine([(0, 0, 100)], [1e-3, 1e-3])
    schedule = engine.schedule
    first, second = schedule.next_task(), schedule.next_task()
    schedule.finished(first, 1, 1e-3)
    schedule.finished(second, 1, 1e-3)
    large, lost = schedule.next_task(), schedule.next_task()
    assert large.stop - large.start > 1 and not schedule.lost(lost)
    assert schedule.next_task() is None  # a suspect runs alone
    assert schedule.tick() == TICK
    schedule.finished(large, large.stop - large.start, 0.05)
    assert schedule.next_task() == lost
    assert schedule.next_task() is None
    assert schedule.tick() == TICK


def with_one_idle(workers):
    """An engine that had all there is to do, and one worker of which has done its part."""
    engine = Engine([(0, 0, 100 * workers)], [1e-3] * workers)
    schedule = engine.schedule
    for task in [schedule.next_task() for _ in range(workers)]:
        schedule.finished(task, 1, 1e-3)
    tasks: list[Any] = [schedule.next_task() for _ in range(workers)]
    over = tasks.pop()
    schedule.finished(over, over.stop - over.start, 1e-3 * (over.stop - over.start))
    engine.running = {worker: (task, engine.now, LONGEST) for worker, task in enumerate(tasks)}
    return engine


def test_looks_for_what_does_not_come_end_after_a_while():
    engine = with_one_idle(workers=6)
    schedule = engine.schedule
    assert schedule.next_task() is None
    ticks = [schedule.tick()]
    assert engine.shortened == 1 and ticks[0] < TICK  # the others may have more left
    for _ in range(100):
        assert schedule.next_task() is None
        ticks.append(schedule.tick())
    assert set(ticks[40:]) == {TICK}
    assert engine.shortened == 1
    assert schedule.tick() == TICK  # where nobody asked for work meanwhile


def test_of_a_task_that_does_not_answer_others_are_asked_in_its_place():
    engine = with_one_idle(workers=3)
    schedule = engine.schedule
    for asked in (1, 2, 2):
        for _ in range(2):
            assert schedule.next_task() is None
            assert engine.shortened == asked
        engine.now += 0.02
    assert schedule.tick() == TICK  # all were asked


def test_further_cells_wait_for_what_the_first_ones_tell():
    engine = Engine([(0, 0, 1000)], [1e-3, 1e-3])
    schedule = engine.schedule
    first, second = schedule.next_task(), schedule.next_task()
    assert isinstance(first, Task) and isinstance(second, Task)
    assert schedule.next_task() is None
    schedule.finished(first, 1, 1e-3)
    block: Any = schedule.next_task()
    assert block.stop - block.start > 1


@pytest.mark.parametrize("seconds", [0.0, 2e-3, 5e-3, 0.02])
def test_a_worker_that_was_held_up_costs_half_of_that(seconds):
    """Its task seems about to end all that time: how much it has left only the worker knows."""
    cells, each = 20_000, 1e-5
    engine = Engine([(0, 0, cells)], [each, each], held_up={1: seconds})
    assert engine.run() <= (cells * each + seconds) / 2 + 1.5e-3


def test_where_somebody_reads_a_stream_workers_have_tasks_ahead_from_the_beginning():
    schedule = Schedule([(0, 0, 100)], 2, single_cell=False, has_reader=True)
    schedule.learn_shortening(lambda task: None, list)
    assert [schedule.next_task() for _ in range(4)] == [Task(0, i, i + 1) for i in range(4)]
