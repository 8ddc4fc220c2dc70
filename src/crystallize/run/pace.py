"""How fast cells end, and how long the rest will take."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 60.0
"""How far back one looks for how fast it goes now."""
LONGEST = 100 * 365 * 86_400
"""After how many seconds nobody needs to know when the end will be."""


class Pace:
    """The rate at which something is counted up: that of the last minute.

    Parameters
    ----------
    time : float
        When counting began, in seconds.
    count : int
        What the count was then.
    """

    def __init__(self, time: float, count: int) -> None:
        self._seen = deque([(time, count)])

    def look(self, time: float, count: int) -> None:
        """Learn what the count is now."""
        seen = self._seen
        if time > seen[-1][0]:
            seen.append((time, count))
        while len(seen) > 2 and seen[1][0] <= time - WINDOW_SECONDS:
            seen.popleft()

    @property
    def rate(self) -> float:
        """How many a second; 0 while nothing is known."""
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        return (now - before) / (last - first) if last > first else 0.0

    def seconds_for(self, count: int) -> float | None:
        """How long so many more will take, as far as one can tell."""
        if not count:
            return 0.0
        seconds = count / self.rate if self.rate > 0 else None
        return None if seconds is None or seconds > LONGEST else seconds


def shown_seconds(seconds: float) -> str:
    """A duration as people write it.

    Examples
    --------
    >>> shown_seconds(59.7), shown_seconds(90_061)
    ('0:01:00', '1 day, 1:01:01')
    """
    from datetime import timedelta

    return str(timedelta(seconds=round(seconds)))


def shown_rate(rate: float) -> str:
    """So many cells a second, or a minute or hour where a second is too short.

    Examples
    --------
    >>> shown_rate(20.04), shown_rate(0.05), shown_rate(0.001), shown_rate(123456)
    ('20 cells/s', '3 cells/min', '3.6 cells/h', '123456 cells/s')
    """
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1 or unit == "h":
            break
    per = rate * seconds
    return f"{per:.0f} cells/{unit}" if per >= 100 else f"{per:.3g} cells/{unit}"
