"""Studies whose every value is given: what a section makes of them can be worked out by hand."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.stats

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

    conditions = factors or {name: {"name": name} for name in columns}
    return Experiment(
        trial,
        conditions,
        replicates=longest,
        seed=options.pop("seed", 1),
        aggregators=aggregators,
        **options,
    ).run()


@pytest.fixture(autouse=True)
def plugins_raise(monkeypatch):
    """What a section raises is seen; no warning of NumPy is lost."""
    monkeypatch.setenv("CRYSTALLIZE_PLUGIN_ERRORS", "raise")


@pytest.fixture
def rng():
    return np.random.default_rng(20190417)


@pytest.fixture
def seeded():
    """The seed of what SciPy resamples, by the name that the argument has in its version."""
    parameters = inspect.signature(scipy.stats.bootstrap).parameters
    return {"rng" if "rng" in parameters else "random_state": np.random.default_rng(1)}


@pytest.fixture
def study():
    return given
