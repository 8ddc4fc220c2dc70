"""How long cells took: off everything that two runs have in common.

The inner loop reads the clock once for a stretch of cells, so what is known is how long so many
of them took together.  That is how it is kept too: runs of cells with the seconds of each, a
few for a block of cheap cells, one a cell where cells are slow.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Bundle, restored
from crystallize.cells.leading_bits import LeadingBits
from crystallize.cells.quantiles import Quantiles

Seconds = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]
Point = tuple[int, float]
"""Before which replicate the clock was read, and what it said."""

INLINE = 16
"""Up to how many runs are written as JSON, which takes less room than an array's header."""
RUN_BYTES, CELL_BYTES = 24, 4
"""What a run takes in memory, and a cell where each has its own number."""
MOST_WAITING = 8
"""How many blocks wait until their durations are sorted in: many conditions never have so many."""
MOST_RUNS = 2**12
"""How many runs wait until they are counted together."""
NO_RUNS = array("q"), array("q"), array("f")
"""Those of a column that has none: there may be many such."""
SHOWN_SHARE = 0.95
"""The quantile that is shown."""


class Durations(NamedTuple):
    """How long some cells took, in their order.

    Attributes
    ----------
    cells : list of int
        Of how many cells each run is.
    seconds : list of float
        How long each cell of it took; NaN where that is not known.
    """

    cells: list[int]
    seconds: list[float]

    @classmethod
    def of_points(cls, points: Sequence[Point], count: int, ended: float) -> Durations | None:
        """Those of the first `count` cells of a block, by when the clock was read in between.

        Parameters
        ----------
        points : sequence of (int, float)
            The first is the block's beginning.
        count : int
        ended : float
            When the last of them had ended, if no point says so.
        """
        if not count:
            return None
        if len(points) == 1:
            return _one(count, (ended - points[0][1]) / count)
        found = cls([], [])
        (first, looked), *later = points
        stop = first + count
        for following, now in (*later, (stop, ended)):
            if first < min(following, stop):
                found.cells.append(min(following, stop) - first)
                found.seconds.append((now - looked) / (following - first))
            first, looked = following, now
        return found

    @classmethod
    def of_values(cls, values: Seconds) -> Durations:
        """From one number a cell; neighbours that are equal are one run."""
        if not len(values):
            return cls([], [])
        bits = values.view(np.int32)  # NaN is not equal to itself
        edges = np.flatnonzero(np.diff(bits, prepend=~bits[0]))
        cells = np.diff(edges, append=len(values))
        return cls(cells.tolist(), values[edges].tolist())

    def values(self) -> Seconds:
        """One number a cell."""
        return np.repeat(np.array(self.seconds, np.float32), self.cells)

    def between(self, start: int, stop: int) -> Durations:
        """Those of the cells at [start, stop)."""
        found, first = Durations([], []), 0
        for cells, seconds in zip(*self, strict=True):
            count = min(first + cells, stop) - max(first, start)
            if count > 0:
                found.cells.append(count)
                found.seconds.append(seconds)
            first += cells
        return found

    def cut(self, width: int) -> Iterator[Durations]:
        """Those of so many cells at a time."""
        part, room = Durations([], []), width
        for cells, seconds in zip(*self, strict=True):
            while cells:
                count = min(cells, room)
                part.cells.append(count)
                part.seconds.append(seconds)
                cells, room = cells - count, room - count
                if not room:
                    yield part
                    part, room = Durations([], []), width
        if part.cells:
            yield part

    def only(self, kept: npt.NDArray[np.bool_]) -> Durations:
        """Those of some of the cells."""
        return self.of_values(self.values()[kept])

    def without(self, places: list[int]) -> Durations:
        """The same, with those of some of the cells not known."""
        values = self.values()
        values[places] = nan
        return self.of_values(values)

    def to_json(self, bundle: Bundle) -> dict[str, Any]:
        """As JSON, with an array in the bundle where they are many."""
        many = len(self.cells) > INLINE
        alone = self.cells == [1] * len(self.cells)
        return {
            "cells": None
            if alone
            else bundle.add(np.array(self.cells, np.int32) if many else self.cells),
            "seconds": bundle.add(np.array(self.seconds, np.float32) if many else self.seconds),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any], array: Callable[[int], bytes]) -> Durations:
        """What :meth:`to_json` made.

        Raises
        ------
        ValueError, TypeError, LookupError
            If it is something else.
        """
        given: Any = restored(kept["seconds"], array)
        counts: Any = [1] * len(given)
        if kept["cells"] is not None:
            counts = restored(kept["cells"], array)
        if _are_runs(counts, given):
            return cls(counts, given)
        seconds, cells = np.asarray(given, np.float64), np.asarray(counts)
        if seconds.ndim != 1 or cells.shape != seconds.shape or cells.dtype.kind not in "iu":
            if len(cells) or len(seconds):
                raise ValueError("durations are no runs of cells")
        elif (cells < 1).any() or (seconds < 0).any():
            raise ValueError("durations of no cells, or below 0")
        return cls(cells.tolist(), seconds.tolist())

    @property
    def total(self) -> int:
        """Of how many cells they are."""
        return sum(self.cells)


class DurationColumn:
    """How long the cells of one condition took, those that came last where some came twice.

    Few runs are kept as runs; where there are many, each cell has its number.

    Parameters
    ----------
    size : int
        How many cells there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._waiting: list[tuple[slice | Places, Durations]] = []
        self._starts, self._stops, self._seconds = NO_RUNS
        self._values: Seconds | None = None

    def add(self, cells: slice | Places, durations: Durations) -> None:
        """Say how long some cells took."""
        self._waiting.append((cells, durations))
        if len(self._waiting) > MOST_WAITING:
            self._settle()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for cells, durations in waiting:
            self._take(cells, durations)

    def _take(self, cells: slice | Places, durations: Durations) -> None:
        runs = len(durations.cells) if isinstance(cells, slice) else len(cells)
        if self._values is None and (len(self._starts) + runs) * RUN_BYTES > self.size * CELL_BYTES:
            self._values = self._spread()
            self._starts, self._stops, self._seconds = NO_RUNS
        if self._values is not None:
            is_one = len(durations.seconds) == 1
            self._values[cells] = durations.seconds[0] if is_one else durations.values()
            return
        if not self._starts:
            self._starts, self._stops, self._seconds = array("q"), array("q"), array("f")
        if isinstance(cells, slice):
            start = cells.start
            for count, seconds in zip(*durations, strict=True):
                self._append(start, start + count, seconds)
                start += count
        else:
            for place, seconds in zip(cells.tolist(), durations.values().tolist(), strict=True):
                self._append(place, place + 1, seconds)

    def values(self) -> Seconds:
        """One number a cell, NaN where it is not known."""
        self._settle()
        return self._spread() if self._values is None else self._values.copy()

    def _spread(self) -> Seconds:
        values = np.full(self.size, nan, np.float32)
        if self._starts:
            for start, stop, seconds in self._runs():
                values[start:stop] = seconds
        return values

    def part(self, places: slice) -> DurationColumn:
        """A copy of some of the cells."""
        self._settle()
        first, last = places.start, places.stop
        part = DurationColumn(last - first)
        if self._values is not None:
            part._values = self._values[places].copy()
            return part
        # Copies: an array that someone looks into cannot grow.
        starts = np.frombuffer(self._starts.tobytes(), np.int64)
        stops = np.frombuffer(self._stops.tobytes(), np.int64)
        for run in np.flatnonzero((starts < last) & (stops > first)).tolist():
            start, stop = max(int(starts[run]), first), min(int(stops[run]), last)
            part.add(slice(start - first, stop - first), _one(stop - start, self._seconds[run]))
        return part

    def durations(self) -> Durations:
        """Those of all cells, in their order."""
        if len(self._waiting) == 1 and not self._starts and self._values is None:
            ((cells, durations),) = self._waiting
            if isinstance(cells, slice) and cells == slice(0, self.size):
                return Durations(durations.cells, array("f", durations.seconds).tolist())
        self._settle()
        runs = [] if self._values is not None else sorted(self._runs())
        if self._values is not None and self.size <= INLINE:
            return Durations([1] * self.size, self._values.tolist())
        if not runs or any(before[1] > after[0] for before, after in pairwise(runs)):
            return Durations.of_values(self.values())
        found, last = Durations([], []), 0
        for start, stop, seconds in (*runs, (self.size, self.size, nan)):
            if start > last:
                found.cells.append(start - last)
                found.seconds.append(nan)
            if stop > start:
                found.cells.append(stop - start)
                found.seconds.append(seconds)
            last = stop
        return found

    def _runs(self) -> Iterator[tuple[int, int, float]]:
        return zip(self._starts, self._stops, self._seconds, strict=True)

    def _append(self, start: int, stop: int, seconds: float) -> None:
        self._starts.append(start)
        self._stops.append(stop)
        self._seconds.append(seconds)


class DurationSummary:
    """What is shown of the durations of a condition, also where these are not kept.

    Attributes
    ----------
    cells : int
        Of how many cells a duration is known.
    total : float
        Seconds of all of them together.
    """

    def __init__(self, cells: int = 0, total: float = 0.0, bits: LeadingBits | None = None) -> None:
        self.cells = cells
        self.total = total
        self._bits = LeadingBits() if bits is None else bits
        self._waiting = Durations([], [])

    def add(self, durations: Durations) -> None:
        """Take those of further cells."""
        waiting = self._waiting
        for cells, seconds in zip(*durations, strict=True):
            if seconds == seconds:  # or else it is not known
                self.cells += cells
                self.total += cells * seconds
                waiting.cells.append(cells)
                waiting.seconds.append(seconds)
        if len(waiting.cells) > MOST_RUNS:
            self._bits, self._waiting = self.bits, Durations([], [])

    @property
    def bits(self) -> LeadingBits:
        """How many cells took how long, rounded to eight bits."""
        cells, seconds = self._waiting
        return self._bits.joined(np.array(seconds, np.float64), np.array(cells, np.int64))

    @property
    def mean(self) -> float | None:
        """Seconds a cell; ``None`` where none is known."""
        return self.total / self.cells if self.cells else None

    @property
    def p95(self) -> float | None:
        """What 95% of the cells took at most."""
        return Quantiles(*self.bits.sorted()).at(SHOWN_SHARE)


def summed(durations: Durations) -> DurationSummary:
    """What is shown of durations."""
    summary = DurationSummary()
    summary.add(durations)
    return summary


def _are_runs(cells: Any, seconds: Any) -> bool:
    """Whether two lists are runs for certain: arrays would take longer to tell of so few."""
    return (
        type(cells) is type(seconds) is list
        and len(cells) == len(seconds)
        and all(type(count) is int and count > 0 for count in cells)
        and all(type(each) is float and not each < 0 for each in seconds)
    )


def _one(cells: int, seconds: float) -> Durations:
    return Durations([cells], [seconds])
