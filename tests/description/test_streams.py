"""Streams that are made many at once are NumPy's own, to whoever looks at them."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import SeedSequence, default_rng

from crystallize import Experiment
from crystallize.description.streams import words_of

MANY = 40
"""Enough cells for the later ones to be made by the block."""


def by_hand(root, replicate):
    return default_rng(SeedSequence(root, spawn_key=(replicate,)))


@given(
    root=st.integers(0, 2**200) | st.sampled_from([2**32 - 1, 2**32, 2**128 - 1, 2**128]),
    first=st.integers(0, 2**32 - 9) | st.integers(2**32, 2**63),
    count=st.integers(1, 5),
)
def test_the_words_are_those_of_numpy(root, first, count):
    words = words_of(root, first, first + 8, count)
    for place in (0, 7):
        sequence = SeedSequence(root, spawn_key=(first + place,))
        assert words[place].tolist() == sequence.generate_state(count, np.uint64).tolist()


@pytest.mark.parametrize(
    ("execution", "options"),
    [("serial", {}), ("parallel", {}), ("parallel", {"executor_type": "process"})],
)
def test_every_cell_of_a_long_run_draws_what_it_draws_by_hand(execution, options):
    def trial(rng, seed, seed32):
        return {"x": rng.normal(), "y": rng.integers(10**9), "seed": seed, "low": seed32}

    result = Experiment(
        trial, replicates=1000, seed=11, execution=execution, execution_options=options
    ).run()
    metrics = result.metrics["baseline"]
    for replicate in (0, 5, 6, 7, 261, 262, 263, 999):
        rng = by_hand(11, replicate)
        assert metrics["x"][replicate] == rng.normal()
        assert metrics["y"][replicate] == rng.integers(10**9)
    assert metrics["seed"].tolist() == result.seeds
    assert metrics["low"].tolist() == [seed % 2**32 for seed in result.seeds]
    assert result.seeds[999] == int(
        SeedSequence(11, spawn_key=(999,)).generate_state(1, np.uint64)[0]
    )


def test_a_generator_spawns_copies_and_tells_of_itself_as_numpys_own_does():
    seen = []

    def trial(rng, replicate):
        reference = by_hand(3, replicate)
        sequence, expected = rng.bit_generator.seed_seq, reference.bit_generator.seed_seq
        seen.append(
            sequence.entropy == expected.entropy == 3
            and sequence.spawn_key == expected.spawn_key
            and repr(sequence) == repr(expected)
            and rng.spawn(2)[1].random() == reference.spawn(2)[1].random()
            and sequence.spawn(1)[0].spawn_key == expected.spawn(1)[0].spawn_key
            and copy.deepcopy(rng).random() == reference.random()
            and pickle.loads(pickle.dumps(rng)).random() == copy.deepcopy(rng).random()
            and sequence.generate_state(9).tolist() == expected.generate_state(9).tolist()
            and default_rng(sequence).random() == default_rng(expected).random()
            and rng.bit_generator.state != by_hand(3, replicate + 1).bit_generator.state
        )
        rng.random()
        return 0.0

    Experiment(trial, replicates=MANY, seed=3).run()
    assert len(seen) == MANY
    assert all(seen)


def test_two_cells_share_no_generator():
    kept = []

    def trial(rng):
        kept.append(rng)
        return rng.random()

    values = Experiment(trial, replicates=MANY, seed=5).run().metrics["baseline"]["value"]
    assert len(set(values.tolist())) == MANY
    assert kept[30].random() != kept[31].random()
    assert len({id(rng.bit_generator) for rng in kept}) == MANY


def test_words_that_someone_changed_change_no_stream():
    def trial(rng, replicate):
        sequence = rng.bit_generator.seed_seq
        sequence.generate_state(4, np.uint64)[:] = 0
        return float(np.sum(sequence.generate_state(4, np.uint64) % 1000))

    result = Experiment(trial, replicates=MANY, seed=7).run()
    expected = SeedSequence(7, spawn_key=(MANY - 1,)).generate_state(4, np.uint64) % 1000
    assert result.metrics["baseline"]["value"][-1] == float(np.sum(expected))


PROGRAM = """
import warnings
import numpy.random, numpy as np
from crystallize.description import streams
streams.MIX_LEFT += 2  # as if this NumPy mixed otherwise
from crystallize import Experiment
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = Experiment(lambda rng, seed: {"x": rng.random()}, replicates=50, seed=1).run()
    seeds = result.seeds
for i in (3, 49):
    sequence = np.random.SeedSequence(1, spawn_key=(i,))
    assert result.metrics["baseline"]["x"][i] == np.random.default_rng(sequence).random()
    assert seeds[i] == int(sequence.generate_state(1, np.uint64)[0])
print([str(one.message)[:5] for one in caught])
"""


def test_a_numpy_that_differs_is_believed_with_a_warning():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['NumPy']\n"
