"""When two results are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from crystallize.results.result import Result


def same_result(one: Result, other: Result) -> None:
    """Assert that two results are the same, byte for byte."""
    assert list(one.metrics) == list(other.metrics)
    for condition, metrics in one.metrics.items():
        assert list(metrics) == list(other.metrics[condition])
        for metric, values in metrics.items():
            found = other.metrics[condition][metric]
            assert (values.dtype, values.shape) == (found.dtype, found.shape)
            if values.dtype == object:
                assert [_bytes(v) for v in values] == [_bytes(v) for v in found]
            else:
                assert values.tobytes() == found.tobytes()
    assert one.errors == other.errors
    assert one.seeds == other.seeds


def _bytes(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else (type(value), value)
