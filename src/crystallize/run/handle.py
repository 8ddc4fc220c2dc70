"""What plugins know a run by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import ref

from crystallize.contracts import TICK, Completion
from crystallize.run.deadlines import Deadlines
from crystallize.run.schedule import Schedule


class RunHandle:
    """A run as plugins know it, which keeps nothing of the run alive.

    Parameters
    ----------
    id : str
        No other run has it.
    deadlines : Deadlines
        Where an executor's control of running tasks is registered.
    """

    def __init__(self, id: str, deadlines: Deadlines) -> None:
        self.id = id
        self._deadlines = deadlines
        self._schedule: Callable[[], Schedule | None] = lambda: None
        self._hand_over: Callable[[], Iterable[Completion]] = tuple

    def follow(self, schedule: Schedule) -> None:
        """Learn what says when cells may begin."""
        self._schedule = ref(schedule)

    def register_control(
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_control`."""
        self._deadlines.register(cancel, elapsed)

    def register_shortening(
        self, shorten: Callable[[Any], None], running: Callable[[], Iterable[tuple[Any, float]]]
    ) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_shortening`."""
        schedule = self._schedule()
        # With a time limit for each cell, one that hangs has all of its block run again.
        if schedule is not None and self._deadlines.timeout is None:
            schedule.learn_shortening(shorten, running)

    def register_hand_over(self, hand_over: Callable[[], Iterable[Completion]]) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_hand_over`."""
        self._hand_over = hand_over

    def handed_over(self) -> Iterable[Completion]:
        """What the executor gives of tasks that are running, now that the run was interrupted."""
        return self._hand_over()

    def tick(self) -> float:
        """See :meth:`crystallize.contracts.ActiveRun.tick`."""
        schedule = self._schedule()
        return TICK if schedule is None else schedule.tick()

    def __repr__(self) -> str:
        return f"<run {self.id}>"
