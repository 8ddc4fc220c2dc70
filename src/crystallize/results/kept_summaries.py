"""What a run with ``keep="summary"`` kept, in a saved result: as JSON and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crystallize.cells.arrays import Array, Bundle, restored
from crystallize.cells.durations import DurationSummary
from crystallize.cells.leading_bits import LeadingBits
from crystallize.cells.moments import Moments
from crystallize.cells.numbers import Numbers
from crystallize.cells.statistics import MetricState, MetricStatistics
from crystallize.cells.summaries import ConditionSummary, PageSummaries
from crystallize.checks import flag, not_negative, whole_number
from crystallize.description.summarized import Summarized
from crystallize.results.checking import unique_names

MOST = 1e150
"""What no sum of squares is more than, in units of its scale."""


def summaries_data(summaries: PageSummaries, bundle: Bundle) -> list[dict[str, Any]]:
    """The conditions with what is known of their metrics; arrays go into the bundle."""
    return [
        {
            "name": condition,
            "replicates": summaries.replicates[condition],
            "finished": summary.finished,
            "durations": {
                "cells": summary.durations.cells,
                "total": summary.durations.total,
                "keys": bundle.add(summary.durations.bits.keys),
                "counts": bundle.add(summary.durations.bits.counts),
            },
            "metrics": [
                {"name": metric, "places": [_data(*item, bundle) for item in places.items()]}
                for metric, places in summary.metrics.items()
            ],
        }
        for condition, summary in summaries.of.items()
    ]


def summaries_of(data: Any, wanted: Summarized, array: Callable[[int], bytes]) -> PageSummaries:
    """What :func:`summaries_data` took.

    Parameters
    ----------
    data : list of dict
    wanted : Summarized
    array : callable
        The bytes of an array by its number.

    Raises
    ------
    ValueError, LookupError, TypeError
        If it is something else.
    """
    conditions = unique_names("conditions", data)
    if not conditions:
        raise ValueError("it has no conditions")
    numbers = {
        name: whole_number(f"replicates of {name!r}", kept["replicates"])
        for name, kept in conditions.items()
    }
    summaries = PageSummaries(numbers, wanted.by_element)
    for name, kept in conditions.items():
        summaries.of[name] = ConditionSummary(
            wanted.by_element,
            finished=whole_number(f"finished of {name!r}", kept["finished"]),
            metrics={
                metric: dict(_of_data(place, array) for place in of_metric["places"])
                for metric, of_metric in unique_names(
                    f"metrics of {name!r}", kept["metrics"]
                ).items()
            },
        )
        if (durations := kept.get("durations")) is not None:  # not there in an earlier version
            summaries.of[name].durations = _durations_of(durations, array)
        if summaries.of[name].finished > numbers[name]:
            raise ValueError(f"{name!r}: more cells finished than it has replicates")
    return summaries


def _data(place: tuple[int, ...], metric: MetricStatistics, bundle: Bundle) -> dict[str, Any]:
    state = metric.state
    return {
        "place": list(place),
        "present": state.present,
        "nan": state.nan,
        "numeric": state.numeric,
        "numbers": [*state.numbers[:-1], list(state.numbers.moments)],
        "keys": bundle.add(state.bits.keys),
        "counts": bundle.add(state.bits.counts),
        "waiting": bundle.add(state.waiting),
    }


def _of_data(
    kept: Mapping[str, Any], array: Callable[[int], bytes]
) -> tuple[tuple[int, ...], MetricStatistics]:
    least, largest, below, above, moments = kept["numbers"]
    n, scale, *floats = moments
    state = MetricState(
        whole_number("present", kept["present"]),
        whole_number("nan", kept["nan"]),
        flag("numeric", kept["numeric"]),
        Numbers(
            float(least),
            float(largest),
            whole_number("below", below),
            whole_number("above", above),
            Moments(
                whole_number("n", n), whole_number("scale", scale, least=None), *map(float, floats)
            ),
        ),
        _bits_of(kept, array),
        _list("waiting", kept, np.float64, array),
    )
    numbers = state.numbers.n + len(state.waiting)
    if state.numeric and numbers + state.nan != state.present:
        raise ValueError(f"{numbers} numbers and {state.nan} NaN are not {state.present} values")
    if state.bits.counts.sum() != state.numbers.n:
        raise ValueError("its counts are not of its numbers")
    if not (0 <= state.numbers.moments.m2 <= MOST and abs(state.numbers.moments.scale) <= 1100):
        raise ValueError("its moments are of no numbers")
    return tuple(whole_number("place", at) for at in kept["place"]), MetricStatistics.of_state(
        state
    )


def _bits_of(kept: Mapping[str, Any], array: Callable[[int], bytes]) -> LeadingBits:
    keys, counts = (_list(name, kept, np.int64, array) for name in ("keys", "counts"))
    if len(keys) != len(counts) or (counts < 1).any() or (np.diff(keys) < 1).any():
        raise ValueError("its counts are no counts of ascending numbers")
    return LeadingBits(keys, counts)


def _durations_of(kept: Mapping[str, Any], array: Callable[[int], bytes]) -> DurationSummary:
    cells, total = whole_number("cells", kept["cells"]), not_negative("total", kept["total"])
    bits = _bits_of(kept, array)
    if bits.counts.sum() != cells:
        raise ValueError("durations are not of so many cells")
    return DurationSummary(cells, total, bits)


def _list(name: str, kept: Mapping[str, Any], kind: type, array: Callable[[int], bytes]) -> Array:
    values = restored(kept[name], array)
    if not isinstance(values, np.ndarray) or values.dtype != kind or values.ndim != 1:
        raise ValueError(f"its {name} are no list of {kind.__name__}")
    return values
