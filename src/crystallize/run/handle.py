"""What plugins know a run by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crystallize.run.deadlines import Deadlines


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

    def register_control(
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_control`."""
        self._deadlines.register(cancel, elapsed)

    def __repr__(self) -> str:
        return f"<run {self.id}>"
