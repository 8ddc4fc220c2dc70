"""A function as it is, and with what results hold now and then."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crystallize.cells.metrics import ONLY_METRIC

Trial = Callable[..., Any]


def failing(trial: Trial, which: Callable[[int], bool]) -> Trial:
    """A function that fails at some of its calls, counted from 0."""

    def vary(call: int, give: Callable[[], Any]) -> Any:
        if which(call):
            raise ValueError(f"call {call}")
        return give()

    return _counted(trial, vary)


def with_metrics(trial: Trial, metrics: Callable[[int], Mapping[str, Any]]) -> Trial:
    """A function that returns further metrics, by the number of the call."""
    return _counted(trial, lambda call, give: {**_named(give()), **metrics(call)})


def without_values(trial: Trial, missing: Any, every: int = 3) -> Trial:
    """A function whose metrics are missing at some of its calls."""

    def vary(call: int, give: Callable[[], Any]) -> Any:
        value = give()
        return value if call % every else dict.fromkeys(_named(value), missing)

    return _counted(trial, vary)


def _counted(trial: Trial, vary: Callable[[int, Callable[[], Any]], Any]) -> Trial:
    """A function that is told of the number of each call, and of how to make it."""
    calls = itertools.count()

    @functools.wraps(trial)
    def varied(**arguments: Any) -> Any:
        return vary(next(calls), functools.partial(trial, **arguments))

    return varied


def _named(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {ONLY_METRIC: value}


VARIED: dict[str, Callable[[Trial], Trial]] = {
    "failed cells": lambda trial: failing(trial, lambda call: call % 5 == 2),
    "the first cells failed": lambda trial: failing(trial, lambda call: call < 4),
    "every cell failed": lambda trial: failing(trial, lambda call: True),
    "one cell left": lambda trial: failing(trial, lambda call: call != 7),
    "metrics that are NaN": lambda trial: without_values(trial, float("nan")),
    "metrics that are None": lambda trial: without_values(trial, None),
    "a metric that is text": lambda trial: with_metrics(trial, lambda call: {"label": f"{call}"}),
    "a metric that is an array": lambda trial: with_metrics(
        trial, lambda call: {"draws": np.arange(3.0) + call}
    ),
    "a metric that some cells lack": lambda trial: with_metrics(
        trial, lambda call: {"rare": 1.0} if call % 2 else {}
    ),
    "a metric that never varies": lambda trial: with_metrics(trial, lambda call: {"flat": 1.0}),
}
"""What a result may hold -> what makes a function whose results do; for serial runs."""
