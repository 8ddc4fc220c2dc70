"""What is done with a completion: written once, whichever pump brings it."""

from __future__ import annotations

from math import nan
from time import perf_counter, sleep
from typing import Any

from crystallize.cells.block import Block, Blocks, CellByCell, Failure, Piece, Row, Stretch
from crystallize.cells.durations import Durations
from crystallize.cells.outcome import CellError
from crystallize.cells.sheet import Sheet
from crystallize.contracts import Completion, Pause, Task, Trip
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import ExecutorError, ResourceError, described
from crystallize.run.attempts import recorded_of
from crystallize.run.cell_warnings import CellWarnings
from crystallize.run.deadlines import Deadlines
from crystallize.run.engine import Engine
from crystallize.run.failures import LOST, FailurePolicy
from crystallize.run.recorder import Recorder
from crystallize.run.schedule import Schedule
from crystallize.run.signals import Interrupts
from crystallize.run.time_limit import TimeLimit
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.failures import TimedOut
from crystallize.worker.logged import log_again

LOOKS_SHARE = 1 / 30
"""How much of the time may go into looking into blocks that go on, of which there may be many."""


class Landing:
    """Hands out the tasks of a run, and takes what they come to.

    Parameters
    ----------
    experiment : ExperimentSpec
    engine : Engine
        The executor, which is held to its contract.
    call : BlockCall
        What it calls; a block that comes back carries its stamp.
    interrupts : Interrupts
        The requests to stop, by which a block may be cut short.
    schedule : Schedule
        Learns what is done and what is to be run again.
    policy : FailurePolicy
        Decides on failed cells.
    deadlines : Deadlines
        Has tasks cancelled that take too long.
    recorder : Recorder
        Keeps what finished.
    warnings : CellWarnings
    limit : TimeLimit
        After which what comes of a task may be nothing.
    """

    def __init__(
        self,
        experiment: ExperimentSpec,
        engine: Engine,
        call: BlockCall,
        interrupts: Interrupts,
        schedule: Schedule,
        policy: FailurePolicy,
        deadlines: Deadlines,
        recorder: Recorder,
        warnings: CellWarnings,
        limit: TimeLimit,
    ) -> None:
        self.schedule = schedule
        self._experiment = experiment
        self._engine = engine
        self._policy = policy
        self._deadlines = deadlines
        self._recorder = recorder
        self._warnings = warnings
        self._limit = limit
        self._coroutines = call.coroutines
        self._stamp = call.stamp
        self._has_timeout = experiment.timeout is not None
        self._awaits = engine.capabilities.calls_are_async
        self._interrupts = interrupts
        self._needs_control = experiment.timeout is not None and engine.capabilities.can_cancel
        self._in_flight: dict[Task | Trip | Pause, None] = {}
        self._next_look = 0.0
        if self._awaits and engine.capabilities.shares_process:
            schedule.learn_taking_back(self._coroutines.waiting, self._coroutines.take_back)

    def next_task(self) -> Task | Trip | Pause | None:
        """What the executor is to run next."""
        task = self.schedule.next_task()
        if task is not None:
            self._in_flight[task] = None
        return task

    @property
    def waits(self) -> bool:
        """Whether there are tasks that have not come back."""
        return bool(self._in_flight)

    def look(self) -> None:
        """Cancel every task whose cell has taken too long."""
        if self._has_timeout:
            self._deadlines.look(self._in_flight)

    def take(self, completion: Completion) -> None:
        """Take what a task came to.

        Raises
        ------
        ExecutorError
            If the executor breaks its contract, or cannot run cells at all.
        """
        if self._needs_control:
            self._check_control()
        task, value, error = self._checked(completion)
        begun = self._coroutines.landed(task) if self._awaits else None
        if error is not None and begun is not None and self._is_in_part(task, begun, error):
            value, error = begun, None
        if (
            type(value) is Row
            and error is None
            and (value.task, value.stamp) == (task, self._stamp)
        ):
            self._take_row(task, value)  # at once: nothing else is so many
        elif type(value) is CellByCell and error is None and value.stamp == self._stamp:
            self._take_cells(task, value)
        elif isinstance(task, Pause):
            self._take_pause(task, error)
        elif error is not None:
            self._take_loss(task, error, value, begun)
        elif getattr(value, "stamp", self._stamp) != self._stamp:
            raise self._engine.broken_contract(
                f"it completed {task} with what the call of another run returned; it must use "
                "the call that it was given for this run, and keep none"
            )
        elif isinstance(task, Trip) and isinstance(value, Sheet):
            self._take_sheet(task, value)
        elif isinstance(task, Trip):
            self._take_blocks(task, value)
        else:
            self._take_block(task, value)

    def look_into_blocks(self) -> None:
        """Keep what finished in blocks of coroutines that go on; what waits there, others run."""
        if (began := perf_counter()) < self._next_look:
            return
        pieces, back = self._coroutines.look()
        self._keep_pieces(pieces)
        for task in back:
            self.schedule.put_back(*task)
        ended = perf_counter()
        self._next_look = ended + (ended - began) / LOOKS_SHARE

    def take_left(self) -> None:
        """Take what finished of blocks of coroutines that did not come back."""
        for task, cells in self._coroutines.left().items():
            if task in self._in_flight:
                self.take(Completion(task, cells))

    def _check_control(self) -> None:
        if not self._deadlines.enforceable:
            raise self._engine.broken_contract(
                "it says that it can cancel a running task, so its execute must say how, with "
                "run.register_control(cancel, elapsed)"
            )

    def _checked(self, completion: object) -> Completion:
        if isinstance(completion, Completion) and self._in_flight.pop(completion.task, ...) is None:
            return completion
        raise self._engine.broken_contract(
            "it must yield a Completion of a task that next_task() gave and that has not "
            f"completed yet; it yielded {completion!r:.200}"
        )

    def _is_in_part(self, task: Any, begun: CellByCell, error: BaseException) -> bool:
        """Whether a block of coroutines that is lost is so in part: the rest is run again."""
        several = isinstance(task, Task) and task.stop - task.start > 1
        return several and begun.cells > 0 and not isinstance(error, ResourceError)

    def _take_pause(self, pause: Pause, error: BaseException | None) -> None:
        """Go on; a worker that was lost meanwhile had no cell."""
        if isinstance(error, ResourceError):
            raise error
        if error is not None:
            sleep(pause.seconds)  # or else an engine that loses all would be kept busy
        self.schedule.ended(pause)

    def _take_row(self, task: Task, row: Row) -> None:
        if self._has_timeout and (
            self._deadlines.was_cancelled(task) or self._deadlines.is_late(row.seconds)
        ):
            self._take_late(task, value=row)
            return
        self.schedule.cell_finished(task, row.seconds)
        self._losses_are_certain()
        self._keep_row(row)

    def _keep_row(self, row: Row) -> None:
        if row.recorded:
            self._recorder.attempts.of_row(row)
        if row.warned:
            self._warnings.of_cells([row.warned])
        self._recorder.keep_row(row)

    def _take_cells(self, task: Task, cells: CellByCell) -> None:
        there = range(task.start, task.start + cells.cells)
        if (
            not (cells.cells or self._was_cut)
            or not there.stop <= cells.stop <= task.stop
            or any(
                one.condition != task.condition or one.start not in there for one in cells.pieces
            )
        ):
            raise self._something_else(task)
        if not cells.cells:
            self._limit.reach()
        self.schedule.finished(task, cells.cells, cells.seconds, cells.stop)
        self._losses_are_certain()
        cells.stop = there.stop
        self._keep_pieces(cells.pieces)
        cells.pieces.clear()

    def _keep_pieces(self, pieces: list[Piece]) -> None:
        for one in pieces:
            if isinstance(one, Stretch):
                self._recorder.keep_stretch(one)
            elif isinstance(one, Row):
                self._keep_row(one)
            else:
                self._keep(one)

    def _take_block(self, task: Task, block: Any) -> None:
        least = task.start if self._was_cut else task.start + 1
        if (
            not isinstance(block, Block)
            or (block.condition, block.start) != task[:2]
            or not least <= block.stop <= task.stop
        ):
            raise self._something_else(task)
        self._deadlines.was_cancelled(task)  # what came all the same is taken
        if not len(block):
            self._limit.reach()
        self.schedule.finished(task, len(block), block.seconds)
        self._losses_are_certain()
        self._keep(block)
        self._warn_of_changes(block)

    def _take_blocks(self, trip: Trip, value: Any) -> None:
        if not isinstance(value, Blocks) or not self._are_of(trip, value.blocks):
            raise self._something_else(trip)
        if not value.blocks:
            self._limit.reach()
        self.schedule.trip_finished(trip, value.blocks, value.seconds)
        self._losses_are_certain()
        for block in value.blocks:
            self._keep(block)
        self._warn_of_changes(value)

    def _take_sheet(self, trip: Trip, sheet: Sheet) -> None:
        cells = sheet.cells
        if cells.logged:
            log_again(cells.logged)
        is_whole = sheet.stop == trip.stop
        if not (is_whole and cells.is_plain and len(sheet)):
            blocks = list(sheet.blocks())
            self._take_blocks(trip, Blocks(blocks, cells.seconds))
        elif (sheet.condition, sheet.start) != trip[:2] or sheet.conditions > trip.conditions:
            raise self._something_else(trip)
        else:
            self.schedule.sheet_finished(trip, sheet)
            self._losses_are_certain()
            self._recorder.keep_sheet(sheet)
        self._warn_of_changes(sheet)

    def _losses_are_certain(self) -> None:
        """Keep the errors of cells that were lost, now that the engine is seen to work."""
        if self._policy.lost:
            self._recorder.keep_errors(self._policy.losses_are_certain())

    def _are_of(self, trip: Trip, blocks: list[Block]) -> bool:
        first, start, stop, conditions = trip
        return (
            (bool(blocks) or self._was_cut)
            and len(blocks) <= conditions
            and all(
                block.condition == condition and block.start == start and start < block.stop <= stop
                for condition, block in enumerate(blocks, first)
            )
        )

    @property
    def _was_cut(self) -> bool:
        # A limit may be over where cells run before it is here.
        if self._interrupts.requested or self._coroutines.leaving:
            return True
        return self._limit.seconds is not None

    def _something_else(self, task: Task | Trip) -> ExecutorError:
        return self._engine.broken_contract(
            f"it completed {task} with something else than call(task) returned"
        )

    def _keep(self, block: Block) -> None:
        if block.logged:
            log_again(block.logged)
        if block.warned is not None:
            self._warnings.of_cells(block.warned.kinds)
        self._recorder.attempts.of_block(block)
        errors = [error for failure in block.failures if (error := self._answer(block, failure))]
        self._recorder.keep_block(block, errors)
        was_refused = bool(errors) and any(failure.refused for failure in block.failures)
        if was_refused and not self._recorder.has_finished(block.condition):
            self._policy.none_finished(block.condition)

    def _warn_of_changes(self, ran: Block | Blocks | Sheet) -> None:
        if ran.touched:
            self._warnings.of_global_random(ran.touched)
        if ran.changed:
            self._warnings.of_state(ran.changed)

    def _answer(self, block: Block, failure: Failure) -> CellError | None:
        """Answer a failed cell: another attempt, or its error."""
        cell = block.condition, block.start + failure.offset
        wait = self._policy.next_try(cell, failure)
        if wait is not None:
            self.schedule.try_again(*cell, wait)
            return None
        return self._policy.failed(cell, failure)

    def _take_loss(
        self, task: Any, error: BaseException, value: object, begun: CellByCell | None
    ) -> None:
        """Answer a task that did not come back."""
        if isinstance(error, ResourceError):
            raise error
        if self._deadlines.was_cancelled(task):
            self._take_late(task, str(error) if isinstance(error, TimeoutError) else "", value)
            return
        stop = None
        if begun is not None:  # which may go on all the same, but not with what others run
            stop, begun.stop = begun.stop, task.start + begun.cells
        if not self.schedule.lost(task, stop):
            return
        cell = task.condition, task.start
        message = described(error)
        report = "\n".join([message, *getattr(error, "__notes__", ())]).rstrip() + "\n"
        failure = Failure(0, LOST, message, report)
        self._recorder.attempts.add(cell, nan, failure)
        if self._policy.next_try(cell, failure) is not None:
            self.schedule.suspect(*cell)  # at once: no other cell runs until it has
            return
        errors = self._policy.lost_alone(task, failure)
        if self._policy.engine_is_broken:
            raise ExecutorError(
                f"The execution strategy {self._engine.name!r} loses every task, whichever "
                f"cell it is of; the last time with {message}. What had finished is on this "
                "exception as .result."
            ) from error
        self._recorder.keep_errors(errors)

    def _take_late(self, task: Task, addition: str = "", value: object = None) -> None:
        """Answer a task whose cell has taken too long: find the cell, or record it."""
        if task.stop - task.start > 1:
            self.schedule.split(task)
            return
        seconds = self._experiment.timeout or 0.0
        self.schedule.finished(task, 1, seconds)
        cell = task.condition, task.start
        error = TimedOut(self._experiment.timeout)
        message = f"{error}; {addition}" if addition else str(error)
        failure = Failure(0, type(error).__name__, message, f"TimedOut: {message}\n")
        self._recorder.attempts.add(cell, seconds, failure, recorded_of(value))
        wait = self._policy.next_try(cell, failure)
        if wait is not None:
            self.schedule.try_again(*cell, wait)
            return
        block = Block(*task, [], [failure], seconds, durations=Durations([1], [seconds]))
        self._recorder.keep_block(block, [self._policy.failed(cell, failure)])
