"""A result as a notebook shows it: tables with small pictures, in so much room.

A notebook keeps what it shows, and a browser lays all of it out: what is shown of a result is
bounded, however many conditions it has and whatever they are called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from html import escape
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.printable import one_line
from crystallize.results.pictures import (
    Interval,
    Scale,
    histogram,
    interval,
    scale_of_intervals,
    scale_of_values,
)
from crystallize.results.section_tables import is_rows, section_tables
from crystallize.results.shown import Shown
from crystallize.results.tables import summary_table
from crystallize.results.text_table import ON_A_PAGE, Pictures, TextTable, shortened

ROOM = replace(ON_A_PAGE, everything="print(result.text()) shows them")
REAL = "biuf"
SAMPLE = 4096
"""How many replicates of a condition a picture is drawn of: the first ones."""
KINDS = 10
"""How many kinds of failures are listed."""
LEVELS = 8
"""How many levels of a factor are listed."""
MOST_LETTERS = 400_000
"""From what length on the sections that are left are named only."""
NORMAL_95 = 1.96
ENDS = ("lower", "upper")
POINTS = ("difference", "estimate", "value", "rate")
"""Columns of sections that have an interval or a Monte Carlo error beside them."""

Row = Mapping[str, Any]
Numbers = npt.NDArray[np.float64]
Values = Callable[[str, str], Numbers | None]
"""The numbers of a condition and a metric, if there are any."""


def title(name: str | None, conditions: int, replicates: int, root: int) -> str:
    """What it is a result of, in a line."""
    counts = ((conditions, "condition"), (replicates, "replicate"))
    said = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts]
    return ", ".join([*([shortened(one_line(name))] if name else []), *said, f"seed {root}"])


def numbers(
    metrics: Mapping[str, Mapping[str, Array]], done: Mapping[str, npt.NDArray[np.bool_]]
) -> Values:
    """The first numbers of a metric that is one number a cell."""

    def found(condition: str, metric: str) -> Numbers | None:
        values = metrics.get(condition, {}).get(metric)
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in REAL:
            return None
        # A mask would be that of the cells which are left out here.
        return np.asarray(values[:SAMPLE])[done[condition][:SAMPLE]].astype(np.float64)

    return found


def page(title: str, shown: Shown, errors: Sequence[CellError], values: Values) -> str:
    """The HTML of a result; `values` has the numbers that were kept."""
    parts = [f"<p>{escape(title)}</p>", _factors(shown.factors)]
    summary = summary_table(shown.summary, shown.notes())
    parts.append(summary.html(ROOM, _beside_summary(shown.summary, values)))
    parts.append(failures(errors))
    left_out = []
    for name, rows in shown.sections.items():
        if not is_rows(rows):
            continue
        if sum(map(len, parts)) > MOST_LETTERS:
            left_out.append(shortened(one_line(name)))
            continue
        [table] = section_tables({name: rows}, shown.levels)
        parts.append(table.html(ROOM, _beside_section(rows)))
    if left_out:
        names = ", ".join(left_out[:LEVELS]) + (", …" if len(left_out) > LEVELS else "")
        parts.append(f"<p>Not shown here: {escape(names)}; {escape(ROOM.everything)}</p>")
    return f'<div class="crystallize-result">{"".join(parts)}</div>'


def failures(errors: Sequence[CellError]) -> str:
    """How often which exception ended a cell, and where it did so first."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], CellError] = {}
    for error in errors:
        counts[error.condition, error.type] += 1
        first.setdefault((error.condition, error.type), error)
    if not counts:
        return ""
    rows = [
        [one_line(text) for text in (*key, count, first[key].replicate, first[key].message)]
        for key, count in counts.most_common()
    ]
    columns = ["condition", "exception", "cells", "first replicate", "its message"]
    numbers = [False, False, True, True, False]
    room = replace(ROOM, rows=KINDS, everything="result.errors has them")
    return TextTable(columns, rows, numbers, 2).html(room)


def _factors(factors: Mapping[str, Mapping[str, Any]]) -> str:
    """Which levels each factor has."""
    levels: dict[str, dict[str, None]] = {}
    for own in factors.values():
        for name, level in own.items():
            levels.setdefault(name, {})[shortened(one_line(level))] = None
    items = [
        f"<li>{escape(shortened(one_line(name)))}: {escape(', '.join(list(own)[:LEVELS]))}"
        f"{f' and {len(own) - LEVELS} more' if len(own) > LEVELS else ''}</li>"
        for name, own in list(levels.items())[: ROOM.columns]
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _beside_summary(rows: Sequence[Row], values: Values) -> Pictures:
    """The values of each row, and its mean, on one scale for all conditions of a metric."""
    means = [_around(row.get("mean"), row.get("mcse")) for row in rows]
    intervals = _intervals([row["metric"] for row in rows], means)
    return {"values": _histograms(rows, values), "mean, 95%": intervals}


def _beside_section(rows: Sequence[Row]) -> Pictures:
    """The interval of each row, or its value with a Monte Carlo error, where it has one."""
    point = next((name for name in POINTS if name in rows[0]), None)
    if point is None:
        return {}
    found = [
        Interval(*(float(row[name]) for name in (point, *ENDS)))
        if all(_is_number(row.get(name)) for name in (point, *ENDS))
        else _around(row.get(point), row.get("mcse"))
        for row in rows
    ]
    keys = [tuple(row.get(name) for name in ("metric", "measure", "estimator")) for row in rows]
    return {f"{point}, drawn": _intervals(keys, found, 0.0 if point == "difference" else None)}


def _histograms(rows: Sequence[Row], values: Values) -> Callable[[int], str]:
    @cache
    def scale(metric: str) -> Scale | None:
        columns = [values(row["condition"], metric) for row in rows if row["metric"] == metric]
        return scale_of_values(column for column in columns if column is not None)

    def drawn(place: int) -> str:
        row = rows[place]
        found = values(row["condition"], row["metric"])
        return "" if found is None else histogram(found, scale(row["metric"]))

    return drawn


def _intervals(
    keys: Sequence[object], found: Sequence[Interval | None], mark: float | None = None
) -> Callable[[int], str]:
    marks = () if mark is None else (mark,)

    @cache
    def scale(key: object) -> Scale | None:
        of_key = [one for one, own in zip(found, keys, strict=True) if own == key and one]
        return scale_of_intervals(of_key, *marks)

    def drawn(place: int) -> str:
        one = found[place]
        return "" if one is None else interval(one, scale(keys[place]), mark)

    return drawn


def _around(value: object, error: object) -> Interval | None:
    """Where the true value is, with 95%, as a Monte Carlo standard error has it."""
    if not (_is_number(value) and _is_number(error)):
        return None
    middle, half = float(value), NORMAL_95 * float(error)
    return Interval(middle, middle - half, middle + half)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
