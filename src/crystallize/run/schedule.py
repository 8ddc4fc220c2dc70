"""Which block runs next: sizes, order, when, second tries, suspects and the end, decided here.

Block sizes grow from measured durations: large enough that handing one out
costs little, small enough that progress shows and that workers end together
(guided self-scheduling, Polychronopoulos and Kuck 1987, with a floor).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from time import perf_counter
from typing import Any

from crystallize.cells.block import Block
from crystallize.cells.sheet import Sheet
from crystallize.contracts import TICK, Pause, Task, Trip, named_tuple
from crystallize.run.awaited_balance import AwaitedBalance
from crystallize.run.balance import Balance
from crystallize.run.block_size import BLOCK_SECONDS, FIRST_AWAITED, MAX_CELLS, BlockSize
from crystallize.run.rate_limit import RateLimit

MAX_CONDITIONS = 2**10
"""How many conditions a trip may have: what comes of it is taken in one go."""


WORTH_SHORTENING = 0.03
"""How long a block takes, as a share of what it should take, to be shortened."""


SHORTEST = 1e-3
"""Seconds that an executor waits at the least before it asks for what is due soon."""


class Schedule:
    """Hands out the cells of an experiment as blocks.

    Parameters
    ----------
    missing : iterable of (int, int, int)
        (condition, start, stop): runs of replicates that are still to be done.
    workers : int
        How many blocks run at once.
    single_cell : bool
        Whether every block must be one cell.
    block_seconds : float
        How long a block should take.
    trips : bool
        Whether a task may be blocks of several conditions.
    awaits : bool
        Whether a block's cells are awaited: then it takes long for other reasons than latency.
    expected : int, optional
        How many cells there will be at the least, where looks at them decide that.
    horizon : int, optional
        For executors that are asked for work only when all that they took is done: the first
        replicate that is not handed out before that.  It is twice as far each time.
    limit : RateLimit, optional
        When cells may begin.
    has_reader : bool
        Whether somebody reads what lands, and may take long for it: then workers have tasks
        ahead from the beginning.
    clock : callable
        The seconds by which cells wait.
    """

    def __init__(
        self,
        missing: Iterable[tuple[int, int, int]],
        workers: int,
        single_cell: bool,
        block_seconds: float = BLOCK_SECONDS,
        trips: bool = False,
        awaits: bool = False,
        expected: int | None = None,
        horizon: int | None = None,
        limit: RateLimit | None = None,
        has_reader: bool = False,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        # A heap by first replicate: conditions advance side by side, so what there is
        # of an unfinished run can be compared.
        self._runs = [(start, condition, stop) for condition, start, stop in missing]
        heapq.heapify(self._runs)
        self.remaining = sum(stop - start for start, _, stop in self._runs)
        # With latency a trip costs more than a wrong guess: a block that is too long ends itself.
        has_latency = block_seconds > BLOCK_SECONDS and not awaits
        cells = self.remaining if expected is None else min(expected, self.remaining)
        self._unlikely = self.remaining - cells
        self._looks_decide = expected is not None
        even = max(1, -(-cells // workers))
        first = min(MAX_CELLS if has_latency else FIRST_AWAITED if awaits else 1, even)
        self._new_pace = partial(BlockSize, block_seconds, first, has_latency=has_latency)
        self._size = self._new_pace()  # of all of them
        self._paces: dict[int, BlockSize] = {}
        self._trips = trips and not single_cell
        self._workers = workers
        self._single_cell = single_cell
        self._again: deque[Task] = deque()
        self._later: list[tuple[float, Task]] = []  # a heap, by when they are due
        self._limit = limit
        self._clock = clock
        self._suspects: deque[Task | Trip] = deque()
        self._suspect: Task | Trip | None = None
        self._in_flight = 0
        self._awaits = awaits
        self._balance: Balance | AwaitedBalance | None = None
        self._worth_shortening = block_seconds * WORTH_SHORTENING
        self._stops: dict[int, int] = {}
        self._horizon = horizon
        self._has_reader = has_reader

    def learn_shortening(
        self,
        shorten: Callable[[Task | Trip], None],
        running: Callable[[], Iterable[tuple[Task | Trip, float]]],
    ) -> None:
        """Learn how a running task is had to end early; before the first one is handed out."""
        # Alone, a worker has nobody to end together with: large blocks have only more to lose.
        if not (self._single_cell or self._awaits) and self._workers > 1:
            self._balance = Balance(
                self._workers, shorten, running, self._seconds_each, self._worth_shortening,
                self._clock,
            )  # fmt: skip

    def learn_taking_back(
        self,
        waiting: Callable[[], Iterable[tuple[Task, int]]],
        take_back: Callable[[Task, int], Task],
    ) -> None:
        """Learn how a block of coroutines gives cells back; before the first one is handed out."""
        if not self._single_cell and self._workers > 1:
            self._balance = AwaitedBalance(
                self._workers, waiting, take_back, self.put_back, self._seconds_each, self._clock,
                may_be_short=self._looks_decide,
            )  # fmt: skip

    def next_task(self) -> Task | Trip | Pause | None:
        """The next block or trip, or ``None`` where there is nothing to hand out now.

        Where nothing is in flight, and something may begin later, that is a pause until then.
        """
        if self._later:
            self._take_due()
        if self._limit is not None and self._limit.next_start(now := self._clock()) > now:
            return self._pause()
        if self._suspects or self._suspect:
            # One suspect alone: if its worker dies, nothing else can be to blame.
            if self._in_flight:
                return None
            task: Task | Trip = self._suspects.popleft()
            self._suspect = task
        elif self._again:
            task = self._again.popleft()
        elif self._waits_for_pace:
            return None
        elif self._has_more() or self._evens_out():
            task = (self._cut_trip() if self._trips else None) or self._cut()
        else:
            return self._pause() if self._later else None
        self._in_flight += 1
        if self._balance is not None:
            self._balance.begin(task)
        if self._limit is not None:
            self._limit.started(task, now)
        return task

    def tick(self) -> float:
        """Seconds until an executor with room should ask again, where nothing completes."""
        tick = TICK
        if self._balance is not None and not (self._suspects or self._suspect):
            tick = min(tick, self._balance.tick())
        if not self._later and self._limit is None:
            return tick
        seconds = self._next_start() - self._clock()
        # What is due already waits for room, which only a completion makes.
        return max(seconds, SHORTEST) if 0 < seconds < tick else tick

    def ended(self, task: Task | Trip | Pause, seconds: float | None = None) -> None:
        """Learn that a task came to an end, and that nothing of it is left to run."""
        self._in_flight -= 1
        if self._balance is not None and not isinstance(task, Pause):
            self._balance.end(task)
        if task == self._suspect:
            self._suspect = None
        if self._limit is not None:
            self._limit.landed(task, self._clock(), seconds)

    def finished(self, task: Task, cells: int, seconds: float, stop: int | None = None) -> None:
        """Learn that the first `cells` of a block are done; the rest is to be run again.

        Parameters
        ----------
        task : Task
        cells : int
        seconds : float
        stop : int, optional
            The replicate from which on its cells were put back before.
        """
        self.ended(task, seconds)
        if cells:
            self._learn(task.condition, cells, seconds)
        self.put_back(task.condition, task.start + cells, task.stop if stop is None else stop)

    def cell_finished(self, task: Task, seconds: float) -> None:
        """Learn that a task of one cell is done, by a worker that was there already."""
        self.ended(task)
        self._learn(task.condition, 1, seconds)

    def _learn(self, condition: int, cells: int, seconds: float) -> None:
        if not self._single_cell:
            self._pace(condition).learn(cells, seconds)
            self._size.learn(cells, seconds)

    def trip_finished(self, trip: Trip, blocks: Sequence[Block], seconds: float) -> None:
        """Learn that these blocks of a trip are done; the rest of it is to be run again."""
        self.ended(trip)
        first, start, stop, conditions = trip
        cells = 0
        for block in blocks:
            cells += len(block)
            if block.stop < stop:
                self._pace(block.condition).learn(len(block), block.seconds)
                self.put_back(block.condition, block.stop, stop)
        if cells:
            self._size.learn(cells, seconds)
        for condition in range(first + len(blocks), first + conditions):
            self.put_back(condition, start, stop)

    def end(self, replicates: Mapping[int, int]) -> None:
        """Learn that conditions have so many replicates and no more; what is in flight may land.

        Parameters
        ----------
        replicates : mapping of int to int
            Condition -> how many, of all that end now: the look at what is left is one for all.
        """
        self._runs = [
            (start, condition, end)
            for start, condition, stop in self._runs
            if start < (end := min(stop, replicates.get(condition, stop)))
        ]
        heapq.heapify(self._runs)
        self.remaining = sum(stop - start for start, _, stop in self._runs)
        self._stops |= replicates
        self._again = deque(filter(self._is_wanted, self._again))
        self._later = [(due, task) for due, task in self._later if self._is_wanted(task)]
        heapq.heapify(self._later)
        self._suspects = deque(filter(self._is_wanted, self._suspects))

    def expect(self, replicates: Mapping[int, int]) -> None:
        """Learn how many replicates conditions are likely to have; other cells run after these.

        Parameters
        ----------
        replicates : mapping of int to int
            Condition -> how many, of all that go on.
        """
        self._unlikely = sum(
            max(0, stop - max(start, replicates.get(condition, stop)))
            for start, condition, stop in self._runs
        )

    def try_again(self, condition: int, replicate: int, wait: float = 0.0) -> None:
        """Run a cell once more, after so many seconds; others have its place meanwhile."""
        task = Task(condition, replicate, replicate + 1)
        if not wait:
            self._add(self._again, task)
        elif self._is_wanted(task):
            heapq.heappush(self._later, (self._clock() + wait, task))

    def lost(self, task: Task | Trip, stop: int | None = None) -> bool:
        """Learn that a task did not come back; it is a suspect from now on.

        Parameters
        ----------
        task : Task or Trip
        stop : int, optional
            The replicate from which on its cells were put back before.

        Returns
        -------
        bool
            Whether a single cell was lost while it ran alone: its own doing.
        """
        alone = task == self._suspect
        self.ended(task)
        if stop is not None:
            task = task._replace(stop=stop)
        if not alone:
            self._add(self._suspects, task)
            return False
        if isinstance(task, Trip):
            self._suspects.extendleft(reversed(_halves(task)))
            return False
        if task.stop - task.start == 1:
            return True
        middle = (task.start + task.stop) // 2
        self._suspects.extendleft(
            (task._replace(start=middle), task._replace(stop=middle))  # the first half is next
        )
        return False

    def split(self, task: Task | Trip) -> None:
        """Run a task that was stopped once more, cell by cell."""
        self.ended(task)
        conditions = task.conditions if isinstance(task, Trip) else 1
        for condition in range(task.condition, task.condition + conditions):
            for replicate in range(task.start, task.stop):
                self.try_again(condition, replicate)

    def suspect(self, condition: int, replicate: int) -> None:
        """Run a cell that was lost alone once more, alone."""
        self._suspects.appendleft(Task(condition, replicate, replicate + 1))

    def sheet_finished(self, trip: Trip, sheet: Sheet) -> None:
        """Learn that the first cells of a trip are done, one at least; the rest runs again."""
        self.ended(trip)
        first, start, stop, conditions = trip
        whole, rest = divmod(len(sheet), stop - start)
        self._size.learn(len(sheet), sheet.cells.seconds)
        if rest:
            self._pace(first + whole).learn(rest, sheet.seconds_of_last(rest))
            self.put_back(first + whole, start + rest, stop)
            whole += 1
        for condition in range(first + whole, first + conditions):
            self.put_back(condition, start, stop)

    @property
    def done(self) -> bool:
        """Whether every cell was handed out and came back."""
        return not (self._has_work or self._later or self._in_flight)

    @property
    def _has_work(self) -> bool:
        return bool(self._runs or self._again or self._suspects)

    @property
    def _waits_for_pace(self) -> bool:
        """Whether every worker has a first cell, and what these take would tell of the rest."""
        if not isinstance(self._balance, Balance) or self._size.is_known or self._has_reader:
            return False
        return self._in_flight >= self._workers

    @property
    def _likely(self) -> int:
        """How many of the cells that wait are likely to be wanted: sizes go by these."""
        return max(0, self.remaining - self._unlikely)

    def _has_more(self) -> bool:
        """Whether there are cells that may be handed out, first tries."""
        return bool(self._runs) and (self._horizon is None or self._is_near(self._horizon))

    def _evens_out(self) -> bool:
        """Have tasks in flight give cells back; whether there are some at once."""
        if self._balance is not None:
            self._balance.even_out()
        return self._has_more()

    def _take_due(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._again.append(heapq.heappop(self._later)[1])

    def _next_start(self) -> float:
        """When the next cell may begin, if there is any and a worker is free."""
        now = self._clock()
        due = now if self._has_work else self._later[0][0] if self._later else inf
        return due if self._limit is None else max(due, self._limit.next_start(now))

    def _pause(self) -> Pause | None:
        """What an executor has to do that would come to its end before all cells have run."""
        if self._in_flight or not (self._has_work or self._later):
            return None
        self._in_flight += 1
        return Pause.of(min(max(self._next_start() - self._clock(), 0.0), TICK))

    def _is_near(self, horizon: int) -> bool:
        start = self._runs[0][0]
        if start >= horizon and not self._in_flight:
            self._horizon = horizon = 2 * start
        return start < horizon

    def _is_wanted(self, task: Task | Trip) -> bool:
        if isinstance(task, Trip):
            return True  # what is of conditions that have ended does no harm
        return task.start < self._stops.get(task.condition, task.stop)

    def _add(self, waiting: deque[Any], task: Task | Trip) -> None:
        """Have a task run, unless its condition has ended before it."""
        if self._is_wanted(task):
            waiting.append(task)

    def put_back(self, condition: int, start: int, stop: int) -> None:
        """Have cells run that were handed out, and have not begun or not come to an end."""
        stop = min(stop, self._stops.get(condition, stop))
        if start < stop:
            heapq.heappush(self._runs, (start, condition, stop))
            self.remaining += stop - start

    def _cut_trip(self) -> Trip | None:
        """All that is left of neighbouring conditions, where one block has room for several."""
        start, first, stop = self._runs[0]
        cells = self._size.cells(self._likely, self._workers, self._balance)
        most = min(MAX_CONDITIONS, cells // (stop - start))
        if most < 2:
            return None
        runs, following = self._runs, first
        while (
            runs and following < first + most and runs[0] == (start, following, stop)
            and self._has_room(following, stop - start)
        ):  # fmt: skip
            heapq.heappop(runs)
            following += 1
        conditions = following - first
        if conditions < 2:
            if conditions:
                heapq.heappush(runs, (start, first, stop))
            return None
        self.remaining -= conditions * (stop - start)
        return Trip(first, start, stop, conditions)

    def _has_room(self, condition: int, cells: int) -> bool:
        """Whether nothing says that a condition's cells take a block of their own."""
        pace = self._paces.get(condition)
        if pace is None or not pace.is_known:
            return True
        # Roughly: the balance would be asked for each of very many conditions.
        return pace.cells(self._likely, self._workers) > cells

    def _seconds_each(self, task: Task | Trip) -> float:
        """What a cell of a task takes, as far as that is known."""
        pace = None if isinstance(task, Trip) else self._paces.get(task.condition)
        return self._size.each if pace is None else pace.each or self._size.each

    def _pace(self, condition: int) -> BlockSize:
        """What is known of the duration of one condition's cells."""
        pace = self._paces.get(condition)
        if pace is None:
            pace = self._paces[condition] = self._new_pace()
        return pace

    def _cut(self) -> Task:
        start, condition, stop = self._runs[0]
        end = start + 1
        if not self._single_cell:
            pace = self._pace(condition)
            starts = isinstance(self._balance, Balance) and self._size.is_of_first_cells
            size = pace.cells(self._likely, self._workers, self._balance, starts=starts)
            end = min(stop, start + size, self._horizon or stop)
        if end < stop:
            heapq.heapreplace(self._runs, (end, condition, stop))
        else:
            heapq.heappop(self._runs)
        self.remaining -= end - start
        task: Task = named_tuple(Task, (condition, start, end))
        return task


def _halves(trip: Trip) -> tuple[Task | Trip, Task | Trip]:
    half = trip.conditions // 2
    second = trip._replace(condition=trip.condition + half, conditions=trip.conditions - half)
    return _smallest(trip._replace(conditions=half)), _smallest(second)


def _smallest(trip: Trip) -> Task | Trip:
    return trip if trip.conditions > 1 else Task(*trip[:3])
