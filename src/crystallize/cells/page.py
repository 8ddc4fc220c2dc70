"""Complete ranges of replicates, whose bounds are a function of the index alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from crystallize.cells.outcomes import Outcomes

LEAST, MOST, GROWTH = 16, 65_536, 8


@dataclass(frozen=True, kw_only=True)
class Page(Outcomes):
    """The outcomes of every condition for replicates [start, stop), all of them there.

    A condition that has fewer replicates than others has those that it has, or is not in the
    page at all.

    Pages come in index order, and the first starts at 0.  Each has an eighth as many
    replicates as there are before it, at least 16 and at most 65,536; the last ends
    with the experiment.  A shard has the pages in which some of its replicates are, each with
    these alone.

    Attributes
    ----------
    start, stop : int
        The first replicate, and the one after the last.
    """

    start: int
    stop: int


def page_stop(start: int, replicates: int) -> int:
    """Where the page that begins at `start` ends.

    Examples
    --------
    >>> page_stop(0, 1000), page_stop(160, 1000), page_stop(992, 1000), page_stop(10**7, 10**9)
    (16, 180, 1000, 10065536)
    """
    return min(replicates, start + min(MOST, max(LEAST, start // GROWTH)))


class PageBounds:
    """The bounds of all pages of an experiment.

    Parameters
    ----------
    replicates : int
        Of the condition that has the most.
    """

    def __init__(self, replicates: int) -> None:
        self.replicates = replicates
        self._stops = [0]

    def around(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The pages of which some replicates of [start, stop) are."""
        while self._stops[-1] < min(stop, self.replicates):
            self._stops.append(page_stop(self._stops[-1], self.replicates))
        place = bisect_right(self._stops, start)
        while place < len(self._stops) and self._stops[place - 1] < stop:
            yield self._stops[place - 1], self._stops[place]
            place += 1
