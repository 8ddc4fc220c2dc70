"""For how long one run may begin cells."""

from __future__ import annotations

from math import inf
from time import perf_counter

from crystallize.contracts import Capabilities

GRACE_SECONDS = 1.0
"""How long what runs at the end may take to come to an end of its own before it is stopped."""


class TimeLimit:
    """The time limit of one run.

    Parameters
    ----------
    seconds : float or None
        From its beginning on.
    capabilities : Capabilities
        What its executor can do to a cell that runs.

    Attributes
    ----------
    ends : float
        When it is over, by ``perf_counter``.
    """

    def __init__(self, seconds: float | None, capabilities: Capabilities) -> None:
        self.seconds = seconds
        self.ends = inf
        can_stop = capabilities.can_cancel or capabilities.calls_are_async
        self._grace = GRACE_SECONDS if can_stop else inf

    def begin(self) -> None:
        """Have it count from now on."""
        if self.seconds is not None:
            self.ends = perf_counter() + self.seconds

    def reach(self) -> None:
        """Learn that it is over where cells run, by the clock there."""
        self.ends = min(self.ends, perf_counter())

    @property
    def is_over(self) -> bool:
        """Whether no more cells are to begin."""
        return self.seconds is not None and perf_counter() > self.ends

    @property
    def stops_cells(self) -> bool:
        """Whether not even those that run are waited for."""
        return perf_counter() > self.ends + self._grace
