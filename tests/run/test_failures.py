"""Cells that fail: what is kept of an error, and what is done about it."""

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.results.errors import CellFailedError

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}


def test_an_error_is_data():
    def trial(replicate):
        if replicate == 2:
            raise KeyError("lost key")
        return 1.0

    result = Experiment(trial, replicates=4, seed=6).run()
    (error,) = result.errors
    assert (error.condition, error.replicate, error.attempts) == ("baseline", 2, 1)
    assert (error.type, error.message) == ("KeyError", "'lost key'")
    assert error.seed == result.seeds[2]
    assert 'raise KeyError("lost key")' in error.traceback
    assert error.traceback.count("File ") == 1  # none of our own frames


def test_a_retry_can_succeed():
    tried = []

    def trial(replicate, seed):
        tried.append(seed)
        if len(tried) == 1:
            raise OSError("once")
        return 1.0

    result = Experiment(trial, retries=1).run()
    assert result.errors == []
    assert tried[0] == tried[1]


def test_raising_names_the_cell_and_shows_its_traceback():
    def trial(replicate):
        return 1 / (5 - replicate)

    with pytest.raises(CellFailedError, match=r"Replicate 5 of condition 'baseline'") as caught:
        Experiment(trial, replicates=100, on_error="raise").run()
    assert "1 / (5 - replicate)" in str(caught.value)
    done = np.flatnonzero(np.isfinite(caught.value.result.metrics["baseline"]["value"]))
    assert done.tolist() == [0, 1, 2, 3, 4]


def test_all_cells_failing_is_still_a_result():
    def trial(shift):
        if shift:
            raise ValueError
        return {"x": 1.0}

    result = Experiment(trial, CONDITIONS, replicates=3).run()
    assert np.isnan(result.metrics["b"]["x"]).all()
    assert [row["failed"] for row in result.summary()] == [0, 3]
    nothing = Experiment(lambda: 1 / 0, replicates=2).run()
    assert len(nothing.errors) == 2
    assert "2 cells failed" in repr(nothing)
