"""Summaries and sections by factors: levels of some down the rows, of others across."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from crystallize.checks import known
from crystallize.description.factors import factor_names
from crystallize.errors import InvalidValueError, UnknownNameError
from crystallize.printable import one_line
from crystallize.results.digits import as_sure_as
from crystallize.results.text_table import ON_A_PAGE, UNLIMITED, Room, TextTable

Levels = tuple[Any, ...]

LEADING = "condition"
"""The dimension that says as much as all factors together."""
OF_SECTIONS = ("measure", "metric", "estimator", "probability")
"""What rows of a section may be of, beside condition and factors."""


class Entry(NamedTuple):
    """One number of a table, what it is of, and its Monte Carlo error where that is known."""

    of: Mapping[str, Any]
    value: Any
    error: float | None


@dataclass(frozen=True)
class PivotTable:
    """Numbers by the levels of factors; printing it gives the table.

    Attributes
    ----------
    by : tuple of str
        What the rows are of: factors, ``condition``, ``metric``; of sections ``measure``.
    across : tuple of str
        What the columns are of.
    row_levels, column_levels : list of tuple
        The levels of each row, in the order of `by`, and of each column, in that of `across`.
    cells : dict of (tuple, tuple) to Entry
        Levels of a row and of a column -> ``.value`` and ``.error``.
    """

    by: tuple[str, ...]
    across: tuple[str, ...]
    row_levels: list[Levels]
    column_levels: list[Levels]
    cells: Mapping[tuple[Levels, Levels], Entry]
    heading: str = ""

    def laid_out(self, notes: Sequence[str] = ()) -> TextTable:
        """The table as texts."""
        rows = [
            [*map(_level, row), *(self._text(row, column) for column in self.column_levels)]
            for row in self.row_levels
        ]
        heads = [
            " ".join(
                one_line(level) if isinstance(level, str) else f"{one_line(name)}={_level(level)}"
                for name, level in zip(self.across, column, strict=True)
            )
            for column in self.column_levels
        ]
        numeric = [
            all(isinstance(row[place], (int, float)) for row in self.row_levels)
            for place in range(len(self.by))
        ]
        return TextTable(
            columns=[*map(one_line, self.by), *heads],
            rows=rows,
            numbers=[*numeric, *(True for _ in heads)],
            names=len(self.by),
            heading=self.heading,
            notes=list(notes),
        )

    def text(self, room: Room = UNLIMITED) -> str:
        """The lines of the table."""
        return self.laid_out().text(room)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.laid_out().html(ON_A_PAGE)

    def _text(self, row: Levels, column: Levels) -> str:
        entry = self.cells.get((row, column))
        if entry is None or entry.value is None:
            return "-"
        if not isinstance(entry.value, float):
            return one_line(entry.value)
        text = as_sure_as(entry.value, entry.error)
        return text if entry.error is None else f"{text} ({as_sure_as(entry.error, entry.error)})"


def pivoted(
    entries: Sequence[Entry], by: Sequence[str], across: Sequence[str], what: str
) -> PivotTable:
    """Numbers as a table; what is named in neither is in the rows too, where it varies.

    Parameters
    ----------
    entries : sequence of Entry
        All of the same dimensions, no two of the same.
    by, across : sequence of str
        Dimensions.
    what : str
        What the numbers are, for the heading.

    Raises
    ------
    UnknownNameError
        If there is no such dimension.
    InvalidValueError
        If one is named twice.
    """
    dimensions = list(dict.fromkeys(name for entry in entries for name in entry.of))
    for where, names in (("by", by), ("across", across)):
        check_names(where, names, dimensions)
    if twice := [name for name in by if name in across]:
        raise InvalidValueError("across", twice[0], f"something else than by, {twice[0]!r}")
    others = _others(entries, dimensions, [*by, *across])
    # What is measured comes first: a block of rows for each.
    rows = [name for name in others if name in OF_SECTIONS]
    rows += [*by, *(name for name in others if name not in OF_SECTIONS)]
    places = {name: _places(entries, name) for name in (*rows, *across)}
    cells = {
        (
            tuple(_value(entry.of.get(name)) for name in rows),
            tuple(_value(entry.of.get(name)) for name in across),
        ): entry
        for entry in entries
    }
    fixed = [
        one_line(next(iter(levels)))
        for name, levels in ((n, _places(entries, n)) for n in dimensions)
        if name in OF_SECTIONS and len(levels) == 1 and name not in (*rows, *across)
    ]
    rows_of, columns_of = (dict.fromkeys(key[side] for key in cells) for side in (0, 1))
    return PivotTable(
        tuple(rows),
        tuple(across),
        _sorted(rows_of, [places[name] for name in rows]),
        _sorted(columns_of, [places[name] for name in across]),
        cells,
        heading=f"{what} of {', '.join(fixed)}" if fixed else what,
    )


def check_names(where: str, names: Iterable[str], dimensions: Sequence[str]) -> None:
    """Refuse what nothing can be shown by.

    Raises
    ------
    UnknownNameError
        With what there is, and the closest.
    """
    for name in names:
        known(where, name, "factor", dimensions)


def summary_entries(
    rows: Iterable[Mapping[str, Any]],
    factors: Mapping[str, Mapping[str, Any]],
    statistic: str,
) -> list[Entry]:
    """One statistic of a summary, of conditions, factors and metrics."""
    found = []
    for row in rows:
        if statistic not in row:
            raise UnknownNameError("statistic", statistic, list(row), where="table")
        error = row.get("mcse") if statistic == "mean" else None
        of = {**_of(row["condition"], factors), "metric": row["metric"]}
        found.append(Entry(of, row[statistic], error))
    return found


def section_entries(
    rows: Iterable[Mapping[str, Any]], factors: Mapping[str, Mapping[str, Any]]
) -> list[Entry] | None:
    """The values of a section's rows; ``None`` where they are not of conditions."""
    found = []
    for row in rows:
        value = row.get("value", row.get("estimate"))
        if row.get("condition") not in factors or not ("value" in row or "estimate" in row):
            return None
        own = {name: row[name] for name in OF_SECTIONS if row.get(name) is not None}
        found.append(Entry({**_of(row["condition"], factors), **own}, value, row.get("mcse")))
    return found


def _of(condition: str, factors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    own = factors[condition]
    return {LEADING: condition, **{name: own.get(name) for name in factor_names(factors)}}


def _others(entries: Sequence[Entry], dimensions: Sequence[str], named: list[str]) -> list[str]:
    """The dimensions that tell apart what those that are named do not."""
    varying = [name for name in dimensions if len(_places(entries, name)) > 1 and name not in named]
    if LEADING in named:
        return [name for name in varying if name in OF_SECTIONS]
    without = [name for name in varying if name != LEADING]
    keys = {tuple(_value(entry.of.get(n)) for n in (*named, *without)) for entry in entries}
    if len(keys) == len(entries):
        return without
    # No factors, or not enough of them, to tell the conditions apart.
    return [LEADING, *(name for name in without if name in OF_SECTIONS)]


def _places(entries: Sequence[Entry], name: str) -> dict[Any, int]:
    """Level -> its place among those of a dimension, in the order in which they come."""
    levels = dict.fromkeys(_value(entry.of.get(name)) for entry in entries)
    return {level: place for place, level in enumerate(levels)}


def _sorted(levels: Iterable[Levels], places: Sequence[Mapping[Any, int]]) -> list[Levels]:
    return sorted(
        levels, key=lambda own: [at[level] for at, level in zip(places, own, strict=True)]
    )


def _value(level: Any) -> Any:
    """A level that equals no other one: ``True`` is no 1, and NaN is NaN."""
    if isinstance(level, (bool, float)) and not (isinstance(level, float) and level == level):
        return str(level)
    return level


def _level(level: Any) -> str:
    return "-" if level is None else one_line(level)


def pivots(
    sections: Mapping[str, Any],
    factors: Mapping[str, Mapping[str, Any]],
    by: Sequence[str],
    across: Sequence[str],
) -> Iterator[tuple[str, PivotTable | None]]:
    """Each section by the factors; ``None`` where its rows have not all that is named."""
    for name, rows in sections.items():
        found = section_entries(rows, factors)
        fits = found and all(n in entry.of for entry in found for n in (*by, *across))
        yield name, pivoted(found, by, across, name) if found and fits else None
