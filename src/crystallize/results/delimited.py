"""A result as CSV: a row for each cell, nothing abbreviated."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from crystallize.results.exports import metric_data
from crystallize.results.long_form import INDEX_COLUMNS, LongForm

ROWS_AT_ONCE = 2**14


def write_csv(form: LongForm, path: Path) -> None:
    """See :meth:`crystallize.Result.to_csv`."""
    factors = form.factors
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*INDEX_COLUMNS, *factors, *form.metrics])
        for condition, size in form.sizes.items():
            levels = [field_text(form.levels[condition].get(factor)) for factor in factors]
            for start in range(0, size, ROWS_AT_ONCE):
                stop = min(start + ROWS_AT_ONCE, size)
                done = form.done[condition][start:stop]
                columns = [
                    map(field_text, metric_data(of[condition][start:stop], done))
                    if condition in of
                    else [""] * (stop - start)
                    for of in form.metrics.values()
                ]
                for replicate, *values in zip(range(start, stop), *columns, strict=True):
                    writer.writerow([condition, replicate, *levels, *values])


def field_text(value: Any) -> str:
    """One field: every digit of a number, JSON for what has parts."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)
