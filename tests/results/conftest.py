"""A result with every kind of metric, and a cell that failed."""

import numpy as np
import pytest

from crystallize import Experiment


def trial(rng, replicate, scale):
    if replicate == 2 and scale > 1:
        raise ValueError("two <b>")
    return {
        "x": rng.normal() * scale,
        "n": replicate,
        "odd": replicate % 2 == 1,
        "name": f"r{replicate}",
        "mixed": [None, 1.5, "text", 2**70, 1 + 2j][replicate],
        "array": np.full(2, replicate),
        "ragged": np.zeros(replicate),
    }


@pytest.fixture
def result():
    conditions = {"narrow": {"scale": 1.0}, "wide": {"scale": 2.0}}
    return Experiment(trial, conditions, replicates=5, seed=1, name="kinds").run()
