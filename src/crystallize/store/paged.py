"""The cells of a store page by page, so that never more than a page of them is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.attempts import MOST_KEPT, Attempt, Attempts
from crystallize.cells.outcome import CellError
from crystallize.cells.page import PageBounds
from crystallize.cells.summaries import PageSummaries
from crystallize.cells.table import Table
from crystallize.description.seeding import Seeding
from crystallize.store.reading import Ranges
from crystallize.store.records import UNREADABLE, Cell, Decoded, decoded
from crystallize.store.sqlite import Store


class PageCells(NamedTuple):
    """The cells of one condition in a page.

    Attributes
    ----------
    table : Table
    errors : list of CellError
        In replicate order.
    generations : array of int
        Of each cell, where there is one.
    attempts : list of Attempt
    """

    table: Table
    errors: list[CellError]
    generations: npt.NDArray[np.int32]
    attempts: list[Attempt]


@dataclass
class Survey:
    """What cells a store has, without their metrics.

    Attributes
    ----------
    found : int
        How many have an outcome.
    done : dict of str to int
        Condition -> how many have metrics.
    last : dict of str to int
        Condition -> the last replicate that has.
    errors : dict of (str, int) to CellError
    missing : dict of str to list of (int, int)
        Condition -> ranges of replicates that have no outcome.
    ranges : dict
        Generation -> condition -> ranges of replicates that have one.
    attempts : list of Attempt
        By replicate, condition and number; no more than are kept.
    """

    found: int = 0
    done: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    errors: dict[Cell, CellError] = field(default_factory=dict)
    missing: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)


class _Places:
    """The records of one condition, by where they begin."""

    def __init__(self, places: list[tuple[int, int, int]]) -> None:
        rows = np.array(sorted(places, key=lambda place: place[1]), np.int64).reshape(-1, 3)
        self._numbers, self.starts, self.stops = rows.T
        self._longest = int((self.stops - self.starts).max(initial=0))

    def around(self, start: int, stop: int) -> list[int]:
        """The numbers of the records that have cells of [start, stop), as they came."""
        first, last = np.searchsorted(self.starts, (start - self._longest, stop))
        numbers = self._numbers[first:last]
        return sorted(numbers[self.stops[first:last] > start].tolist())


class PagedCells:
    """Reads the cells of a store by pages; those that are added meanwhile are not seen.

    Parameters
    ----------
    store : Store
    replicates : mapping of str to int
        Condition -> how many replicates it has; cells beyond, and of others, are left out.
    seeding : Seeding
        What gives the replicates their seeds.
    parts : mapping of str to (int, int), optional
        Condition -> the range [start, stop) of its replicates that is wanted; there are no others.
    with_errors : bool
        Whether cells that failed have an outcome.
    """

    def __init__(
        self,
        store: Store,
        replicates: Mapping[str, int],
        seeding: Seeding,
        parts: Mapping[str, tuple[int, int]] | None = None,
        *,
        with_errors: bool = True,
    ) -> None:
        self._store = store
        self._parts = parts or {name: (0, number) for name, number in replicates.items()}
        self._seeding = seeding
        self._with_errors = with_errors
        self._bounds = PageBounds(max(replicates.values()))
        places: dict[str, list[tuple[int, int, int]]] = {name: [] for name in replicates}
        for number, conditions, start, stop in store.places():
            for condition in conditions:
                if condition in places:
                    places[condition].append((number, start, stop))
        self._places = {name: _Places(found) for name, found in places.items()}
        # What was read and not asked for yet: records that reach beyond the page that was asked
        # for last, and the other conditions of a sheet.
        self._open: dict[tuple[int, str], tuple[Decoded, int]] = {}

    def pages(self) -> list[tuple[int, int]]:
        """The bounds of the pages of which there are records."""
        return sorted({page for condition in self._places for page in self._pages_of(condition)})

    def cells(self, condition: str, start: int, stop: int) -> PageCells:
        """The cells of a page, or of its beginning."""
        table = Table(start, stop - start)
        errors: dict[int, CellError] = {}
        generations = np.zeros(stop - start, np.int32)
        attempts: list[Attempt] = []
        first, last = self._parts[condition]
        first, last = max(start, first), min(stop, last)
        numbers = self._places[condition].around(first, last) if first < last else []
        for number in numbers:
            found = self._decoded(number, condition, stop)
            if found is None:  # damaged
                continue
            (whole, failed, tried), generation = found
            attempts += [one for one in tried if first <= one.replicate < last]
            block = whole.between(first, last)
            table.add(block)
            replicates = np.fromiter(block.replicates(), np.intp, len(block))
            generations[replicates - start] = generation
            if errors:
                for replicate in replicates.tolist():
                    errors.pop(replicate, None)
            if self._with_errors:
                errors |= {e.replicate: e for e in failed if first <= e.replicate < last}
        failures = [errors[place] for place in sorted(errors)]
        return PageCells(table, failures, generations, attempts)

    def survey(self, summaries: PageSummaries | None = None) -> Survey:
        """Look at every page once, for summaries too where these are wanted."""
        survey = Survey(done=dict.fromkeys(self._parts, 0))
        attempts = Attempts(self._parts, MOST_KEPT)
        for condition, (following, last) in self._parts.items():
            missing = survey.missing[condition] = []
            for start, stop in self._pages_of(condition):
                start, stop = max(start, following), min(stop, last)
                if start >= stop:
                    continue
                _join(missing, following, start)
                following = stop
                cells = self.cells(condition, start, stop)
                if summaries is not None:
                    summaries.take({condition: cells.table})
                if cells.table.last >= 0:
                    survey.last[condition] = cells.table.last
                survey.done[condition] += int(np.count_nonzero(cells.table.done))
                for attempt in cells.attempts:
                    attempts.add(attempt)
                survey.errors.update({(condition, e.replicate): e for e in cells.errors})
                places = [error.replicate - start for error in cells.errors]
                for first, end in cells.table.missing(places):
                    _join(missing, start + first, start + end)
                _add_ranges(survey.ranges, condition, cells, places)
            _join(missing, following, last)
        survey.attempts = attempts.in_order()
        survey.found = sum(survey.done.values()) + len(survey.errors)
        return survey

    def _pages_of(self, condition: str) -> list[tuple[int, int]]:
        places = self._places[condition]
        bounds = zip(places.starts.tolist(), places.stops.tolist(), strict=True)
        return sorted({page for bound in bounds for page in self._bounds.around(*bound)})

    def _decoded(self, number: int, condition: str, stop: int) -> tuple[Decoded, int] | None:
        found = self._open.pop((number, condition), None)
        if found is None:
            record = self._store.record(number)
            if record is None:
                return None
            try:
                parts = decoded(record, self._seeding)
            except UNREADABLE:
                return None
            for name, part in zip(record.conditions, parts, strict=True):
                if name == condition:
                    found = part, record.generation
                elif name in self._places:
                    self._open[number, name] = part, record.generation
        if found is not None and found[0].block.stop > stop:
            self._open[number, condition] = found
        return found


def _join(ranges: list[tuple[int, int]], start: int, stop: int) -> None:
    """Add a range at the end."""
    if start >= stop:
        return
    if ranges and ranges[-1][1] == start:
        ranges[-1] = (ranges[-1][0], stop)
    else:
        ranges.append((start, stop))


def _add_ranges(ranges: Ranges, condition: str, cells: PageCells, failed: list[int]) -> None:
    there = cells.table.done.copy()
    there[failed] = True
    numbers = np.where(there, cells.generations, -1)
    edges = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    for start, stop in pairwise(edges.tolist()):
        if (number := int(numbers[start])) >= 0:
            own = ranges.setdefault(number, {}).setdefault(condition, [])
            first = cells.table.start + start
            if own and own[-1][1] == first:
                own[-1][1] = cells.table.start + stop
            else:
                own.append([first, cells.table.start + stop])
