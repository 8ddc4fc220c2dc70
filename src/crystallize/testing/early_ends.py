"""Checks of tasks that end early: shortened for another worker, or handed over at the end."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from time import monotonic

from crystallize.contracts import Completion
from crystallize.testing.driving import Drive, is_good, tasks
from crystallize.testing.facts import MARGIN_SECONDS, ExecutorChecks
from crystallize.testing.noted import Note, Noted
from crystallize.testing.suite import where

RUNNING_SECONDS = 0.3
"""How long a task runs until it is asked to end."""
BACK_SECONDS = 2.0
"""How long it may take to come back; on a busy machine."""
HAND_OVER_SECONDS = 0.5
TRIES = 3
NO_TICK = (
    "tasks ran for seconds, and it yielded nothing meanwhile. Yield None where nothing completes "
    "for run.tick() seconds."
)

plain = where(
    lambda facts: facts.streams and not facts.capabilities.calls_are_async,
    "executors of plain functions",
)


@dataclass(frozen=True)
class Shortened:
    """What an executor did that was asked to have a task end early.

    Attributes
    ----------
    ran, said : float
        For how many seconds the task had been running, and for how many the executor said so;
        negative where it did not.
    took : float
        How long the task went on after that.
    """

    ran: float
    said: float
    took: float


@dataclass(frozen=True)
class HandedOver:
    """What an executor handed over of tasks that were running.

    Attributes
    ----------
    wanted : list of int
        The replicates of these tasks.
    completions : list of Completion
    seconds : float
        How long it took.
    """

    wanted: list[int]
    completions: list[Completion]
    seconds: float


class EarlyEndChecks(ExecutorChecks):
    """What an executor registers that can have running tasks end early; nothing, if it cannot."""

    @plain
    def test_a_task_that_is_shortened_comes_back(self) -> None:
        found = self.evidence("shortened", self._shorten)
        assert found is None or found.took <= BACK_SECONDS, (
            f"a task went on for {found.took:.1f} seconds after shorten(task), though its call "
            "ends as soon as call.is_to_end() says so. Set that where the call runs, to a function "
            "that says whether its task was asked to end; or do not register_shortening."
        )

    @plain
    def test_it_says_which_tasks_are_running(self) -> None:
        found = self.evidence("shortened", self._shorten)
        assert found is None or abs(found.said - found.ran) <= MARGIN_SECONDS, (
            f"a task had been running for {found.ran:.1f} seconds, and running() "
            + (f"said {found.said:.1f}. " if found.said >= 0 else "did not have it. ")
            + "It gives each task that is running, with the seconds since it was sent to its "
            "worker."
        )

    @plain
    def test_what_is_handed_over_comes_once_and_in_time(self) -> None:
        found = self.evidence("handed over", self._hand_over)
        if found is None:
            return
        came = sorted(completion.task.start for completion in found.completions)
        assert came == found.wanted, (
            f"hand_over() gave completions of the tasks of replicates {came}, and those of "
            f"{found.wanted} were running, each of which ends as soon as call.is_to_end() says "
            "so. Give one for each that is running and ends."
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
        call = Noted(self.folder, {0: "until asked"})
        drive = Drive(self.make(), call, tasks(5))
        asked, ran, said, ended = inf, inf, -1.0, inf

        def ask(item: Completion | None) -> bool:
            nonlocal asked, ran, said, ended
            assert drive.shortening is not None
            shorten, running = drive.shortening
            if asked == inf and (longest := _running(call, [0])):
                [task] = [task for task in drive.handed if task.start == 0]
                said = dict(running()).get(task, said)
                shorten(task)
                asked, ran = monotonic(), monotonic() - longest[0].began
            if item is not None and item.task.start == 0:
                ended = monotonic()
            return ended < inf

        drive.run(ask)
        assert asked < inf, NO_TICK
        return Shortened(ran, said, ended - asked)

    def _hand_over(self) -> HandedOver | None:
        if self._registered().handing_over is None:
            return None
        # On a busy machine some may come too late.
        for _ in range(TRIES):
            found = self._handed_over()
            if len(found.completions) >= len(found.wanted):
                break
        return found

    def _handed_over(self) -> HandedOver:
        wanted = list(range(min(self.facts.capabilities.workers, 4)))
        call = Noted(self.folder, dict.fromkeys(wanted, "until asked"))
        drive = Drive(self.make(), call, tasks(40))
        came: list[Completion] = []
        seconds = inf

        def interrupt(item: Completion | None) -> bool:
            nonlocal seconds
            if len(_running(call, wanted)) == len(wanted):
                assert drive.handing_over is not None
                began = monotonic()
                came.extend(drive.handing_over())
                seconds = monotonic() - began
            return seconds < inf

        drive.run(interrupt)
        assert seconds < inf, NO_TICK
        return HandedOver(wanted, came, seconds)

    def _registered(self) -> Drive:
        """A run to its end, which knows what the executor has said of itself."""
        return self.evidence(
            "registered", lambda: Drive(self.make(), Noted(self.folder), tasks(2)).run()
        )


def _running(call: Noted, wanted: list[int]) -> list[Note]:
    """Those of some calls that have been running for long enough."""
    return [
        note
        for note in call.notes()
        if note.start in wanted and note.ended == inf and monotonic() - note.began > RUNNING_SECONDS
    ]
