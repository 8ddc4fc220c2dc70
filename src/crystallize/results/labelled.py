"""A result as an xarray data set: an array for each metric, whose dimensions are the factors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.column import packed
from crystallize.cells.plain import json_data, plain_data
from crystallize.results.long_form import LongForm
from crystallize.results.optional import optional_module

OBJECTS = np.dtype(object)
Places = Mapping[str, tuple[int, ...]]


def as_dataset(form: LongForm, about: dict[str, Any]) -> Any:
    """See :meth:`crystallize.Result.to_xarray`."""
    xr = optional_module("xarray")
    factors, levels = form.factors, {}
    for factor in factors:
        found = (form.levels[condition].get(factor) for condition in form.sizes)
        levels[factor] = list(dict.fromkeys(found))
    places = {
        condition: tuple(levels[factor].index(own.get(factor)) for factor in factors)
        for condition, own in form.levels.items()
    }
    size = max(form.sizes.values())
    if factors and len(set(places.values())) == len(places):
        dimensions, shape = factors, tuple(len(levels[factor]) for factor in factors)
        coordinates: dict[str, Any] = {name: _levels(values) for name, values in levels.items()}
        names = np.full(shape, "", dtype=object)
        for condition, place in places.items():
            names[place] = condition
        coordinates["condition"] = (dimensions, names)
    else:  # they do not tell the conditions apart
        dimensions, shape = ["condition"], (len(form.sizes),)
        places = {condition: (place,) for place, condition in enumerate(form.sizes)}
        coordinates = {"condition": list(form.sizes)}
        for factor in factors:
            own = [form.levels[condition].get(factor) for condition in form.sizes]
            coordinates[factor] = ("condition", _levels(own))
    coordinates["replicate"] = np.arange(size)
    variables = {}
    for name, of in form.metrics.items():
        array = _array(of, form.done, places, (*shape, size))
        inner = [f"{name}_{axis}" for axis in range(array.ndim - len(shape) - 1)]
        variables[name] = ([*dimensions, "replicate", *inner], array)
    return xr.Dataset(variables, coordinates, {"crystallize": json.dumps(json_data(about))})


def write_netcdf(form: LongForm, path: Path, about: dict[str, Any]) -> None:
    """See :meth:`crystallize.Result.to_netcdf`."""
    optional_module("h5netcdf")
    optional_module("h5py")  # which h5netcdf writes with, and does not ask for
    data = as_dataset(form, about)
    for name, variable in data.variables.items():
        if variable.dtype == OBJECTS:
            texts = np.array([_text(value) for value in variable.values.flat], dtype=object)
            data[name] = (variable.dims, texts.reshape(variable.shape))
    data = data.rename({name: str(name).replace("/", "_") for name in data.variables})
    # Through bytes: the engine goes by the ending, which a file that is still written lacks.
    path.write_bytes(bytes(data.to_netcdf(engine="h5netcdf")))


def _array(
    of: Mapping[str, Array],
    done: Mapping[str, npt.NDArray[np.bool_]],
    places: Places,
    shape: tuple[int, ...],
) -> Array:
    """A metric under all conditions; NaN or ``None`` where there is no cell that finished."""
    of = {condition: _typed(array, done[condition]) for condition, array in of.items()}
    values = list(of.values())
    inner = {array.shape[1:] for array in values}
    whole = len(of) == int(np.prod(shape[:-1])) and all(
        len(array) == shape[-1] and done[condition].all() for condition, array in of.items()
    )
    kinds = {array.dtype.kind for array in values}
    alike = kinds <= set("iufc") or kinds == {"b"}
    dtype = np.result_type(*values) if alike else OBJECTS
    if len(inner) > 1:
        dtype, inner = OBJECTS, {()}
    if not whole and dtype != OBJECTS:
        dtype = OBJECTS if dtype.kind == "b" else np.result_type(dtype, np.float64)
    array = np.full((*shape, *inner.pop()), None if dtype == OBJECTS else 0, dtype=dtype)
    if not whole and dtype != OBJECTS:
        array[...] = np.nan
    for condition, given in of.items():
        finished = np.flatnonzero(done[condition])
        own = array[places[condition]]
        if dtype == OBJECTS:
            for replicate in finished.tolist():
                own[replicate] = given[replicate]
        else:
            own[finished] = given[finished]
    return array


def _typed(values: Array, done: npt.NDArray[np.bool_]) -> Array:
    """The values as an array of numbers, where that is what all cells that finished gave."""
    values = np.asarray(values)
    if values.dtype != OBJECTS:
        return values
    kept = packed(values[done].tolist())
    if isinstance(kept, list) or not len(kept):
        return values
    whole = np.zeros((len(values), *kept.shape[1:]), kept.dtype)
    whole[done] = kept
    return whole


def _levels(levels: list[Any]) -> Any:
    """The levels as one array, which are texts where they are of several kinds."""
    kinds = {bool if isinstance(v, bool) else str if isinstance(v, str) else float for v in levels}
    if len(kinds) == 1 and None not in levels:
        return np.array(levels)
    return np.array([str(level) for level in levels])


def _text(value: Any) -> str:
    """What no number is, as netCDF has it."""
    if value is None or (isinstance(value, float) and value != value):
        return ""  # xarray makes NaN of None where there are texts
    return value if isinstance(value, str) else json.dumps(json_data(plain_data(value, "metric")))
