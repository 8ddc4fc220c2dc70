"""Studies whose every value is given: what a figure shows of them can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crystallize import Experiment, Result


def given(
    columns: dict[str, dict[str, Any]],
    *aggregators: object,
    factors: dict[str, dict[str, Any]] | None = None,
    **options: Any,
) -> Result:
    """A result whose metrics are the columns: condition -> metric -> value of each replicate.

    A value that is an exception is raised, which makes a failed cell.
    """
    longest = max(len(values) for metrics in columns.values() for values in metrics.values())

    def trial(replicate, condition, **_):
        row = {metric: values[replicate] for metric, values in columns[condition].items()}
        for value in row.values():
            if isinstance(value, Exception):
                raise value
        return row

    return Experiment(
        trial,
        factors or {name: {"name": name} for name in columns},
        replicates=longest,
        seed=1,
        aggregators=aggregators,
        **options,
    ).run()


@pytest.fixture(scope="session")
def study():
    return given


@pytest.fixture
def rng():
    return np.random.default_rng(20190417)
