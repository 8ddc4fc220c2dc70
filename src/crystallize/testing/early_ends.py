"""Checks of tasks that end early: shortened for another worker, or handed over at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf
from time import monotonic

from crystallize.contracts import HAND_OVER_SECONDS, Completion, Task
from crystallize.testing.driving import Drive, is_good, tasks
from crystallize.testing.facts import MARGIN_SECONDS, ExecutorChecks
from crystallize.testing.noted import Note, Noted
from crystallize.testing.suite import where

MANY = 40
MOST_AT_ONCE = 4
RUNNING_SECONDS = 0.3
"""How long a task runs until it is asked to end."""
BACK_SECONDS = 2.0
"""How long it may take to come back; on a busy machine."""
TRIES = 3

plain = where(
    lambda facts: facts.streams and not facts.capabilities.calls_are_async,
    "executors of plain functions",
)


@dataclass
class Shortened:
    """What an executor did that was asked to have a task end early.

    Attributes
    ----------
    task : Task or None
        Which it was.
    others : list of int
        The replicates of the others that were running.
    asked, ended : float
        When it was asked, and when the task had completed.
    ran, handed, said : float
        For how many seconds it had been running by then, how long before it was handed out,
        and for how many it ran as the executor said; negative where it did not.
    also_ended : list of int
        The replicates of tasks that ended too, though nobody had asked for it.
    """

    task: Task | None = None
    others: list[int] | None = None
    asked: float = inf
    ended: float = inf
    ran: float = inf
    handed: float = inf
    said: float = -1.0
    also_ended: list[int] | None = None


@dataclass(frozen=True)
class HandedOver:
    """What an executor handed over of tasks that were running.

    Attributes
    ----------
    running : list of int
        The replicates of these tasks.
    possible : set of int
        Those that were handed out and had not completed.
    completions : list of Completion
    seconds : float
        How long it took.
    """

    running: list[int]
    possible: set[int]
    completions: list[Completion]
    seconds: float

    @property
    def missing(self) -> list[int]:
        """What was running, and did not come."""
        came = {completion.task.start for completion in self.completions}
        return [start for start in self.running if start not in came]


class EarlyEndChecks(ExecutorChecks):
    """What an executor registers that can have running tasks end early; nothing, if it cannot."""

    @plain
    def test_a_task_that_is_shortened_comes_back(self) -> None:
        found = self.evidence("shortened", self._shorten)
        assert found is None or found.ended - found.asked <= BACK_SECONDS, (
            f"a task went on for {found.ended - found.asked:.1f} seconds after shorten(task), "
            "though its call ends as soon as call.is_to_end() says so. Set that where the call "
            "runs, to a function that says whether its task was asked to end; or do not "
            "register_shortening."
        )

    @plain
    def test_no_other_task_is_shortened(self) -> None:
        found = self.evidence("shortened", self._shorten)
        assert found is None or not found.also_ended, (
            f"after shorten({found.task}) the tasks of replicates {found.also_ended} ended early "
            "too. call.is_to_end() is to be true for the one that was asked to end, not for "
            "others that run, nor for what its worker runs after it."
        )

    @plain
    def test_it_says_which_tasks_are_running(self) -> None:
        found = self.evidence("shortened", self._shorten)
        if found is None:
            return
        assert found.ran - MARGIN_SECONDS <= found.said <= found.handed + MARGIN_SECONDS, (
            f"a task was handed out {found.handed:.1f} seconds ago and had been running for "
            f"{found.ran:.1f}, and running() "
            + (f"said {found.said:.1f}. " if found.said >= 0 else "did not have it. ")
            + "It gives each task that is running, with the seconds that it has been."
        )

    @plain
    def test_what_is_handed_over_comes_once_and_in_time(self) -> None:
        found = self.evidence("handed over", self._hand_over)
        if found is None:
            return
        assert not found.missing, (
            f"hand_over() gave nothing of the tasks of replicates {found.missing}, which were "
            "running and end as soon as call.is_to_end() says so. Give a completion of each that "
            "is running and ends."
        )
        came = Counter(completion.task.start for completion in found.completions)
        wrong = [start for start, count in came.items() if count > 1 or start not in found.possible]
        assert not wrong, (
            f"hand_over() gave completions of replicates {wrong} that were not running, or more "
            "than one. Give one of each task that next_task() gave and that has not completed."
        )
        assert all(map(is_good, found.completions)), (
            f"hand_over() gave {found.completions}. A Completion has the value of its own task, "
            "as it was returned."
        )
        assert found.seconds <= HAND_OVER_SECONDS + MARGIN_SECONDS, (
            f"hand_over() took {found.seconds:.1f} seconds. Give what comes within half a second: "
            "somebody has pressed Ctrl-C, and waits."
        )

    def _shorten(self) -> Shortened | None:
        if self._registered().shortening is None:
            return None
        call, drive = self._endless()
        found = Shortened()

        def look(item: Completion | None) -> bool:
            assert drive.shortening is not None
            shorten, running = drive.shortening
            notes = call.notes()
            if found.task is None and self._are_running(notes):
                first, *others = [note for note in notes if note.ended == inf]
                found.task = next(task for task in drive.handed if task.start == first.start)
                found.others = [note.start for note in others]
                found.said = dict(running()).get(found.task, found.said)
                shorten(found.task)
                found.asked = monotonic()
                found.ran = found.asked - first.began
                found.handed = found.asked - drive.handed_at[found.task]
            if item is not None and item.task == found.task:
                found.ended = monotonic()
            if found.ended == inf:
                return found.task is None and _ended_unasked(notes)
            comes_late = found.ended - found.asked > BACK_SECONDS  # the others by themselves too
            found.also_ended = [] if comes_late else _also_ended(notes, found)
            is_over = comes_late or bool(found.also_ended) or _goes_on(notes, found)
            for task, _ in running() if is_over else ():
                shorten(task)  # or else what cannot be ended goes on for long
            return is_over

        drive.run(look)
        return None if found.task is None else found

    def _hand_over(self) -> HandedOver | None:
        if self._registered().handing_over is None:
            return None
        for _ in range(TRIES):  # on a busy machine some may come too late
            found = self._handed_over()
            if found is None or not found.missing:
                break
        return found

    def _handed_over(self) -> HandedOver | None:
        call, drive = self._endless()
        found: list[HandedOver] = []

        def interrupt(item: Completion | None) -> bool:
            notes = call.notes()
            if self._are_running(notes):
                assert drive.handing_over is not None
                completed = {completion.task for completion in drive.completions}
                possible = {task.start for task in drive.handed if task not in completed}
                began = monotonic()
                came = list(drive.handing_over())
                running = [note.start for note in notes if note.ended == inf]
                found.append(HandedOver(running, possible, came, monotonic() - began))
            return bool(found) or _ended_unasked(notes)

        drive.run(interrupt)
        return found[0] if found else None

    def _endless(self) -> tuple[Noted, Drive]:
        """A run of tasks that go on until they are asked to end."""
        call = Noted(self.folder, dict.fromkeys(range(MANY), "until asked"))
        return call, Drive(self.make(), call, tasks(MANY))

    def _are_running(self, notes: list[Note]) -> bool:
        """Whether each worker, of a few, has been running a task for long enough."""
        workers: int = self.facts.capabilities.workers
        latest = monotonic() - RUNNING_SECONDS
        running = sum(note.ended == inf and note.began < latest for note in notes)
        return running >= min(workers, MOST_AT_ONCE)

    def _registered(self) -> Drive:
        """A run to its end, which knows what the executor has said of itself."""
        return self.evidence(
            "registered", lambda: Drive(self.make(), Noted(self.folder), tasks(2)).run()
        )


def _ended_unasked(notes: list[Note]) -> bool:
    """Whether there was no time to ask, for want of ticks or of tasks: others check that."""
    return any(note.ended < inf for note in notes)


def _later(notes: list[Note], found: Shortened) -> list[Note]:
    """What ran after the shortened task where that had run."""
    [its] = [note for note in notes if found.task is not None and note.start == found.task.start]
    place = its.process, its.thread
    return [n for n in notes if (n.process, n.thread) == place and n.began >= its.ended]


def _also_ended(notes: list[Note], found: Shortened) -> list[int]:
    """The others that ran and have ended, and what ended where it had run."""
    concerned = [note for note in notes if note.start in (found.others or ())]
    return [note.start for note in [*concerned, *_later(notes, found)] if note.ended < inf]


def _goes_on(notes: list[Note], found: Shortened) -> bool:
    """Whether what runs now where it had run does so for long enough."""
    latest = monotonic() - RUNNING_SECONDS
    return any(note.began < latest for note in _later(notes, found))
