"""The contract of ``execute``, driven directly: no experiment is between executor and check."""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from crystallize.contracts import Capabilities, Completion, Task
from crystallize.plugins.host import Host
from crystallize.testing.driving import Drive, tasks
from crystallize.testing.noted import Note, Noted, most_at_once
from crystallize.testing.suite import Suite, where
from crystallize.testing.surroundings import changed, global_state, left, things
from crystallize.testing.watching import until

MANY = 320
AHEAD = 4
"""How many tasks for each worker an executor may have taken that have not completed."""
LONG_SECONDS = 1.2
CLOSE_SECONDS = 2.0
LEFT_SECONDS = CLOSE_SECONDS + 1.5
"""How long a call takes in whose middle the executor is closed."""
KINDS = ("thread", "process", "file", "socket")
MARGIN_SECONDS = 0.5
"""What a busy machine may add to a time that is promised."""
TICK_SECONDS = 0.5
MOST_TICKS = 200
"""In :data:`LONG_SECONDS`; ten in a second are asked for."""


@dataclass(frozen=True)
class Facts:
    """What an executor says of itself, as far as checks depend on it."""

    capabilities: Capabilities
    streams: bool
    says: bool
    processes: bool

    @property
    def has_several_workers(self) -> bool:
        return self.streams and self.capabilities.workers > 1


def streams(facts: Facts) -> bool:
    """Whether the executor implements ``execute``."""
    return facts.streams


streaming = where(streams, "executors that stream")
parallel = where(lambda facts: facts.has_several_workers, "executors with several workers")


@dataclass(frozen=True)
class Left:
    """What an executor did that was closed in the middle."""

    seconds: float
    closed: float
    notes: list[Note]
    running: list[str]
    opened: list[str]
    changes: list[str]
    call: weakref.ref[Noted]
    executor: object


class ExecutorChecks(Suite):
    """What is known of an executor; override :meth:`make`.

    Attributes
    ----------
    processes : bool, optional
        Whether cells run in other processes, of which a few are killed.  Default:
        the capability ``local_processes``.
    """

    processes: bool | None = None

    def known(self, plugin: Any) -> Facts:
        """What the executor says of itself."""
        capabilities = Capabilities.of(plugin)
        return Facts(
            capabilities=capabilities,
            streams=Host(executor=plugin).implements("execute"),
            says=hasattr(plugin, "capabilities"),
            processes=capabilities.local_processes if self.processes is None else self.processes,
        )


class StreamingChecks(ExecutorChecks):
    """What ``execute`` must do."""

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
        _, notes, slow = self._slow()
        late = [n.start for n in notes.values() if n.start != slow and n.began > notes[slow].ended]
        # An engine may have queued a task or two behind the slow one.
        assert len(late) <= 2, (
            f"the tasks of replicates {late} began only when a task of {LONG_SECONDS:g} seconds "
            "had ended, although another worker was free. Ask next_task() whenever there is room, "
            "without waiting for all that is in flight."
        )

    @streaming
    def test_it_ticks_while_it_waits(self) -> None:
        drive, notes, slow = self._slow()
        if self._runs_here(notes[slow], drive):
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
    def test_no_more_tasks_run_at_once_than_it_has_workers(self) -> None:
        most, workers = most_at_once(self._crowd()), self.facts.capabilities.workers
        assert most <= workers, (
            f"{most} calls ran at once, and capabilities.workers is {workers}. Run no more, or say "
            "how many there are: memory, licences and rate limits are counted by it."
        )

    @parallel
    def test_its_workers_run_at_once(self) -> None:
        most, workers = most_at_once(self._crowd()), self.facts.capabilities.workers
        assert most > 1, (
            f"one call ran at a time, and capabilities.workers is {workers}. Hand out a task for "
            "each worker before you wait for a completion, or say workers=1."
        )

    @where(
        lambda facts: facts.streams and not facts.capabilities.shares_process,
        "executors whose cells share no process",
    )
    def test_no_two_cells_share_a_process(self) -> None:
        for process in {note.process for note in self._crowd()}:
            together = most_at_once([n for n in self._crowd() if n.process == process])
            assert together == 1, (
                f"{together} calls ran at once in process {process}, and shares_process is False. "
                "Cells that run at once in one process draw from each other's global generators; "
                "say shares_process=True, which is the default."
            )

    @streaming
    def test_it_says_where_cells_run(self) -> None:
        elsewhere = {note.process for note in self._crowd()} - {os.getpid()}
        here = {note.process for note in self._crowd()} & {os.getpid()}
        facts = self.facts
        if facts.processes:
            assert not here, (
                "a call ran in the driver's process, and local_processes (or the suite's "
                "'processes') says that none does. Run it in a worker, or do not say so: a cell "
                "that kills its process would kill the driver."
            )
        else:
            assert not elsewhere, (
                "calls ran in other processes. Say local_processes=True in its capabilities if "
                "they are of this machine and can map a file of the driver's; or else give the "
                "suite the attribute processes = True, so that it kills a few."
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
        wrong = [c for s, c in found.items() if s not in (5, 11) and not _is_good(c)]
        assert not wrong, (
            f"a call that raised and a value that does not travel cost others: {wrong[:3]}. Each "
            "error belongs to its own task."
        )

    @where(
        lambda facts: facts.streams and facts.processes,
        "executors whose cells run in other processes",
    )
    def test_a_killed_worker_costs_no_more_than_its_tasks(self) -> None:
        call = Noted(self.folder, {7: "kill once"}, seconds=0.01)

        driven = self.within(lambda: Drive(self.make(), call, tasks(40)).run())
        found = Counter(completion.task.start for completion in driven.completions)
        assert sorted(found.elements()) == [task.start for task in driven.handed], (
            f"a worker was killed, and of 40 tasks {len(found)} completed, {found.total()} times "
            "in all. Every task completes once: those that were lost with a worker have an error, "
            "so that the driver can run them again."
        )
        assert len(found) == 40, (
            f"a worker was killed, and it ended after {len(found)} of 40 tasks. Go on with other "
            "workers, or start new ones."
        )
        errors = [c for c in driven.completions if c.error is not None]
        workers = self.facts.capabilities.workers
        assert len(errors) <= AHEAD * workers, (
            f"a worker was killed, and {len(errors)} of 40 tasks are lost with it. What had "
            "finished, and what had not begun, is not."
        )

    @where(
        lambda facts: facts.streams and facts.capabilities.can_cancel,
        "executors that can cancel a running task",
    )
    def test_a_running_task_can_be_cancelled(self) -> None:
        call = Noted(self.folder, {3: 60.0}, seconds=0.01)
        drive = Drive(self.make(), call, tasks(12))
        running: list[float | None] = []
        over: list[float | None] = []
        began = monotonic()

        def look(item: Completion | None) -> bool:
            assert drive.control is not None, (
                "can_cancel is True, and execute has not called run.register_control(cancel, "
                "elapsed) by its first item. Register what can be done to a running task."
            )
            cancel, elapsed = drive.control
            if not over and any(note.start == 3 for note in call.notes()):
                running.append(elapsed(Task(0, 3, 4)))
                if (running[-1] or 0.0) > 0.3 or monotonic() - began > 5:
                    over.append(elapsed(drive.completions[0].task))
                    cancel(Task(0, 3, 4))
            return False

        self.within(drive.run, look)
        assert running and running[-1] is not None and 0 < running[-1] < monotonic() - began, (
            f"elapsed(task) gave {running[-1:]} for a task that is running. Give the seconds for "
            "which it has been able to run."
        )
        assert over == [None], (
            f"elapsed(task) gave {over} for a task that is over. Give None where it is not running."
        )
        ended = [c for c in drive.completions if c.task.start == 3]
        assert len(ended) == 1 and ended[0].error is not None, (
            f"a task that was cancelled came to {ended}. It completes like any other, with an "
            "error."
        )
        others = [c for c in drive.completions if c.task.start != 3]
        assert len(others) == 11 and all(_is_good(c) for c in others), (
            "cancel(task) ended other tasks than the one that it was given. End that one alone."
        )

    @streaming
    def test_closing_takes_two_seconds_at_most(self) -> None:
        seconds = self._left().seconds
        assert seconds <= CLOSE_SECONDS + MARGIN_SECONDS, (
            f"closing the iterator took {seconds:.1f} seconds while calls of "
            f"{LEFT_SECONDS:g} seconds ran. Cancel what waits, end what can be ended and leave the "
            "rest behind: Ctrl-C waits for this."
        )

    @streaming
    def test_nothing_begins_after_closing(self) -> None:
        found = self._left()
        late = [note.start for note in found.notes if note.began > found.closed + MARGIN_SECONDS]
        assert not late, (
            f"calls of replicates {late} began after the iterator had been closed. Cancel what "
            "waits in the engine."
        )

    @streaming
    def test_nothing_runs_after_closing(self) -> None:
        running = self._left().running
        assert not running, (
            f"it was closed in the middle, and there still run: {', '.join(running)}. End what a "
            "run has started in a 'finally' of execute, or a 'with' around its 'yield'."
        )

    @streaming
    def test_nothing_is_open_after_closing(self) -> None:
        opened = self._left().opened
        assert not opened, (
            f"it was closed in the middle, and there are still open: {', '.join(opened)}. Close "
            "what a run opens in a 'finally' of execute, or a 'with' around its 'yield'."
        )

    @streaming
    def test_what_is_global_is_as_it_was_when_it_is_closed(self) -> None:
        changes = self._left().changes
        assert not changes, (
            f"after a run that was closed in the middle {' and '.join(changes)} of the driver's "
            "process had changed. Leave what is global alone, or put it back in a 'finally'."
        )

    @streaming
    def test_nothing_of_a_run_is_kept(self) -> None:
        call = self._left().call
        gc.collect()
        gone = until(lambda: (gc.collect(), call() is None)[1], CLOSE_SECONDS)
        assert gone, (
            "after the run there is still a reference to its call, which holds the function and "
            "its data. Keep what belongs to a run in local variables of execute, not on the "
            "executor or in a module."
        )

    def _many(self, first: int) -> tuple[Drive, list[Note]]:
        """Some hundred quick tasks; what a store has left, where they do not begin at 0."""

        def gather() -> tuple[Drive, list[Note]]:
            given = tasks(MANY, first, step=3 if first else 1)
            drive = Drive(self.make(), Noted(self.folder), given).run()
            return drive, drive.call.notes()

        return self.evidence(f"many from {first}", gather)

    def _slow(self) -> tuple[Drive, dict[int, Note], int]:
        """A slow task among quick ones."""
        slow = 3

        def gather() -> tuple[Drive, dict[int, Note]]:
            given = tasks(4 + min(4 * self.facts.capabilities.workers, 40))
            call = Noted(self.folder, {slow: LONG_SECONDS})
            drive = Drive(self.make(), call, given).run()
            return drive, {note.start: note for note in call.notes()}

        drive, notes = self.evidence("slow", gather)
        return drive, notes, slow

    def _crowd(self) -> list[Note]:
        """More tasks than there are workers, none of them quick."""

        def gather() -> list[Note]:
            given = tasks(min(4 * self.facts.capabilities.workers, 40))
            call = Noted(self.folder, seconds=0.1)
            return Drive(self.make(), call, given).run().call.notes()

        return self.evidence("crowd", gather)

    def _left(self) -> Left:
        """Two runs: one to its end, one closed in the middle."""
        return self.evidence("left", self._leave)

    def _leave(self) -> Left:
        executor, facts = self.make(), self.facts
        generators = not facts.capabilities.draws_global_random
        # What an engine keeps for the next run, it may have by now.
        Drive(executor, Noted(self.folder), tasks(4)).run()
        before, state = things(), global_state(generators=generators)
        # What would begin after the slow ones is quick, so that it has ended when that is noticed.
        slow = range(2, 2 + min(facts.capabilities.workers, 20))
        call = Noted(self.folder, dict.fromkeys(slow, LEFT_SECONDS))
        drive = Drive(executor, call, tasks(40))

        def in_the_middle(item: Completion | None) -> bool:
            notes = call.notes()
            begun = any(note.start in slow for note in notes)
            return drive.completed >= 2 and (begun or self._runs_here(notes[0], drive))

        drive.run(in_the_middle)
        # A call that cannot be ended has time to end by itself.
        can_end = facts.capabilities.can_cancel or facts.capabilities.calls_are_async
        grace = MARGIN_SECONDS if can_end else LEFT_SECONDS + MARGIN_SECONDS
        time.sleep(MARGIN_SECONDS)
        until(lambda: not left(before, KINDS), grace)
        return Left(
            seconds=drive.closed - drive.closing,
            closed=drive.closed,
            notes=call.notes(),
            running=left(before, KINDS[:2]) + [f"task {name}" for name in drive.unfinished],
            opened=left(before, KINDS[2:]),
            changes=changed(state, global_state(generators=generators)),
            call=weakref.ref(call),
            executor=executor,
        )

    def _runs_here(self, note: Note, drive: Drive) -> bool:
        """Whether a call ran where the generator runs, which cannot yield meanwhile."""
        is_here = note.process == os.getpid() and note.thread in drive.threads
        return is_here and not self.facts.capabilities.calls_are_async


def _is_good(completion: Completion) -> bool:
    return completion.error is None and completion.value == Noted.expected(completion.task.start)
