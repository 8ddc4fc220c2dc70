"""What a result is to other programs: a data frame, and strict JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.cells.plain import json_data, plain_data
from crystallize.cells.warned import WarningRecord
from crystallize.description.factors import factor_columns

if TYPE_CHECKING:
    import pandas as pd  # not everyone has it, and it takes half a second to load

INDEX_COLUMNS = ("condition", "replicate")


def as_frame(
    metrics: Mapping[str, Mapping[str, Array]],
    replicates: Mapping[str, int],
    factors: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """See :meth:`crystallize.Result.to_frame`."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "A data frame needs pandas: pip install 'crystallize-core[pandas]'."
        ) from error

    frames = []
    levels = factor_columns(factors, INDEX_COLUMNS)
    index = {*INDEX_COLUMNS, *(name for columns in levels.values() for name in columns)}
    for condition, arrays in metrics.items():
        places = np.arange(replicates[condition])
        columns: dict[str, Any] = {"condition": condition, "replicate": places}
        columns |= levels[condition]
        for metric, values in arrays.items():
            name = f"metric.{metric}" if metric in index else metric
            if isinstance(values, np.ma.MaskedArray):
                flags, missing = np.asarray(values), np.ma.getmaskarray(values)
                columns[name] = pd.arrays.BooleanArray(flags, missing)
            else:
                columns[name] = values if values.ndim == 1 else list(values)
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


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
