"""The warnings of cells, as data: a part of what a cell comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

MOST_MESSAGES = 1000
"""From how many texts of one place on they are one record, which has the first one's."""


@dataclass(frozen=True, slots=True)
class WarningRecord:
    """A warning that cells of one condition gave.

    Attributes
    ----------
    condition : str
    replicate : int
        The first that gave it.
    category : str
        The name of the warning's class.
    message : str
    count : int
        How often it was given: once in each of 5 cells, or 5 times in one, is 5.
    """

    condition: str
    replicate: int
    category: str
    message: str
    count: int


class Notice(NamedTuple):
    """A warning of one cell.

    Attributes
    ----------
    category, module : str
        The name of its class, and where that is defined.
    message : str
    file : str
    line : int
        What it warns of, as Python shows it.
    times : int
        How often the cell gave it.
    """

    category: str
    module: str
    message: str
    file: str
    line: int
    times: int


Notices = tuple[Notice, ...]
"""All warnings of one cell, in the order in which it gave them first."""
Given = tuple[str, str, str, str, int]
"""A notice without how often it was given."""


def notices(given: Mapping[Given, int]) -> Notices:
    """The warnings of one cell, from how often it gave each."""
    return tuple(Notice(*warning, times) for warning, times in given.items())


@dataclass(frozen=True, slots=True)
class Warned:
    """Which cells of a block gave which warnings.

    Attributes
    ----------
    offsets : array of int
        Of the cells that gave any.
    which : array of int
        For each of them the position of its warnings in `kinds`.
    kinds : list
        Each all warnings of a cell; most cells share them.
    """

    offsets: npt.NDArray[np.intp]
    which: npt.NDArray[np.intp]
    kinds: list[Notices]

    @classmethod
    def of(cls, cells: Mapping[int, Notices]) -> Warned | None:
        """From offset -> warnings; ``None`` where there are none."""
        if not cells:
            return None
        places: dict[Notices, int] = {}
        which = [places.setdefault(given, len(places)) for given in cells.values()]
        return cls(np.array(list(cells), np.intp), np.array(which, np.intp), list(places))

    def without(self, offsets: Collection[int]) -> Warned | None:
        """The same without some cells."""
        kept = ~np.isin(self.offsets, list(offsets))
        if not kept.any():
            return None
        return Warned(self.offsets[kept], self.which[kept], self.kinds)

    def between(self, start: int, stop: int) -> Warned | None:
        """The same of the offsets [start, stop), counted from there."""
        kept = (self.offsets >= start) & (self.offsets < stop)
        if not kept.any():
            return None
        return Warned(self.offsets[kept] - start, self.which[kept], self.kinds)

    def to_json(self) -> dict[str, Any]:
        return {
            "offsets": self.offsets.tolist(),
            "which": self.which.tolist(),
            "kinds": [[list(notice) for notice in kind] for kind in self.kinds],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Warned:
        return cls(
            np.array(kept["offsets"], np.intp),
            np.array(kept["which"], np.intp),
            [tuple(Notice(*notice) for notice in kind) for kind in kept["kinds"]],
        )


class WarnedCells:
    """The warnings of the cells of one condition: for each cell a number, and what it stands for.

    Parameters
    ----------
    size : int
        How many cells there are.
    """

    def __init__(self, size: int) -> None:
        self._which: npt.NDArray[np.int32] | None = None  # few conditions warn
        self._size = size
        self._kinds: list[Notices] = [()]
        self._places: dict[Notices, int] = {(): 0}

    def __bool__(self) -> bool:
        return self._which is not None

    def add(self, cells: slice | npt.NDArray[np.intp], first: int, warned: Warned | None) -> None:
        """Say what some cells warned of, and that the others of `cells` did not."""
        if self._which is not None:
            self._which[cells] = 0
        if warned is None:
            return
        if self._which is None:
            self._which = np.zeros(self._size, np.int32)
        for kind in warned.kinds:
            if kind not in self._places:
                self._places[kind] = len(self._kinds)
                self._kinds.append(kind)
        places = np.array([self._places[kind] for kind in warned.kinds], np.int32)
        self._which[first + warned.offsets] = places[warned.which]

    def part(self, places: slice) -> WarnedCells:
        """A copy of some of the cells."""
        part = WarnedCells(places.stop - places.start)
        if self._which is not None and (which := self._which[places]).any():
            part._which = which.copy()
            part._kinds, part._places = self._kinds, self._places  # which only ever grow
        return part

    def records(self, condition: str, start: int) -> list[WarningRecord]:
        """One record for each category and message, in the order of the first replicates.

        Parameters
        ----------
        condition : str
        start : int
            The replicate of the first cell.
        """
        counts = WarningCounts()
        counts.add(self, start)
        return counts.records(condition)

    def given(self) -> list[tuple[int, Notices, int]]:
        """The first cell that gave some warnings, they, and how many cells gave just these."""
        if self._which is None:
            return []
        used, at, cells = np.unique(self._which, return_index=True, return_counts=True)
        found = sorted(zip(at.tolist(), used.tolist(), cells.tolist(), strict=True))
        return [(place, self._kinds[number], count) for place, number, count in found]


class WarningCounts:
    """How often there was each warning in cells of one condition, in replicate order.

    If there are more than :data:`MOST_MESSAGES` texts of one place, they count as the first.
    """

    def __init__(self) -> None:
        # Place -> text -> [the first replicate that gave it, how many were before it, count].
        self._texts: dict[_Place, dict[str, list[int]]] = {}
        self._many: set[_Place] = set()
        self._seen = 0

    def add(self, warned: WarnedCells, start: int) -> None:
        """Take the warnings of the cells from replicate `start` on."""
        for cell, given, cells in warned.given():
            for notice in given:
                self._count(start + cell, notice, cells)

    def records(self, condition: str) -> list[WarningRecord]:
        """One record for each category and message, in the order of the first replicates."""
        found = sorted(
            (replicate, order, place[0], text, count)
            for place, texts in self._texts.items()
            for text, (replicate, order, count) in texts.items()
        )
        merged: dict[tuple[str, str], list[int]] = {}
        for replicate, _, category, text, count in found:
            merged.setdefault((category, text), [replicate, 0])[1] += count
        return [
            WarningRecord(condition, replicate, *key, count)
            for key, (replicate, count) in merged.items()
        ]

    def _count(self, replicate: int, notice: Notice, cells: int) -> None:
        place = notice.category, notice.module, notice.file, notice.line
        texts = self._texts.setdefault(place, {})
        text = next(iter(texts)) if place in self._many else notice.message
        self._seen += 1
        texts.setdefault(text, [replicate, self._seen, 0])[2] += notice.times * cells
        if len(texts) > MOST_MESSAGES:
            first, kept = next(iter(texts.items()))
            kept[2] = sum(count for _, _, count in texts.values())
            self._texts[place] = {first: kept}
            self._many.add(place)


_Place = tuple[str, str, str, int]
"""Category and module of a warning, file and line."""
