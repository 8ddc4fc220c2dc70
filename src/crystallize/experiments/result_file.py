"""A saved result: a zip of one JSON file and NumPy arrays; nothing in it is a pickle."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crystallize.errors import ResultFileError
from crystallize.experiments.outcomes import CellError
from crystallize.experiments.plain import plain_data

if TYPE_CHECKING:
    from crystallize.experiments.result import Result

FORMAT = "crystallize-result"
VERSION = 1
CONTENT = "result.json"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that one result is always the same bytes."""


def save(result: Result, path: Path) -> None:
    """See :meth:`crystallize.Result.save`."""
    arrays: dict[str, npt.NDArray[Any]] = {}

    def kept(array: npt.NDArray[Any]) -> dict[str, Any]:
        if array.dtype == object:
            return {"objects": [_encoded(value, kept) for value in array.tolist()]}
        name = f"{len(arrays)}.npy"
        arrays[name] = array
        return {"array": name}

    try:
        content = {
            "format": FORMAT,
            "version": VERSION,
            "root": result.root,
            "baseline": result.baseline,
            "conditions": [
                {
                    "name": condition,
                    "done": kept(done),
                    "metrics": [
                        {"name": metric, **kept(values)}
                        for metric, values in result.metrics[condition].items()
                    ],
                }
                for condition, done in result.done.items()
            ],
            "errors": [[getattr(e, name) for name in CellError.__slots__] for e in result.errors],
            "sections": plain_data(result.sections, "sections"),
            "provenance": plain_data(result.provenance, "provenance"),
        }
    except TypeError as error:
        raise ResultFileError(f"{path}: cannot save this result: {error}.") from error
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry(CONTENT), json.dumps(content))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(_entry(name), buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """The arguments of :class:`~crystallize.Result` from a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(CONTENT))
            if content["format"] != FORMAT or content["version"] != VERSION:
                raise ResultFileError(
                    f"{path}: holds {content['format']} version {content['version']}; this "
                    f"version of Crystallize reads {FORMAT} version {VERSION}."
                )

            def restored(kept: dict[str, Any]) -> npt.NDArray[Any]:
                if "array" in kept:
                    buffer = io.BytesIO(archive.read(kept["array"]))
                    return np.lib.format.read_array(buffer, allow_pickle=False)
                values = np.empty(len(kept["objects"]), dtype=object)
                for place, value in enumerate(kept["objects"]):
                    values[place] = _decoded(value, restored)
                return values

            conditions = content["conditions"]
            return {
                "root": content["root"],
                "baseline": content["baseline"],
                "done": {c["name"]: restored(c["done"]) for c in conditions},
                "metrics": {
                    c["name"]: {m["name"]: restored(m) for m in c["metrics"]} for c in conditions
                },
                "errors": [CellError(*fields) for fields in content["errors"]],
                "sections": content["sections"],
                "provenance": content["provenance"],
            }
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
        if isinstance(error, ResultFileError):
            raise
        raise ResultFileError(
            f"{path}: this is not a saved result, or it is damaged ({error}). "
            "Result.save writes one."
        ) from error


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _encoded(value: Any, kept: Any) -> Any:
    if isinstance(value, np.ndarray):
        return kept(value)
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return value


def _decoded(value: Any, restored: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "complex" in value:
        return complex(*value["complex"])
    return restored(value)
