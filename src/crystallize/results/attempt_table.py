"""Attempts as a table: a row for each, a column for each name that was recorded."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.cells.attempts import Attempt
from crystallize.cells.plain import json_data
from crystallize.description.factors import factor_columns
from crystallize.results.optional import optional_module

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("condition", "replicate", "attempt", "seconds", "type", "message")

Row = dict[str, Any]


def attempt_rows(
    attempts: Sequence[Attempt], factors: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], list[Row]]:
    """The columns, and the rows with those that they have.

    A name that was recorded and is called like another column has ``recorded.`` before it.
    """
    levels = factor_columns(factors, COLUMNS)
    before = dict.fromkeys((*COLUMNS[:3], *(name for own in levels.values() for name in own)))
    index = [*before, *COLUMNS[3:]]
    names = dict.fromkeys(name for attempt in attempts for name in attempt.recorded)
    called = {name: f"recorded.{name}" if name in index else name for name in names}
    rows = [
        {
            "condition": one.condition,
            "replicate": one.replicate,
            "attempt": one.attempt,
            **levels[one.condition],
            "seconds": None if isnan(one.seconds) else one.seconds,
            "type": one.type,
            "message": one.message,
            **{called[name]: value for name, value in one.recorded.items()},
        }
        for one in attempts
    ]
    return [*index, *called.values()], rows


def as_frame(columns: Sequence[str], rows: Sequence[Row]) -> DataFrame:
    """The table as pandas has it."""
    pd: Any = optional_module("pandas")
    frame: DataFrame = pd.DataFrame(rows, columns=list(columns))
    return frame


def write_csv(columns: Sequence[str], rows: Sequence[Row], path: Path) -> None:
    """The table as CSV, empty where a row has nothing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_text(row.get(column)) for column in columns])


def attempt_data(attempt: Attempt) -> dict[str, Any]:
    """An attempt as strict JSON has it."""
    data = {name: getattr(attempt, name) for name in Attempt.__slots__}
    data["seconds"] = None if isnan(attempt.seconds) else attempt.seconds
    plain: dict[str, Any] = json_data(data)
    return plain


def _text(value: Any) -> str:
    return "" if value is None else str(json_data(value))
