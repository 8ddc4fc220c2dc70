"""Tokens of arrays and frames."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crystallize.description.fingerprint.tokens import PLAIN, buffer, combined, joined, plain

Token = Callable[[Any], bytes]


def token(value: Any, inner: Token) -> bytes | None:
    """The token of an array, a NumPy scalar, or what pandas has; ``None`` for anything else.

    Parameters
    ----------
    inner : callable
        The token of a value inside.
    """
    if isinstance(value, np.ndarray):
        if type(value) is not np.ndarray:
            if isinstance(value, np.ma.MaskedArray):
                parts = (value.data, np.ma.getmaskarray(value), value.fill_value)
                return joined("masked", map(inner, parts))
            if not isinstance(value, np.memmap):
                return None
            value = value.view(np.ndarray)
        return _array(value, inner)
    if isinstance(value, np.generic):
        if value.dtype.hasobject:
            return None
        return combined("scalar", str(value.dtype).encode(), value.tobytes())
    if isinstance(value, np.dtype):
        return combined("dtype", repr(value).encode())
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):  # it is being imported
        return None
    if isinstance(value, pandas.DataFrame):
        tokens = [inner(value.index), inner(value.columns), inner(value.attrs)]
        tokens += [column for _, column in columns(value, inner)]
        return joined("frame", tokens)
    if isinstance(value, pandas.MultiIndex):
        return combined("index", inner(list(value.names)), inner(list(value)))
    if isinstance(value, (pandas.Series, pandas.Index)):
        names = [inner(value.name), str(type(value).__name__).encode()]
        if isinstance(value, pandas.RangeIndex):
            return combined("range", *names, plain((value.start, value.stop, value.step)))
        if isinstance(value, pandas.Series):
            names.append(inner(value.index))
        return combined("series", *names, _column(value, inner))
    return None


def is_frame(value: Any) -> bool:
    """Whether it has columns that can be told apart."""
    pandas: Any = sys.modules.get("pandas")
    frame = getattr(pandas, "DataFrame", None)
    return frame is not None and isinstance(value, frame)


def columns(frame: Any, inner: Token) -> Iterator[tuple[str, bytes]]:
    """The columns of a frame, as messages name them, with their tokens."""
    for place, label in enumerate(frame.columns):
        yield str(label), _column(frame.iloc[:, place], inner)


def _array(value: Any, inner: Token) -> bytes:
    if value.dtype.hasobject:
        return combined("array", _shape(value), inner(value.ravel().tolist()))
    # Sums depend on the order in memory, which workers keep too.
    if value.flags.f_contiguous and not value.flags.c_contiguous:
        return combined("array", _shape(value), b"F", buffer(_bytes(value.T)))
    return combined("array", _shape(value), buffer(_bytes(np.ascontiguousarray(value))))


def _bytes(value: Any) -> Any:
    return value.reshape(-1).view(np.uint8) if value.size else b""


def _shape(value: Any) -> bytes:
    return f"{value.dtype!r} {value.shape}".encode()


def _column(series: Any, inner: Token) -> bytes:
    kind = str(series.dtype).encode()
    if isinstance(series.dtype, np.dtype):
        return combined("column", kind, _plainly(series.to_numpy(), inner))
    array = series.array
    if hasattr(array, "asi8"):  # times, periods
        return combined("column", kind, inner(array.asi8))
    if hasattr(array, "codes"):  # categories
        order = plain(bool(array.ordered))
        return combined("column", kind, order, inner(array.codes), inner(array.categories))
    missing = np.asarray(series.isna())
    values = [None if gone else item for item, gone in zip(series.tolist(), missing, strict=True)]
    return combined("column", kind, _items(values, inner), buffer(missing))


def _plainly(values: Any, inner: Token) -> bytes:
    if not values.dtype.hasobject:
        return _array(np.ascontiguousarray(values), inner)
    return _items(values.tolist(), inner)


def _items(items: list[Any], inner: Token) -> bytes:
    return plain(items) if PLAIN.issuperset(map(type, items)) else inner(items)
