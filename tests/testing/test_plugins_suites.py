"""The suites of aggregators and observers pass plugins that do what they should."""

from collections import defaultdict

import numpy as np
import pytest

from crystallize import hookimpl
from crystallize.testing import AggregatorSuite, ObserverSuite

pytestmark = pytest.mark.faults  # it takes long


class Medians:
    @hookimpl
    def extend_result(self, result):
        return {
            "medians": {
                condition: {
                    metric: float(np.nanmedian(values)) if np.isfinite(values).any() else None
                    for metric, values in metrics.items()
                    if values.dtype.kind in "fib" and values.ndim == 1
                }
                for condition, metrics in result.metrics.items()
            }
        }


class Streaming:
    """Adds up page after page."""

    def __init__(self):
        self._sums = {}

    @hookimpl
    def before_run(self, run):
        self._sums[run] = 0.0

    @hookimpl
    def page_completed(self, run, page):
        for metrics in page.metrics().values():
            values = metrics.get("x", np.zeros(0))
            if values.dtype.kind == "f":
                self._sums[run] += float(np.nansum(values))

    @hookimpl
    def extend_result(self, run):
        return {"sum": self._sums.get(run, 0.0)}

    @hookimpl
    def run_ended(self, run):
        del self._sums[run]


class Counter:
    def __init__(self):
        self.cells = defaultdict(int)
        self.ended = []

    @hookimpl
    def outcomes_completed(self, run, outcomes):
        self.cells[run] += len(outcomes)

    @hookimpl
    def run_ended(self, run, status):
        self.ended.append((run.id, status, self.cells.pop(run, 0)))


class TestMedians(AggregatorSuite):
    def make(self):
        return Medians()


class TestStreaming(AggregatorSuite):
    def make(self):
        return Streaming()


class TestCounter(ObserverSuite):
    def make(self):
        return Counter()

    def seen(self, observer, run):
        return observer.cells[run]
