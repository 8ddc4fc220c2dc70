"""A replicate's randomness depends on (root seed, replicate) and on nothing else."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import SeedSequence, default_rng

from crystallize import CrystallizeError, Experiment, Result, StoreError


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


def legacy(replicate):
    return (42 + 31337 * replicate) % 2**32


def test_a_study_from_crystallize_ml_goes_on_with_its_seeds(tmp_path):
    experiment = Experiment(
        draw, replicates=4, seed=42, seed_rule="crystallize-ml", store=tmp_path / "cells.db"
    )
    result = experiment.run()
    assert result.seeds == [legacy(replicate) for replicate in range(4)]
    metrics = result.metrics["baseline"]
    assert metrics["seed"].tolist() == result.seeds
    assert metrics["x"].tolist() == [default_rng(seed).random() for seed in result.seeds]
    assert result.provenance["seed"] == {"root": 42, "rule": "(root + 31337 * replicate) % 2**32"}
    assert Result.from_store(tmp_path / "cells.db").seeds == result.seeds
    result.save(tmp_path / "result.zip")
    assert Result.load(tmp_path / "result.zip").seeds == result.seeds


def test_the_rule_of_seeds_holds_for_the_global_generators_and_in_worker_processes():
    def trial(seed):
        return {"seed": seed, "drawn": random.random()}

    def cells(strategy, **options):
        return (
            Experiment(
                trial,
                replicates=6,
                seed=2**32 - 5,
                seed_rule="crystallize-ml",
                seed_globals=True,
                execution=strategy,
                execution_options=options,
            )
            .run()
            .to_dict()["metrics"]
        )

    serial = cells("serial")
    assert serial == cells("parallel", executor_type="process", max_workers=2)
    seeds = [(2**32 - 5 + 31337 * replicate) % 2**32 for replicate in range(6)]
    assert serial["baseline"]["seed"] == seeds
    assert serial["baseline"]["drawn"] == [random.Random(seed).random() for seed in seeds]


def test_another_rule_of_seeds_is_another_experiment_to_a_store(tmp_path):
    store = tmp_path / "cells.db"
    Experiment(draw, seed=1, store=store).run()
    with pytest.raises(StoreError, match="31337"):
        Experiment(draw, seed=1, seed_rule="crystallize-ml", store=store).run()


def test_a_rule_of_seeds_that_does_not_exist_is_refused():
    with pytest.raises(CrystallizeError, match="seed_rule: expected 'numpy' or 'crystallize-ml'"):
        Experiment(draw, seed_rule="crystalize-ml")


def test_seed32_is_the_first_32_bits_of_the_stream():
    result = Experiment(lambda seed, seed32: {"seed": seed, "low": seed32}, replicates=9).run()
    metrics = result.metrics["baseline"]
    low = [int(SeedSequence(result.root, spawn_key=(i,)).generate_state(1)[0]) for i in range(9)]
    assert metrics["low"].tolist() == low == [int(seed) % 2**32 for seed in result.seeds]


def test_a_library_that_refuses_64_bits_is_explained():
    def trial(seed):
        return float(np.random.RandomState(seed).rand())

    result = Experiment(trial, replicates=2, seed=3).run()
    assert all("ask for `seed32`" in error.message for error in result.errors)
    assert len(result.errors) == 2

    def fits(seed32):
        return float(np.random.RandomState(seed32).rand())

    assert not Experiment(fits, replicates=2, seed=3).run().errors


def test_other_errors_are_not_explained_by_seeds():
    def trial(seed):
        raise ValueError("2**32 is a lot")

    (error,) = Experiment(trial).run().errors
    assert error.message == "2**32 is a lot"


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
