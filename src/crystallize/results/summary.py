"""The summary of a result: one row of statistics for each condition and metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.cells.warned import WarningRecord

COLUMNS = (
    "condition", "metric", "n", "nan", "failed", "warnings", "mean", "sd", "mcse", "min", "max",
)  # fmt: skip


SummaryRow = dict[str, Any]
"""Column -> a name, a count, or a number that may not exist."""


def summarize(
    metrics: Mapping[str, Mapping[str, Array]],
    done: Mapping[str, npt.NDArray[np.bool_]],
    errors: Sequence[CellError],
    warnings: Sequence[WarningRecord] = (),
) -> list[SummaryRow]:
    """See :meth:`crystallize.Result.summary`."""
    failed = Counter(error.condition for error in errors)
    warned: Counter[str] = Counter()
    for record in warnings:
        warned[record.condition] += record.count
    rows = []
    for condition, finished in done.items():
        # A condition without metrics has a row all the same, which says how many cells failed.
        arrays = metrics[condition] or {"": np.full(len(finished), None)}
        for metric, values in arrays.items():
            row = {"condition": condition, "metric": metric, **_statistics(values, finished)}
            counts = {"failed": failed[condition], "warnings": warned[condition]}
            rows.append({**row, **counts})
    return [{column: row[column] for column in COLUMNS} for row in rows]


def _statistics(values: Array, finished: npt.NDArray[np.bool_]) -> SummaryRow:
    kept = _present(np.asarray(values[finished]))
    row: SummaryRow = dict.fromkeys(("mean", "sd", "mcse", "min", "max"))
    row["n"], row["nan"] = len(kept), 0
    if kept.dtype.kind not in "biuf" or kept.ndim != 1:
        return row
    numbers = kept.astype(np.float64)
    numbers = numbers[~np.isnan(numbers)]
    row["n"], row["nan"] = len(numbers), len(kept) - len(numbers)
    if not len(numbers):
        return row
    row["min"], row["max"] = float(np.min(numbers)), float(np.max(numbers))
    # An infinite sum, or inf - inf, is the true answer and no reason to warn.
    with np.errstate(invalid="ignore", over="ignore"):
        row["mean"] = float(np.mean(numbers))
        if len(numbers) > 1:
            row["sd"] = float(np.std(numbers, ddof=1))
            row["mcse"] = row["sd"] / len(numbers) ** 0.5
    return row


def _present(values: Array) -> Array:
    """The values that there are, as floats where objects are all numbers."""
    if values.dtype != object:
        return values
    present = values[[value is not None for value in values]]
    if all(isinstance(value, (bool, int, float)) for value in present):
        with suppress(OverflowError):  # an integer that no float can hold: then no statistics
            return present.astype(np.float64)
    return present
