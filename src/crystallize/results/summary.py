"""The summary of a result, as rows, as text and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.outcome import CellError

COLUMNS = ("condition", "metric", "n", "failed", "mean", "sd", "mcse", "min", "max")


Row = dict[str, Any]


def summarize(
    metrics: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    done: Mapping[str, npt.NDArray[np.bool_]],
    errors: Sequence[CellError],
) -> list[Row]:
    """See :meth:`crystallize.Result.summary`."""
    failed = Counter(error.condition for error in errors)
    rows = []
    for condition, finished in done.items():
        arrays = metrics[condition] or {"": np.full(len(finished), None)}
        for metric, values in arrays.items():
            row = {"condition": condition, "metric": metric, **_statistics(values, finished)}
            rows.append({**row, "failed": failed[condition]})
    return [{column: row[column] for column in COLUMNS} for row in rows]


def _statistics(values: npt.NDArray[Any], finished: npt.NDArray[np.bool_]) -> Row:
    kept = values[finished]
    if kept.dtype == object:
        kept = kept[[value is not None for value in kept]]
        if all(isinstance(value, (bool, int, float)) for value in kept):
            with suppress(OverflowError):
                kept = kept.astype(np.float64)
    row: Row = dict.fromkeys(("mean", "sd", "mcse", "min", "max"))
    row["n"] = len(kept)
    if kept.dtype.kind not in "biuf" or kept.ndim != 1 or not len(kept):
        return row
    numbers = kept.astype(np.float64)
    row["min"], row["max"] = float(np.min(numbers)), float(np.max(numbers))
    # An infinite sum, or inf - inf, is the true answer and no reason to warn.
    with np.errstate(invalid="ignore", over="ignore"):
        row["mean"] = float(np.mean(numbers))
        if len(numbers) > 1:
            row["sd"] = float(np.std(numbers, ddof=1))
            row["mcse"] = row["sd"] / len(numbers) ** 0.5
    return row


def as_text(rows: Sequence[Row], failed: int) -> str:
    """An aligned table, and how many cells failed where any did."""
    cells = [COLUMNS, *(tuple(_shown(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = []
    for line in cells:
        names = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        numbers = [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]
        lines.append("  ".join((*names, *numbers)).rstrip())
    if failed:
        lines.append(f"{failed} {'cell' if failed == 1 else 'cells'} failed; see .errors")
    return "\n".join(lines)


def as_html(rows: Sequence[Row], failed: int) -> str:
    """The same as an HTML table, everything escaped."""
    head = "".join(f"<th>{column}</th>" for column in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(row[c]))}</td>" for c in COLUMNS) + "</tr>"
        for row in rows
    )
    note = f"<p>{failed} {'cell' if failed == 1 else 'cells'} failed</p>" if failed else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else one_line(value)


def one_line(name: object) -> str:
    """A name, which may hold anything, on one line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))
