"""Arrays and plain values side by side: JSON that refers to arrays in NumPy's own format."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAGIC = np.lib.format.magic(1, 0)
LENGTH_BYTES = 2
"""How many bytes say how long the header of an array is, after the magic ones."""
HEADERS = 256
"""How many headers of arrays are known at a time."""


class Bundle:
    """Collects arrays; what stands for one in JSON is its number.

    Attributes
    ----------
    arrays : list of bytes
        Each array in NumPy's ``.npy`` format.
    """

    def __init__(self) -> None:
        self.arrays: list[bytes] = []

    def add(self, values: Array | list[Any]) -> dict[str, Any]:
        """What stands for some values: an array's number, or a list of objects."""
        if isinstance(values, list) or values.dtype == object:
            items = values if isinstance(values, list) else values.tolist()
            return {"objects": [self._object(value) for value in items]}
        self.arrays.append(_written(np.asarray(values)))
        return {"array": len(self.arrays) - 1}

    def _object(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self.add(value)
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        return value


def restored(kept: Mapping[str, Any], array: Callable[[int], bytes]) -> Array | list[Any]:
    """The values that :meth:`Bundle.add` took; nothing is unpickled.

    Parameters
    ----------
    kept : dict
    array : callable
        The bytes of an array by its number.

    Raises
    ------
    ValueError
        If an array's bytes are damaged, or hold pickled objects.
    """
    if "array" in kept:
        return _read(array(kept["array"]))
    return [_restored_object(value, array) for value in kept["objects"]]


def _restored_object(value: Any, array: Callable[[int], bytes]) -> Any:
    if not isinstance(value, dict):
        return value
    if "complex" in value:
        return complex(*value["complex"])
    return restored(value, array)


def _written(values: Array) -> bytes:
    """An array in the ``.npy`` format, whose header many small arrays share."""
    if values.dtype.kind in "biufc" and values.flags.c_contiguous:
        return _header(values.dtype.str, values.shape) + values.tobytes()
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values, allow_pickle=False)
    return buffer.getvalue()


@lru_cache(HEADERS)
def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def _read(data: bytes) -> Array:
    """An array in the ``.npy`` format: NumPy takes a header apart once, not for each array."""
    end = len(MAGIC) + LENGTH_BYTES
    end += int.from_bytes(data[len(MAGIC) : end], "little")
    if data.startswith(MAGIC):
        shape, in_order_of_fortran, dtype = _described(data[len(MAGIC) : end])
        if dtype.kind in "biufc":
            values = np.frombuffer(data, dtype, prod(shape), end)
            return values.reshape(shape, order="F" if in_order_of_fortran else "C").copy("K")
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


@lru_cache(HEADERS)
def _described(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return np.lib.format.read_array_header_1_0(io.BytesIO(header))


def as_objects(values: list[Any]) -> Array:
    """A list as an array of objects, whatever the objects are."""
    objects = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        objects[place] = value
    return objects
