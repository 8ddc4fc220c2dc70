"""The rows of a summary as people see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.printable import one_line
from crystallize.results.digits import as_sure_as, shown
from crystallize.results.summary import SummaryRow
from crystallize.results.text_table import TextTable

LAST_NAME = "metric"
"""The last of the columns, from the left, that say what a row is of."""
RARE = ("nan", "warnings")
SD_DIGITS = 3
"""How many digits of a standard deviation a few hundred values can tell."""


def summary_table(rows: Sequence[SummaryRow], notes: Sequence[str] = ()) -> TextTable:
    """The summary, laid out, with what is to be said below it.

    The counts of what is rare have a column only where there is some, and so have
    the condition and the factors where they say no more than the others.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    rare = {c for c in RARE if not any(row.get(c) for row in rows)}
    left_out = rare | saying_the_same(rows)
    kept = [column for column in columns if column not in left_out]
    names = kept.index(LAST_NAME) + 1 if LAST_NAME in kept else 0
    return TextTable(
        columns=[one_line(column) for column in kept],
        rows=[[_shown(column, row) for column in kept] for row in rows],
        numbers=[
            place >= names or are_numbers(row[column] for row in rows)
            for place, column in enumerate(kept)
        ],
        names=names,
        notes=list(notes),
    )


def counted(failed: int, warned: int, *, cut: str = "", see: bool = False) -> list[str]:
    """Which part of the cells ran, how many failed and how many warnings there were, where any.

    `cut` says that cells did not run, `see` has the others say where there is more.
    """
    notes = [cut] if cut else []
    if failed:
        failures = f"{failed} {'cell' if failed == 1 else 'cells'} failed"
        notes.append(f"{failures}; see .errors" if see else failures)
    if warned:
        warnings = f"{warned} {'warning' if warned == 1 else 'warnings'}"
        notes.append(f"{warnings}; see .warnings" if see else warnings)
    return notes


def saying_the_same(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Columns without which a reader knows as much: a name that others spell out, or repeat.

    That is the condition where its name is made of factors, as :func:`crystallize.grid` makes
    it, and a factor whose levels are called as the conditions are.
    """
    if not rows or not all("condition" in row for row in rows):
        return set()
    if len({row["condition"] for row in rows}) < 2:
        return set()
    rests = {
        tuple(
            part
            for part in str(row["condition"]).split(",")
            if not any(part == f"{_factor(c)}={value}" for c, value in row.items())
        )
        for row in rows
    }
    if len(rests) == 1 and all("=" in part for part in rests.pop()):
        return {"condition"}
    return {
        column
        for column in dict.fromkeys(column for row in rows for column in row)
        if column != "condition"
        and all(isinstance(row.get(column), str) for row in rows)
        and all(row[column] == row["condition"] for row in rows)
    }


def are_numbers(values: Any) -> bool:
    """Whether all are numbers that are there; a yes or no is none."""
    return all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values if v is not None
    )


def _factor(column: str) -> str:
    return column.removeprefix("factor.")


def _shown(column: str, row: SummaryRow) -> str:
    value = row.get(column)
    if not isinstance(value, float):
        return "-" if value is None else one_line(value)
    if column == "mean":
        return as_sure_as(value, row.get("mcse"))
    if column == "mcse":
        return as_sure_as(value, value)
    if column == "sd" and value:
        return f"{value:#.{SD_DIGITS}g}".rstrip(".")
    return shown(value)
