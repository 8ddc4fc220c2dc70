"""Sections that are rows, as tables under a result: as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from crystallize.results.tables import aligned, one_line

Row = Mapping[str, Any]
LONG = 40
"""How long a text may be that stands in the table itself."""


class SectionTable(NamedTuple):
    """One section, laid out.

    Attributes
    ----------
    heading : str
        Its name, and what all rows have in common.
    columns : list of str
    rows : list of list of str
    numbers : list of bool
        Which columns hold numbers, and are at the right.
    notes : list of str
        Long texts, which stand below; the rows have their numbers.
    """

    heading: str
    columns: list[str]
    rows: list[list[str]]
    numbers: list[bool]
    notes: list[str]


def section_tables(sections: Mapping[str, Any]) -> list[SectionTable]:
    """A table for each section that is a list of rows; others are for programs to read.

    Columns that hold nothing are left out, and a name or count that is the same in every
    row stands in the heading.
    """
    return [_laid_out(name, rows) for name, rows in sections.items() if _is_rows(rows)]


def sections_as_text(sections: Mapping[str, Any]) -> str:
    """The tables, each after an empty line."""
    return "".join(f"\n\n{_text(table)}" for table in section_tables(sections))


def sections_as_html(sections: Mapping[str, Any]) -> str:
    """The tables in HTML, everything escaped."""
    return "".join(_html(table) for table in section_tables(sections))


def _is_rows(section: object) -> bool:
    return (
        isinstance(section, list)
        and len(section) > 0
        and all(isinstance(row, Mapping) and row for row in section)
        and all(_is_scalar(value) for row in section for value in row.values())
    )


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _laid_out(name: str, rows: Sequence[Row]) -> SectionTable:
    columns = dict.fromkeys(column for row in rows for column in row)
    values = {column: [row.get(column) for row in rows] for column in columns}
    values = {c: found for c, found in values.items() if any(v is not None for v in found)}
    common = {
        column: found[0]
        for column, found in values.items()
        if not isinstance(found[0], float) and all(_same(value, found[0]) for value in found)
    }
    shown = {c: found for c, found in values.items() if c not in common}
    if not shown:
        shown, common = values, {}
    notes: dict[str, int] = {}
    texts = [_texts(found, notes) for found in shown.values()]
    facts = ", ".join(f"{one_line(c)} = {_shown(value)}" for c, value in common.items())
    return SectionTable(
        heading=one_line(name) + (f": {facts}" if facts else ""),
        columns=[one_line(column) for column in shown],
        rows=[list(line) for line in zip(*texts, strict=True)],
        numbers=[_are_numbers(found) for found in shown.values()],
        notes=[f"[{number}] {text}" for text, number in notes.items()],
    )


def _texts(values: Sequence[object], notes: dict[str, int]) -> list[str]:
    """A column as it is shown; one that has long texts has the numbers of notes instead."""
    texts = [_shown(value) for value in values]
    if max(map(len, texts)) <= LONG:
        return texts
    return [
        text if value is None else f"[{notes.setdefault(text, len(notes) + 1)}]"
        for text, value in zip(texts, values, strict=True)
    ]


def _same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other


def _are_numbers(values: Iterable[object]) -> bool:
    return all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values if v is not None
    )


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value)


def _text(table: SectionTable) -> str:
    lines = aligned([table.columns, *table.rows], table.numbers)
    return "\n".join([table.heading, *lines, *table.notes])


def _html(table: SectionTable) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in table.rows
    )
    return (
        f"<p>{escape(table.heading)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        + "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    )
