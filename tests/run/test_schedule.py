"""Every cell is handed out until it is done, whatever happens to blocks on the way."""

import heapq
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.cells.block import Block
from crystallize.contracts import Task, Trip
from crystallize.run.schedule import Schedule


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    workers=st.integers(1, 8),
    single=st.booleans(),
    seconds=st.floats(1e-7, 1.0),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_every_cell_is_done_exactly_once(sizes, workers, single, seconds, data):
    runs = [(condition, 0, size) for condition, size in enumerate(sizes)]
    schedule = Schedule(runs, workers, single)
    choose = data.draw(st.randoms(use_true_random=False))
    poison = (0, sizes[0] // 2)
    in_flight: list[Task] = []
    done: list[tuple[int, int]] = []
    lost_alone = 0
    while True:
        while len(in_flight) < 2 * workers and (task := schedule.next_task()) is not None:
            assert not single or task.stop - task.start == 1
            in_flight.append(task)
        if not in_flight:
            break
        task = in_flight.pop(choose.randrange(len(in_flight)))
        cells = [(task.condition, i) for i in range(task.start, task.stop)]
        if poison in cells and lost_alone < 2:
            if schedule.lost(task):
                assert cells == [poison]
                lost_alone += 1
                schedule.suspect(*poison)
        elif choose.random() < 0.1 and len(in_flight) > 2:
            assert not schedule.lost(task)  # not alone: never blamed
        else:
            part = choose.randint(1, len(cells))
            schedule.finished(task, part, seconds * part)
            done += cells[:part]
    assert sorted(done) == [(c, i) for c, size in enumerate(sizes) for i in range(size)]
    assert lost_alone == 2


def test_blocks_fit_the_pace_and_shrink_towards_the_end():
    schedule = Schedule([(0, 0, 100_000)], workers=2, single_cell=False)
    sizes = []
    while (task := schedule.next_task()) is not None:
        sizes.append(task.stop - task.start)
        schedule.finished(task, sizes[-1], sizes[-1] * 1e-5)
    assert sizes[:2] == [1, 10_000]
    assert max(sizes) == 10_000  # a tenth of a second
    assert sizes[-1] < max(sizes) / 10
    assert len(sizes) < 60


def test_blocks_are_no_larger_than_what_is_likely_to_be_wanted():
    schedule = Schedule([(0, 0, 10**6), (1, 0, 10**6)], 2, single_cell=False, expected=200)
    schedule.finished(schedule.next_task(), 1, 1e-5)
    schedule.finished(schedule.next_task(), 1, 1e-5)

    def next_size():
        task = schedule.next_task()
        return task.stop - task.start

    least = 200  # what takes a fiftieth of a block's time: others cost too much for each cell
    assert next_size() == least
    schedule.expect({0: 3000, 1: 9000})
    sizes = [next_size() for _ in range(200)]
    assert max(sizes) < 12_000 / 2  # not 10,000, which a tenth of a second has room for
    assert set(sizes[-100:]) == {least}, "what is unlikely is run all the same, in small blocks"
    schedule.end({0: 3000})
    schedule.expect({1: 10**6})
    assert next_size() == 10_000


def test_a_thousand_blocks_of_coroutines_may_be_single_cells_where_looks_decide():
    schedule = Schedule([(0, 0, 10**6)], 1000, single_cell=False, expected=2000, awaits=True)
    schedule.learn_taking_back(lambda: (), lambda task, count: task)
    first = schedule.next_task()
    assert first == (0, 0, 2)  # of all that is likely, an even share
    schedule.finished(first, 2, 2e-5)
    sizes = [task.stop - task.start for task in (schedule.next_task() for _ in range(4000))]
    assert max(sizes) <= 2
    assert set(sizes[-1000:]) == {1}


def test_a_first_block_of_coroutines_has_some_cells_and_no_more_than_its_share():
    for cells, size in (100_000, 16), (5000, 5), (900, 1):
        schedule = Schedule([(0, 0, cells)], 1000, single_cell=False, awaits=True)
        assert schedule.next_task() == (0, 0, size)
    schedule = Schedule([], 1000, single_cell=False, awaits=True)
    schedule.put_back(0, 0, 3)
    assert schedule.next_task() == (0, 0, 1)


def test_what_a_block_leaves_undone_is_cut_anew():
    schedule = Schedule([(0, 0, 4000)], workers=2, single_cell=False)
    schedule.finished(schedule.next_task(), 1, 1e-5)
    task = schedule.next_task()
    assert task.stop - task.start > 500  # the first cell was quick, these are not
    schedule.finished(task, 3, 3.0)
    following = schedule.next_task()
    assert (following.start, following.stop) == (task.start + 3, task.start + 4)


def test_slow_cells_go_one_by_one():
    schedule = Schedule([(0, 0, 20)], workers=2, single_cell=False)
    while (task := schedule.next_task()) is not None:
        assert task.stop - task.start == 1
        schedule.finished(task, 1, 2.0)


def test_conditions_advance_side_by_side():
    schedule = Schedule([(0, 0, 50), (1, 0, 50)], workers=1, single_cell=True)
    order = []
    while (task := schedule.next_task()) is not None:
        order.append((task.start, task.condition))
        schedule.finished(task, 1, 0.001)
    assert order == sorted(order)


def test_nothing_is_handed_out_beside_a_suspect():
    schedule = Schedule([(0, 0, 50)], workers=2, single_cell=True)
    first, second = schedule.next_task(), schedule.next_task()
    assert not schedule.lost(first)
    assert schedule.next_task() is None
    schedule.finished(second, 1, 0.001)
    assert schedule.next_task() == first
    assert schedule.next_task() is None
    assert schedule.lost(first)


LATENCY = 0.5
"""Seconds that an engine takes from a task to its worker and back."""


def makespan(cells, seconds, workers):
    """What a virtual clock says when every worker waits for its trip and then for its cells."""
    longest = 10 * LATENCY
    schedule = Schedule([(0, 0, cells)], workers, single_cell=False, block_seconds=longest)
    running: list[Any] = []
    now, jobs = 0.0, 0
    while True:
        while len(running) < workers and (task := schedule.next_task()) is not None:
            size = min(task.stop - task.start, int(3 * longest / seconds) + 1)  # or it ends itself
            jobs += 1
            heapq.heappush(running, (now + LATENCY + size * seconds, jobs, task, size))
        if not running:
            assert schedule.done
            return now
        now, _, task, size = heapq.heappop(running)
        schedule.finished(task, size, size * seconds)


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [(10**6, 1e-6), (10**6, 1e-5), (10**6, 1e-4), (10**5, 1e-2), (10**4, 1.0), (150, 1.0)],
)
def test_an_engine_with_latency_takes_little_more_than_it_must(cells, seconds):
    workers = 100
    least = LATENCY + max(cells * seconds / workers, seconds)
    assert makespan(cells, seconds, workers) <= 1.3 * least


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=60),
    workers=st.integers(1, 4),
    seconds=st.sampled_from([1e-7, 1e-5, 1e-2, 1.0]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_every_cell_of_a_trip_is_done_exactly_once_whatever_is_left_of_it(
    sizes, workers, seconds, seed
):
    runs = [(condition, 0, size) for condition, size in enumerate(sizes)]
    schedule = Schedule(runs, workers, single_cell=False, trips=True)
    choose = Random(seed)
    poison = (len(sizes) // 2, 0)
    in_flight: list[Task | Trip] = []
    done: list[tuple[int, int]] = []
    lost_alone = 0
    while True:
        while len(in_flight) < 2 * workers and (task := schedule.next_task()) is not None:
            in_flight.append(task)
        if not in_flight:
            break
        task = in_flight.pop(choose.randrange(len(in_flight)))
        trip = task if isinstance(task, Trip) else Trip(*task, 1)
        conditions = range(trip.condition, trip.condition + trip.conditions)
        cells = [(c, i) for c in conditions for i in range(trip.start, trip.stop)]
        if poison in cells and not lost_alone:
            if schedule.lost(task):
                assert cells == [poison]
                lost_alone += 1
                schedule.suspect(*poison)
        elif choose.random() < 0.1 and len(in_flight) > 2:
            assert not schedule.lost(task)
        elif choose.random() < 0.05:
            schedule.split(task)
        else:
            blocks = []
            for condition in conditions[: choose.randint(1, trip.conditions)]:
                length = choose.randint(1, trip.stop - trip.start)
                stop = trip.start + length
                blocks.append(Block(condition, trip.start, stop, [], [], seconds * length))
                done += [(condition, i) for i in range(trip.start, stop)]
            if task is trip:
                schedule.trip_finished(trip, blocks, seconds * len(cells))
            else:
                schedule.finished(task, len(blocks[0]), seconds)
    assert schedule.done and not schedule.remaining
    assert sorted(done) == [(c, i) for c, size in enumerate(sizes) for i in range(size)]
    assert lost_alone == 1


def test_a_block_has_many_conditions_where_there_is_room_and_one_where_there_is_not():
    schedule = Schedule([(c, 0, 2) for c in range(5000)], 1, single_cell=False, trips=True)
    first = schedule.next_task()
    assert first == Task(0, 0, 1)
    schedule.finished(first, 1, 1e-6)
    trip = schedule.next_task()
    assert isinstance(trip, Trip) and trip.condition == 1 and trip.conditions > 500
    schedule.trip_finished(trip, [Block(1, 0, 1, [], [], 2.0)], 2.0)
    assert schedule.next_task() == Task(2, 0, 1)  # for the others may be as slow


def test_conditions_that_end_together_are_not_handed_out_beyond_their_ends():
    schedule = Schedule([(c, 0, 8) for c in range(50)], 1, single_cell=False, trips=True)
    schedule.finished(schedule.next_task(), 1, 1e-6)
    schedule.end({condition: condition % 4 for condition in range(40)})
    cells = []
    while (task := schedule.next_task()) is not None:
        trip = task if isinstance(task, Trip) else Trip(*task[:3], 1)
        conditions = range(trip.condition, trip.condition + trip.conditions)
        blocks = [Block(c, trip.start, trip.stop, [], [], 1e-6) for c in conditions]
        cells += [(c, i) for c in conditions for i in range(trip.start, trip.stop)]
        if task is trip:
            schedule.trip_finished(trip, blocks, 1e-6)
        else:
            schedule.finished(task, len(blocks[0]), 1e-6)
    ends = [(c, c % 4 if c < 40 else 8) for c in range(50)]
    assert sorted(cells) == [(c, i) for c, end in ends for i in range(end)]
    assert not schedule.remaining
