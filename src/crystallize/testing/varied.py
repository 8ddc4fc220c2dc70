"""A function as it is, and with what results hold now and then."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Trial = Callable[..., Any]


def failing(trial: Trial, which: Callable[[int], bool]) -> Trial:
    """A function that fails at some of its calls, counted from 0."""
    calls = -1

    @functools.wraps(trial)
    def varied(**arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if which(calls):
            raise ValueError(f"call {calls}")
        return trial(**arguments)

    return varied


def with_metrics(trial: Trial, metrics: Callable[[int], Mapping[str, Any]]) -> Trial:
    """A function that returns further metrics, by the number of the call."""
    calls = -1

    @functools.wraps(trial)
    def varied(**arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        value = trial(**arguments)
        own = value if isinstance(value, Mapping) else {"value": value}
        return {**own, **metrics(calls)}

    return varied


def without_values(trial: Trial, missing: Any, every: int = 3) -> Trial:
    """A function whose metrics are missing at some of its calls."""
    calls = -1

    @functools.wraps(trial)
    def varied(**arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        value = trial(**arguments)
        if calls % every:
            return value
        own = value if isinstance(value, Mapping) else {"value": value}
        return dict.fromkeys(own, missing)

    return varied


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
