"""Plain data: what JSON has, made of what NumPy has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

SCALARS = (type(None), bool, int, float, str)
"""The types of plain data that holds no other; not those derived from them."""


def plain_data(value: Any, where: str) -> Any:
    """Copy `value` with lists for arrays and tuples and Python's scalars for NumPy's.

    Parameters
    ----------
    value : object
        ``None``, booleans, numbers, strings, NumPy scalars and arrays, and
        sequences and string-keyed mappings of these.
    where : str
        What messages call it.

    Raises
    ------
    TypeError
        If it holds anything else; says where.

    Examples
    --------
    >>> plain_data({"q": np.array([0.5, 1.0])}, "section 'a'")
    {'q': [0.5, 1.0]}
    """
    if type(value) in SCALARS:
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return plain_data(value.tolist(), where)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has a key that is not a string: {key!r}")
        return {str(key): plain_data(item, f"{where}, {key!r}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item, f"{where}, item {i}") for i, item in enumerate(value)]
    if isinstance(value, complex):
        return {"real": value.real, "imag": value.imag}
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{where} holds a {type(value).__name__}, which is not plain data")


def json_data(value: Any) -> Any:
    """Plain data as strict JSON has it: NaN and infinities by names that ``float`` reads.

    Examples
    --------
    >>> json_data([0.5, float("nan")])
    [0.5, 'NaN']
    """
    if type(value) is float and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if type(value) is list:
        return [json_data(item) for item in value]
    if type(value) is dict:
        return {key: json_data(item) for key, item in value.items()}
    return value
