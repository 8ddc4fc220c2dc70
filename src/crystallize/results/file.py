"""A saved result: a zip of one JSON file and NumPy arrays; nothing in it is a pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array, Bundle, as_objects, restored
from crystallize.cells.attempts import Attempt, in_order
from crystallize.cells.column import with_mask
from crystallize.cells.durations import DurationColumn, Durations
from crystallize.cells.outcome import CellError
from crystallize.cells.plain import plain_data
from crystallize.cells.summaries import PageSummaries
from crystallize.cells.warned import WarningRecord
from crystallize.checks import choice, each, table, whole_number
from crystallize.description.spec import RULES
from crystallize.description.summarized import USUAL, Summarized, summarized
from crystallize.errors import ResultFileError, described
from crystallize.results.checking import (
    check_attempts,
    check_done,
    check_errors,
    check_metrics,
    check_warnings,
    unique_names,
)
from crystallize.results.kept_summaries import summaries_data, summaries_of
from crystallize.results.replacing import replaced_whole
from crystallize.results.unpacking import opened_within

FORMAT = "crystallize-result"


VERSION = 1
WITHOUT_VALUES = 2
"""The version of a file of a run that kept no values, which others cannot read."""


CONTENT = "result.json"


LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that one result is always the same bytes."""


class Parts(TypedDict):
    """What a file holds: the arguments of :class:`~crystallize.Result`, by name."""

    metrics: Mapping[str, Mapping[str, Array]] | None
    done: Mapping[str, npt.NDArray[np.bool_]] | None
    errors: list[CellError]
    root: int
    seed_rule: str
    baseline: str
    provenance: dict[str, Any]
    sections: dict[str, Any]
    warnings: NotRequired[list[WarningRecord]]
    factors: NotRequired[Mapping[str, Mapping[str, Any]]]
    stream_keys: NotRequired[Mapping[str, int]]
    summarized: NotRequired[Summarized]
    summaries: NotRequired[PageSummaries | None]
    attempts: NotRequired[list[Attempt]]
    durations: NotRequired[Mapping[str, DurationColumn]]


def save(result: Parts, path: Path) -> None:
    """Write what a result consists of; see :meth:`crystallize.Result.save`."""
    bundle = Bundle()
    try:
        content = json.dumps(_content(result, bundle))
    except (TypeError, ValueError) as error:  # also whole numbers too long to be written
        raise ResultFileError(f"{path}: cannot save this result: {error}.") from error
    with (
        replaced_whole(path) as beside,
        zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(_entry(CONTENT), content)
        for number, array in enumerate(bundle.arrays):
            archive.writestr(_entry(_array_name(number)), array)


def load(path: Path, max_bytes: int | None = None) -> Parts:
    """Read what a result consists of; see :meth:`crystallize.Result.load`."""
    try:
        with opened_within(path, max_bytes) as archive:
            content = json.loads(archive.read(CONTENT))
            if content["format"] != FORMAT or content["version"] not in (VERSION, WITHOUT_VALUES):
                raise ResultFileError(
                    f"{path}: holds {content['format']} version {content['version']}; this "
                    f"version of Crystallize reads {FORMAT} version {VERSION} and {WITHOUT_VALUES}."
                )
            return _parts(content, lambda number: archive.read(_array_name(number)))
    except ResultFileError:
        raise
    except Exception as error:  # damage shows as anything that zip, zlib, JSON or NumPy raise
        raise ResultFileError(
            f"{path}: this is not a saved result, or it is damaged ({described(error)}). "
            "Result.save writes one."
        ) from error


def _content(result: Parts, bundle: Bundle) -> dict[str, Any]:
    """The JSON of a result, whose arrays go into the bundle."""
    summaries, wanted = result.get("summaries"), result.get("summarized", USUAL)
    return {
        "format": FORMAT,
        "version": VERSION if summaries is None else WITHOUT_VALUES,
        "root": result["root"],
        "seed_rule": result["seed_rule"],
        "baseline": result["baseline"],
        "conditions": _values_data(result, bundle)
        if summaries is None
        else summaries_data(summaries, bundle),
        "summary": {"statistics": wanted.statistics, "elements": wanted.elements},
        "errors": [[getattr(e, name) for name in CellError.__slots__] for e in result["errors"]],
        "warnings": [
            [getattr(w, name) for name in WarningRecord.__slots__]
            for w in result.get("warnings", ())
        ],
        "sections": plain_data(result["sections"], "sections"),
        "factors": plain_data(result.get("factors", {}), "factors"),
        "stream_keys": dict(result.get("stream_keys", {})),
        "provenance": plain_data(result["provenance"], "provenance"),
        "attempts": [attempt.to_json() for attempt in result.get("attempts", ())],
        "durations": {
            name: column.durations().to_json(bundle)
            for name, column in result.get("durations", {}).items()
        },
    }


def _values_data(result: Parts, bundle: Bundle) -> list[dict[str, Any]]:
    done, metrics = result["done"] or {}, result["metrics"] or {}
    return [
        {
            "name": condition,
            "done": bundle.add(flags),
            "metrics": [
                {"name": metric, **bundle.add(values)}
                for metric, values in metrics[condition].items()
            ],
        }
        for condition, flags in done.items()
    ]


def _parts(content: dict[str, Any], array: Callable[[int], bytes]) -> Parts:
    """What :func:`_content` took; `array` gives the bytes of an array by its number."""
    wanted = summarized("summary", content.get("summary"))
    done: dict[str, Array] | None = None
    metrics: dict[str, dict[str, Array]] | None = None
    summaries = None
    if content["version"] == WITHOUT_VALUES:
        summaries = summaries_of(content["conditions"], wanted, array)
        replicates = summaries.replicates
    else:
        done, metrics = _values_of(content["conditions"], array)
        replicates = {name: len(flags) for name, flags in done.items()}
    errors = [CellError(*fields) for fields in content["errors"]]
    check_errors(errors, replicates, done)
    parts: Parts = {
        "root": whole_number("root", content["root"]),
        # Not there in a file of an earlier version.
        "seed_rule": RULES["seed_rule"]("seed_rule", content.get("seed_rule", "numpy")),
        "baseline": choice("baseline", content["baseline"], choices=replicates),
        "done": done,
        "metrics": metrics,
        "errors": errors,
        "sections": table("sections", content["sections"]),
        "provenance": table("provenance", content["provenance"]),
        "summarized": wanted,
        "summaries": summaries,
    }
    # None of these is there in a file of an earlier version.
    if warnings := content.get("warnings"):
        parts["warnings"] = [WarningRecord(*fields) for fields in warnings]
        check_warnings(parts["warnings"], replicates)
    if factors := content.get("factors"):
        parts["factors"] = each(table)("factors", factors)
    if keys := content.get("stream_keys"):
        parts["stream_keys"] = each(whole_number)("stream_keys", keys)
    if attempts := content.get("attempts"):
        parts["attempts"] = in_order(map(Attempt.from_json, attempts), replicates)
        check_attempts(parts["attempts"], replicates)
    if durations := content.get("durations"):
        parts["durations"] = {
            name: _column_of(Durations.from_json(kept, array), replicates[name])
            for name, kept in durations.items()
        }
    return parts


def _column_of(durations: Durations, size: int) -> DurationColumn:
    if durations.total != size:
        raise ValueError(f"durations of {durations.total} cells, where there are {size}")
    column = DurationColumn(size)
    column.add(slice(0, size), durations)
    return column


def _values_of(
    conditions: Any, array: Callable[[int], bytes]
) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    kept = unique_names("conditions", conditions)
    done = {name: _values(condition["done"], array) for name, condition in kept.items()}
    check_done(done)
    metrics: dict[str, dict[str, Array]] = {}
    for name, condition in kept.items():
        of_metrics = unique_names(f"metrics of {name!r}", condition["metrics"])
        metrics[name] = {
            metric: with_mask(_values(values, array), done[name])
            for metric, values in of_metrics.items()
        }
    check_metrics(metrics, done)
    return done, metrics


def _values(kept: Mapping[str, Any], array: Callable[[int], bytes]) -> Array:
    found = restored(kept, array)
    return as_objects(found) if isinstance(found, list) else found


def _array_name(number: int) -> str:
    return f"{number}.npy"


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, LONG_AGO)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def is_saved(path: Path) -> bool:
    """Whether a file may be one that :meth:`crystallize.Result.save` wrote, and no store.

    Where no file can be it is not; who opens it as a store says why.
    """
    try:
        return path.is_file() and zipfile.is_zipfile(path)
    except OSError:
        return False
