"""A replicate's randomness depends on (root seed, replicate) and on nothing else."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import SeedSequence, default_rng

from crystallize import CrystallizeError, Experiment


def draw(rng, seed):
    return {"x": rng.random(), "seed": seed}


def test_replicate_seven_by_hand():
    result = Experiment(draw, replicates=10, seed=42).run()
    stream = SeedSequence(42).spawn(10)[7]
    assert result.metrics["baseline"]["x"][7] == default_rng(stream).random()
    assert result.seeds[7] == int(stream.generate_state(1, np.uint64)[0])
    assert result.to_dict()["metrics"]["baseline"]["seed"][7] == result.seeds[7]


@given(root=st.integers(0, 2**80), replicate=st.integers(0, 20))
def test_any_replicate_by_hand(root, replicate):
    value = Experiment(lambda rng: rng.random(), seed=root).replay(replicate)
    assert value == default_rng(SeedSequence(root).spawn(replicate + 1)[replicate]).random()


def test_more_replicates_and_conditions_change_no_other_cell():
    def trial(rng, shift):
        return rng.random() + shift

    few = Experiment(trial, {"a": {"shift": 0}}, replicates=5, seed=3).run()
    many = Experiment(trial, {"b": {"shift": 1}, "a": {"shift": 0}}, replicates=9, seed=3).run()
    assert few.metrics["a"]["value"].tolist() == many.metrics["a"]["value"][:5].tolist()


def test_conditions_share_the_stream_of_a_replicate():
    result = Experiment(
        lambda rng, shift: rng.random() + shift,
        {"a": {"shift": 0}, "b": {"shift": 1}},
        replicates=20,
        seed=1,
    ).run()
    a, b = (result.metrics[c]["value"] for c in "ab")
    assert np.allclose(b - a, 1, atol=1e-12)


def test_a_drawn_seed_is_kept_and_reproduces():
    first = Experiment(draw, replicates=4)
    again = Experiment(draw, replicates=4, seed=first.seed)
    assert first.run().seeds == again.run().seeds
    assert first.run().seeds == first.run().seeds
    assert Experiment(draw).seed != first.seed


@pytest.mark.parametrize("seed", [-1, 2.5, "7", [5, 0], True, np.float64(3)])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(CrystallizeError, match="seed: expected a whole number"):
        Experiment(draw, seed=seed)


def test_a_numpy_integer_is_a_seed():
    assert Experiment(draw, seed=np.int64(5)).run().seeds == Experiment(draw, seed=5).run().seeds


PROGRAM = """
import json, sys
from crystallize import Experiment
def trial(rng, shift):
    return {name: rng.random() + shift for name in ("b", "a", "c")}
strategy, options = json.loads(sys.argv[1])
result = Experiment(trial, {"one": {"shift": 0}, "two": {"shift": 1}}, replicates=30, seed=8,
                    execution=strategy, execution_options=options).run()
content = result.to_dict()
del content["provenance"]
print(json.dumps(content))
"""


def test_hash_seed_and_strategy_change_no_byte():
    process = '["parallel", {"executor_type": "process", "max_workers": 2}]'
    printed = set()
    for hash_seed, strategy in (("0", '["serial", {}]'), ("1", process), ("77", process)):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, strategy],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1
