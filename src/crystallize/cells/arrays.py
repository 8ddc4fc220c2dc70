"""Arrays and plain values side by side: JSON that refers to arrays in NumPy's own format."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


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
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asarray(values), allow_pickle=False)
        self.arrays.append(buffer.getvalue())
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
        return np.lib.format.read_array(io.BytesIO(array(kept["array"])), allow_pickle=False)
    return [_restored_object(value, array) for value in kept["objects"]]


def _restored_object(value: Any, array: Callable[[int], bytes]) -> Any:
    if not isinstance(value, dict):
        return value
    if "complex" in value:
        return complex(*value["complex"])
    return restored(value, array)


def as_objects(values: list[Any]) -> Array:
    """A list as an array of objects, whatever the objects are."""
    objects = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        objects[place] = value
    return objects
