"""Checks of what ``execute`` makes of its tasks: each called once, completed once, and in time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from crystallize.testing.driving import Drive, is_good, tasks
from crystallize.testing.facts import AHEAD, MARGIN_SECONDS, ExecutorChecks, parallel, streaming
from crystallize.testing.noted import Note, Noted

MANY = 320
LONG_SECONDS = 1.2
LONGER_SECONDS = 4.0
"""Where tasks waited for :data:`LONG_SECONDS`: a second worker may take that long to start, or a
busy machine to go on."""
TICK_SECONDS = 0.5
MOST_TICKS = 200
"""In :data:`LONG_SECONDS`; ten in a second are asked for."""


class CompletionChecks(ExecutorChecks):
    """What comes of tasks, driven directly: no experiment is between executor and check."""

    @streaming
    @pytest.mark.parametrize("first", [0, 5], ids=["fresh", "resumed"])
    def test_every_task_is_called_once(self, first: int) -> None:
        drive, notes = self._many(first)
        calls = Counter(note.start for note in notes)
        missing = [task.start for task in drive.handed if not calls[task.start]]
        assert not missing, (
            f"call(task) was never called for the tasks of replicates {missing}, of {MANY} that "
            "next_task() gave. Every task that is taken must be called; none may be forgotten "
            "when workers are busy or the run ends."
        )
        again = [start for start, count in calls.items() if count > 1]
        assert not again, (
            f"call(task) was called more than once for the tasks of replicates {again}. Call each "
            "task once: whether something is run again is the driver's to decide."
        )
        unknown = calls.keys() - {task.start for task in drive.handed}
        assert not unknown, (
            f"call(task) was called for replicates {sorted(unknown)}, which next_task() never "
            "gave. Hand on the task as it is."
        )

    @streaming
    @pytest.mark.parametrize("first", [0, 5], ids=["fresh", "resumed"])
    def test_every_task_completes_once(self, first: int) -> None:
        drive, _ = self._many(first)
        assert len(drive.handed) == MANY, (
            f"it ended after it had asked for {len(drive.handed)} of {MANY} tasks. It is done when "
            "nothing is in flight and next_task() still gives None, and not before."
        )
        completed = Counter(completion.task for completion in drive.completions)
        missing = [task.start for task in drive.handed if not completed[task]]
        assert not missing, (
            f"no Completion came for the tasks of replicates {missing}, of {MANY}. Yield one for "
            "every task, with the value or with the error of the transport."
        )
        again = [task for task, count in completed.items() if count > 1]
        assert not again, (
            f"more than one Completion came for {again}. Yield one for each task that next_task() "
            "gave, with that task in it."
        )

    @streaming
    @pytest.mark.parametrize("first", [0, 5], ids=["fresh", "resumed"])
    def test_every_value_is_that_of_its_task(self, first: int) -> None:
        drive, _ = self._many(first)
        for task, value, error in drive.completions:
            assert error is None, (
                f"{task} completed with {error!r}, and its call had raised nothing. The error of "
                "a Completion is for what went wrong on the way; is a call or value changed there?"
            )
            assert value == Noted.expected(task.start), (
                f"{task} completed with {value!r}, and call(task) had returned "
                f"{Noted.expected(task.start)!r}. A Completion has the value of its own task, as "
                "it was returned."
            )

    @streaming
    def test_it_takes_little_work_ahead(self) -> None:
        drive, _ = self._many(0)
        workers = self.facts.capabilities.workers
        assert drive.ahead <= AHEAD * workers, (
            f"it had {drive.ahead} tasks at once that had not completed, with workers={workers}. "
            "Ask next_task() where there is room, for a task or two for each worker: what is "
            "taken early cannot be sized, ordered or stopped by the driver any more."
        )

    @streaming
    def test_it_asks_for_work_from_one_thread(self) -> None:
        drive, _ = self._many(0)
        assert len(drive.threads) == 1, (
            f"next_task() was asked from {len(drive.threads)} threads. Ask where the generator "
            "runs; workers are handed their tasks."
        )

    @streaming
    def test_the_call_travels_once_to_each_worker(self) -> None:
        drive, notes = self._many(0)
        arrivals, workers = drive.call.arrivals(), len({note.process for note in notes})
        assert arrivals <= AHEAD * max(workers, self.facts.capabilities.workers), (
            f"the call was unpickled {arrivals} times in {workers} processes for {MANY} tasks. It "
            "is heavy: it holds the function and its data. Send it to each worker once, and then "
            "the tasks, which are a few numbers."
        )

    @streaming
    def test_none_means_nothing_now(self) -> None:
        def drive() -> Drive:
            return Drive(self.make(), Noted(self.folder), tasks(5), at_once=1).run()

        driven = self.within(drive)
        assert len(driven.completions) == 5, (
            f"it ended after {len(driven.completions)} of 5 tasks, of which each was given when "
            "the one before had completed. None from next_task() means that there is nothing now; "
            "ask again after every completion, and end when nothing is in flight."
        )

    @streaming
    def test_completions_come_as_they_happen(self) -> None:
        drive, notes, slow = self._slow()
        end = notes[slow].ended
        early = {start for start, note in notes.items() if note.ended < end - MARGIN_SECONDS}
        for at, item in drive.items:
            assert item is None or item.task.start not in early or at < end, (
                f"{item.task} had ended, and its Completion came only when a task of "
                f"{LONG_SECONDS:g} seconds had ended too. Yield each completion as it happens, "
                "in whichever order: what is held back is lost if the program is killed."
            )

    @parallel
    def test_a_slow_task_keeps_no_worker_from_the_others(self) -> None:
        for seconds in (LONG_SECONDS, LONGER_SECONDS):
            _, notes, slow = self._slow(seconds)
            ended = notes[slow].ended
            late = [start for start, note in notes.items() if note.began > ended]
            # An engine may have queued a task or two behind the slow one.
            if len(late) <= 2:
                return
        raise AssertionError(
            f"the tasks of replicates {late} began only when a task of {seconds:g} seconds "
            "had ended, although another worker was free. Ask next_task() whenever there is room, "
            "without waiting for all that is in flight."
        )

    @streaming
    def test_it_ticks_while_it_waits(self) -> None:
        drive, notes, slow = self._slow()
        if drive.ran_here(notes[slow]):
            return  # nothing can be yielded meanwhile, and nobody waits
        times = [at for at, _ in drive.items if notes[slow].began < at < notes[slow].ended]
        times = [notes[slow].began, *times, notes[slow].ended]
        gap = max(later - earlier for earlier, later in pairwise(times))
        assert gap <= TICK_SECONDS, (
            f"while a task of {LONG_SECONDS:g} seconds ran, nothing was yielded for {gap:.2f} "
            "seconds. Yield None when nothing has completed for a tenth of a second: the driver "
            "looks at deadlines, Ctrl-C and what is to be kept between two items."
        )

    @streaming
    def test_waiting_costs_nothing(self) -> None:
        drive, notes, _ = self._slow()
        ticks = sum(item is None for _, item in drive.items)
        asked = drive.asked - len(drive.handed)
        assert max(ticks, asked) <= MOST_TICKS + 4 * len(notes), (
            f"while a task of {LONG_SECONDS:g} seconds ran, it yielded None {ticks} times and "
            f"asked for work in vain {asked} times. Wait for a completion, for a tenth of a second "
            "at the most, rather than look again and again: that takes a CPU from the cells."
        )

    @streaming
    def test_a_call_that_raises_costs_its_own_task_only(self) -> None:
        def drive() -> Drive:
            call = Noted(self.folder, {5: "raise", 11: "lock"})
            return Drive(self.make(), call, tasks(40)).run()

        try:
            driven = self.within(drive)
        except LookupError:
            raise AssertionError(
                "an exception of call(task) came out of execute, which ended the run. Catch it, "
                "and yield Completion(task, error=the exception)."
            ) from None
        found = {completion.task.start: completion for completion in driven.completions}
        assert len(found) == len(driven.completions) == 40, (
            f"of 40 tasks, of which two come to nothing, {len(driven.completions)} completed. A "
            "call that raises, or whose value does not travel, is a Completion with that error; "
            "the others go on."
        )
        assert found[5].error is not None, (
            f"call(task) raised a LookupError, and its Completion has no error but the value "
            f"{found[5].value!r}. Yield Completion(task, error=the exception)."
        )
        wrong = [c for s, c in found.items() if s not in (5, 11) and not is_good(c)]
        assert not wrong, (
            f"a call that raised and a value that does not travel cost others: {wrong[:3]}. Each "
            "error belongs to its own task."
        )

    def _many(self, first: int) -> tuple[Drive, list[Note]]:
        """Some hundred quick tasks; what a store has left, where they do not begin at 0."""

        def gather() -> tuple[Drive, list[Note]]:
            given = tasks(MANY, first, step=3 if first else 1)
            drive = Drive(self.make(), Noted(self.folder), given).run()
            return drive, drive.call.notes()

        return self.evidence(f"many from {first}", gather)

    def _slow(self, seconds: float = LONG_SECONDS) -> tuple[Drive, dict[int, Note], int]:
        """A slow task among quick ones."""
        slow = 3

        def gather() -> tuple[Drive, dict[int, Note]]:
            given = tasks(4 + min(4 * self.facts.capabilities.workers, 40))
            call = Noted(self.folder, {slow: seconds})
            drive = Drive(self.make(), call, given).run()
            return drive, {note.start: note for note in call.notes()}

        drive, notes = self.evidence(f"slow, {seconds:g} s", gather)
        return drive, notes, slow
