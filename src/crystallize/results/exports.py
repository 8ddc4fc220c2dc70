"""What a result is to other programs: a data frame, and strict JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.cells.plain import json_data, plain_data
from crystallize.cells.warned import WarningRecord
from crystallize.results.long_form import LongForm
from crystallize.results.optional import optional_module

if TYPE_CHECKING:
    from pandas import DataFrame  # not everyone has it, and it takes half a second to load


def as_frame(form: LongForm) -> DataFrame:
    """See :meth:`crystallize.Result.to_frame`."""
    pd: Any = optional_module("pandas")
    frames = []
    for condition, size in form.sizes.items():
        columns: dict[str, Any] = {"condition": condition, "replicate": np.arange(size)}
        columns |= form.levels[condition]
        for name, of in form.metrics.items():
            if (values := of.get(condition)) is None:
                continue
            if isinstance(values, np.ma.MaskedArray):
                flags, missing = np.asarray(values), np.ma.getmaskarray(values)
                columns[name] = pd.arrays.BooleanArray(flags, missing)
            else:
                columns[name] = values if values.ndim == 1 else list(values)
        frames.append(pd.DataFrame(columns))
    frame: DataFrame = pd.concat(frames, ignore_index=True)
    return frame


def metric_data(values: Array, done: npt.NDArray[np.bool_]) -> list[Any]:
    """A metric's values as strict JSON has them, ``None`` where the cell has not finished."""
    return [
        json_data(plain_data(value, "metric")) if finished else None
        for value, finished in zip(values.tolist(), done.tolist(), strict=True)
    ]


def error_data(error: CellError) -> dict[str, Any]:
    """An error as plain data."""
    return {name: getattr(error, name) for name in CellError.__slots__}


def warning_data(record: WarningRecord) -> dict[str, Any]:
    """What cells warned of as plain data."""
    return {name: getattr(record, name) for name in WarningRecord.__slots__}
