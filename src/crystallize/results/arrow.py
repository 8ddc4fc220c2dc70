"""A result as an Arrow table, and the files that hold one: Parquet and Arrow's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crystallize.cells.plain import json_data, plain_data
from crystallize.results.long_form import LongForm
from crystallize.results.optional import optional_module

NUMBERS = "iuf"


def write_parquet(form: LongForm, path: Path, about: dict[str, Any]) -> None:
    """See :meth:`crystallize.Result.to_parquet`."""
    optional_module("pyarrow.parquet").write_table(arrow_table(form, about), path)


def write_arrow(form: LongForm, path: Path, about: dict[str, Any]) -> None:
    """See :meth:`crystallize.Result.to_arrow`."""
    table = arrow_table(form, about)
    with optional_module("pyarrow.ipc").new_file(path, table.schema) as writer:
        writer.write_table(table)


def arrow_table(form: LongForm, about: dict[str, Any]) -> Any:
    """The table, typed; `about` is the metadata of its schema, as JSON under ``crystallize``."""
    pa = optional_module("pyarrow")
    sizes = list(form.sizes.values())
    rows = np.repeat(np.arange(len(sizes)), sizes)
    columns = {
        "condition": pa.DictionaryArray.from_arrays(
            pa.array(rows, pa.int32()), pa.array(list(form.sizes), pa.string())
        ),
        "replicate": pa.array(np.concatenate([np.arange(size) for size in sizes])),
    }
    for factor in form.factors:
        levels = [form.levels[condition].get(factor) for condition in form.sizes]
        columns[factor] = _typed(pa, levels).take(pa.array(rows))
    for name, of in form.metrics.items():
        pieces = [(of.get(condition), form.done[condition]) for condition in form.sizes]
        columns[name] = _column(pa, pieces)
    table = pa.table(columns)
    return table.replace_schema_metadata({"crystallize": json.dumps(json_data(about))})


def _column(pa: Any, pieces: Sequence[tuple[Any, Any]]) -> Any:
    """One metric under all conditions, null where a cell has not finished."""
    there = [values for values, _ in pieces if values is not None]
    if len({_kind(values) for values in there}) == 1 and _kind(there[0]) != "":
        dtype = np.result_type(*(values.dtype for values in there))
        values = [np.zeros(len(done), dtype) if v is None else np.asarray(v) for v, done in pieces]
        missing = [np.ones(len(done), bool) if v is None else ~done for v, done in pieces]
        return pa.array(np.concatenate(values), mask=np.concatenate(missing))
    return _typed(
        pa,
        [
            plain_data(value, "metric") if finished else None
            for values, done in pieces
            for value, finished in zip(
                [None] * len(done) if values is None else values.tolist(),
                done.tolist(),
                strict=True,
            )
        ],
    )


def _kind(values: Any) -> str:
    """What kinds of values an array may hold that go together; none where it has to be seen."""
    if values.ndim != 1 or isinstance(values, np.ma.MaskedArray):
        return ""
    return "number" if values.dtype.kind in NUMBERS else "flag" if values.dtype == bool else ""


def _typed(pa: Any, values: list[Any]) -> Any:
    """Values as Arrow types them, or as JSON where no type fits all of them."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.array([None if v is None else json.dumps(json_data(v)) for v in values])
