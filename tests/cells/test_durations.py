"""How long cells took, as runs of cells."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.cells.arrays import Bundle
from crystallize.cells.durations import DurationColumn, Durations, DurationSummary


def test_what_lies_between_two_looks_at_the_clock_is_shared_by_the_cells_there():
    points = [(10, 0.0), (14, 1.0), (15, 3.0)]
    assert Durations.of_points(points, 7, 4.0) == Durations([4, 1, 2], [0.25, 2.0, 0.5])
    assert Durations.of_points(points, 5, 9.0) == Durations([4, 1], [0.25, 2.0])
    assert Durations.of_points(points, 2, 9.0) == Durations([2], [0.25])  # cut short
    assert Durations.of_points(points, 0, 9.0) is None


def test_parts_are_those_of_the_cells():
    durations = Durations([3, 1, 2], [1.0, 2.0, 3.0])
    values = durations.values()
    kept = np.array([True, False, True, True, False, True])
    assert durations.only(kept).values().tolist() == values[kept].tolist()
    for start in range(6):
        for stop in range(start, 7):
            assert durations.between(start, stop).values().tolist() == values[start:stop].tolist()
    assert np.isnan(durations.without([3]).values()).tolist() == [i == 3 for i in range(6)]


@pytest.mark.parametrize("runs", [3, 40])
def test_they_come_back_from_json(runs):
    rng = np.random.default_rng(1)
    cells = rng.integers(1, 9, runs).tolist()
    seconds = rng.random(runs).astype(np.float32).tolist()
    for durations in (Durations(cells, seconds), Durations([1] * runs, seconds)):
        bundle = Bundle()
        kept = durations.to_json(bundle)
        assert Durations.from_json(kept, bundle.arrays.__getitem__) == durations


@pytest.mark.parametrize(
    "kept",
    [
        {"cells": {"objects": [1]}, "seconds": {"objects": [1.0, 2.0]}},
        {"cells": {"objects": [0]}, "seconds": {"objects": [1.0]}},
        {"cells": {"objects": [1]}, "seconds": {"objects": [-1.0]}},
        {"cells": {"objects": [1.5]}, "seconds": {"objects": [1.0]}},
        {"cells": None, "seconds": {"objects": ["x"]}},
    ],
)
def test_what_is_none_is_refused(kept):
    with pytest.raises((ValueError, TypeError)):
        Durations.from_json(kept, {}.__getitem__)


@pytest.mark.parametrize("size", [1, 20, 3000])
@pytest.mark.parametrize("longest", [1, 400])
def test_a_column_has_what_came_last_whether_it_keeps_runs_or_numbers(size, longest):
    rng = np.random.default_rng(size + longest)
    column, plain = DurationColumn(size), np.full(size, np.nan, np.float32)
    for _ in range(60):
        start = int(rng.integers(size))
        stop = min(size, start + int(rng.integers(1, longest + 1)))
        places = slice(start, stop)
        seconds = float(np.float32(rng.random()))
        if rng.random() < 0.3:
            cells = np.unique(rng.integers(start, stop, 3))
            column.add(cells, Durations([1] * len(cells), [seconds] * len(cells)))
            plain[cells] = seconds
        else:
            column.add(places, Durations([stop - start], [seconds]))
            plain[places] = seconds
        assert column.values().tobytes() == plain.tobytes()
        part = column.part(places)
        assert part.values().tobytes() == plain[places].tobytes()
        assert part.durations().values().tobytes() == plain[places].tobytes()
    assert column.durations().values().tobytes() == plain.tobytes()


def test_a_summary_leaves_out_what_is_not_known():
    summary = DurationSummary()
    assert (summary.cells, summary.mean, summary.p95) == (0, None, None)
    summary.add(Durations([90, 5], [1.0, float("nan")]))
    summary.add(Durations([10], [3.0]))
    assert (summary.cells, summary.mean, summary.p95) == (100, 1.2, 3.0)


def test_with_a_timeout_a_cell_of_half_a_millisecond_or_more_has_its_own():
    def uneven(replicate: int) -> int:
        end = perf_counter() + (0.0008 if replicate % 2 else 0.0001)
        while perf_counter() < end:
            pass
        return replicate

    result = Experiment(
        uneven,
        replicates=60,
        seed=1,
        timeout=30,
        execution="parallel",
        execution_options={"max_workers": 2, "executor_type": "process"},
    ).run()
    assert (result.durations["baseline"][1::2] >= 0.0008).all()
