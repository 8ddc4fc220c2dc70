"""How many cells may begin in a second, over the whole run and all its workers."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable
from math import ceil, inf

from crystallize.contracts import TICK

MARGIN = 1.02
"""How much farther apart than the limit says cells begin.  What one sends may be on its way for
a little longer than what the next one sends, and a server would count one too many."""
LATE = (MARGIN - 1) / 2
"""Seconds from when a task is handed out to when it begins that make no difference."""


class RateLimit:
    """Says when the next cell may begin.

    Cells begin evenly; after a delay, what falls into :data:`~crystallize.contracts.TICK` may
    begin at once, and never more in any second than the limit says.

    Parameters
    ----------
    a_second : float
        How many cells may begin in a second.
    workers : int
        How many tasks run at once: what was handed out beyond that would begin at any time.
    begins_at_once : bool
        Whether a task begins about when it is handed out.  Where a plain loop takes all that
        there is, it may be at any time until it lands.
    """

    def __init__(self, a_second: float, workers: int, *, begins_at_once: bool) -> None:
        self._apart = MARGIN / a_second
        self._most = max(1, ceil(a_second))
        self._within = self._most * self._apart
        self._at_most = workers if begins_at_once else self._most
        self._begins_at_once = begins_at_once
        self._began: dict[Hashable, float] = {}
        self._recent: list[float] = []  # when cells began, in order
        self._even = -inf

    def next_start(self, now: float) -> float:
        """When the next cell may begin; infinite where something has to land first."""
        under_way = len(self._began)
        if under_way >= self._at_most:
            return inf
        if self._begins_at_once:
            under_way = 0
        recent = self._recent
        del recent[: bisect_left(recent, now - self._within)]
        beyond = len(recent) + under_way - self._most
        return max(
            now,
            self._even - TICK if self._begins_at_once else now,
            recent[beyond] + self._within if beyond >= 0 else now,
        )

    def started(self, task: Hashable, now: float) -> None:
        """Learn that a cell was handed out."""
        self._began[task] = now
        if self._begins_at_once:
            insort(self._recent, now)
            self._even = max(now, self._even) + self._apart

    def landed(self, task: Hashable, now: float, seconds: float | None) -> None:
        """Learn that a cell is over, and how long it took, if that is known."""
        handed_out = self._began.pop(task, None)
        if handed_out is None:
            return
        if not self._begins_at_once:
            insort(self._recent, now)
        elif seconds is not None and (began := now - seconds) > handed_out + LATE:
            # Its worker had to start first.
            at = bisect_left(self._recent, handed_out)
            if self._recent[at : at + 1] == [handed_out]:
                del self._recent[at]
            insort(self._recent, began)
