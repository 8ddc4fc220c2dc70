"""Checks of what is left when ``execute`` is closed in the middle."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import dataclass

from crystallize.contracts import Completion
from crystallize.testing.driving import Drive, tasks
from crystallize.testing.facts import CLOSE_SECONDS, MARGIN_SECONDS, ExecutorChecks, streaming
from crystallize.testing.noted import Note, Noted
from crystallize.testing.surroundings import KINDS, changed, global_state, left, things
from crystallize.testing.watching import until

LEFT_SECONDS = CLOSE_SECONDS + 1.5
"""How long a call takes in whose middle the executor is closed."""


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


class ClosingChecks(ExecutorChecks):
    """The end of a run that others still have cells for."""

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
            return drive.completed >= 2 and (begun or drive.ran_here(notes[0]))

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
