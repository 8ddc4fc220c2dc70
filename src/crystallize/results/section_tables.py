"""Sections that are rows, as tables under a result."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any

from crystallize.printable import one_line
from crystallize.results.digits import as_sure_as
from crystallize.results.tables import are_numbers, saying_the_same
from crystallize.results.text_table import TextTable

Row = Mapping[str, Any]
LONG = 40
"""How long a text may be that stands in the table itself."""
NAMES = ("condition", "treatment", "baseline", "measure", "metric", "estimator", "probability")
"""Columns that say what a row is of, as far as they are the first."""
ESTIMATES = ("value", "mcse", "lower", "upper")
"""Columns that are known as well as the Monte Carlo error beside them says."""
DIGITS = 4
"""How many digits a number has whose error is not known."""


def section_tables(sections: Mapping[str, Any], levels: Collection[str] = ()) -> list[TextTable]:
    """A table for each section that is a list of rows; others are for programs to read.

    Columns that hold nothing are left out, and a name or count that is the same in every
    row stands in the heading.  `levels` are the columns of factors.
    """
    return [_laid_out(name, rows, levels) for name, rows in sections.items() if is_rows(rows)]


def is_rows(section: object) -> bool:
    """Whether a section is a table: rows of names and values that are no containers."""
    return (
        isinstance(section, list)
        and len(section) > 0
        and all(isinstance(row, Mapping) and row for row in section)
        and all(_is_scalar(value) for row in section for value in row.values())
    )


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _laid_out(name: str, rows: Sequence[Row], levels: Collection[str]) -> TextTable:
    left_out = saying_the_same(rows)
    columns = dict.fromkeys(column for row in rows for column in row if column not in left_out)
    values = {column: [row.get(column) for row in rows] for column in columns}
    values = {c: found for c, found in values.items() if any(v is not None for v in found)}
    common = {
        column: found[0]
        for column, found in values.items()
        if not isinstance(found[0], float) and all(_same(value, found[0]) for value in found)
    }
    kept = {c: found for c, found in values.items() if c not in common}
    if not kept:
        kept, common = values, {}
    notes: dict[str, int] = {}
    texts = [
        _texts([_shown(column, row, levels) for row in rows], found, notes)
        for column, found in kept.items()
    ]
    facts = ", ".join(f"{one_line(c)} = {one_line(value)}" for c, value in common.items())
    numbers = [are_numbers(found) for found in kept.values()]
    return TextTable(
        columns=[one_line(column) for column in kept],
        rows=[list(line) for line in zip(*texts, strict=True)],
        numbers=numbers,
        names=len(list(takewhile(lambda column: column in levels or column in NAMES, kept))),
        heading=one_line(name) + (f": {facts}" if facts else ""),
        notes=[f"[{number}] {text}" for text, number in notes.items()],
    )


def _texts(texts: list[str], values: Sequence[object], notes: dict[str, int]) -> list[str]:
    """A column as it is shown; one that has long texts has the numbers of notes instead."""
    if max(map(len, texts)) <= LONG:
        return texts
    return [
        text if value is None else f"[{notes.setdefault(text, len(notes) + 1)}]"
        for text, value in zip(texts, values, strict=True)
    ]


def _same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other


def _shown(column: str, row: Row, levels: Collection[str]) -> str:
    value = row.get(column)
    if not isinstance(value, float) or column in levels:
        return "-" if value is None else one_line(value)
    error = row.get("mcse") if column in ESTIMATES else None
    return as_sure_as(value, error, DIGITS)
