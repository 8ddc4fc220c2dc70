"""Streams of their own: which conditions have them, and what they are by hand."""

import hashlib
import json
import random
import sys

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import SeedSequence, default_rng

from crystallize import (
    CrystallizeError,
    Experiment,
    InvalidValueError,
    Result,
    StoreMismatchError,
    UnknownNameError,
    grid,
)
from crystallize.description.streams import words_of

cloudpickle.register_pickle_by_value(sys.modules[__name__])

SETS = grid(gamma=[1, 1.5], n=[10, 20])


def key(**levels):
    """The key of some levels, by hand."""
    text = json.dumps(levels, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def sequence(root, replicate, **levels):
    return SeedSequence(root, spawn_key=(key(**levels), replicate))


def trial(rng, seed, seed32, ctx, gamma, n):
    if gamma == 1.5 and n == 20 and ctx.replicate == 3:
        raise ValueError("three")
    return {
        "x": rng.normal(),
        "seed": seed,
        "low": seed32,
        "ctx": ctx.rng.normal(),
        "ctx_seed": ctx.seed,
        "ctx_low": ctx.seed32,
    }


async def coroutine(rng, seed, seed32, ctx, gamma, n):
    return trial(rng, seed, seed32, ctx, gamma, n)


def experiment(**options):
    return Experiment(trial, SETS, **{"replicates": 40, "seed": 5, "streams": ["gamma"], **options})


@pytest.mark.parametrize(
    ("function", "execution", "options"),
    [
        (trial, "serial", {}),
        (trial, "parallel", {"max_workers": 2}),
        (trial, "parallel", {"max_workers": 2, "executor_type": "process"}),
        (coroutine, "async", {}),
    ],
    ids=["serial", "threads", "processes", "async"],
)
def test_every_cell_draws_what_it_draws_by_hand(function, execution, options):
    result = Experiment(
        function, SETS, replicates=40, seed=5, streams=["gamma"],
        execution=execution, execution_options=options,
    ).run()  # fmt: skip
    for condition, levels in SETS.items():
        metrics, gamma = result.metrics[condition], levels["gamma"]
        for replicate in (0, 5, 6, 7, 8, 39):
            own = sequence(5, replicate, gamma=gamma)
            assert metrics["x"][replicate] == metrics["ctx"][replicate] == default_rng(own).normal()
            seed = int(own.generate_state(1, np.uint64)[0])
            assert metrics["seed"][replicate] == metrics["ctx_seed"][replicate] == seed
            assert metrics["low"][replicate] == metrics["ctx_low"][replicate] == seed % 2**32
            assert result.seeds_of(condition)[replicate] == seed
    (error,) = result.errors
    assert error.seed == result.seeds_of(error.condition)[3]


def test_pairs_are_kept_within_and_none_are_left_between():
    metrics = experiment().run().metrics
    one, other = metrics["gamma=1,n=10"]["x"], metrics["gamma=1.5,n=10"]["x"]
    assert np.array_equal(one, metrics["gamma=1,n=20"]["x"])
    assert not np.isin(one, other).any()
    assert not np.isin(
        one, Experiment(trial, SETS, replicates=40, seed=5).run().metrics["gamma=1,n=10"]["x"]
    ).any()


def test_a_replicate_depends_on_its_levels_alone():
    whole = experiment().run().metrics
    reordered = dict(reversed(SETS.items()))
    for sets in (reordered, {"other name": SETS["gamma=1.5,n=10"]}):
        metrics = Experiment(trial, sets, replicates=9, seed=5, streams=("gamma",)).run().metrics
        for condition, levels in sets.items():
            name = f"gamma={levels['gamma']},n={levels['n']}"
            assert np.array_equal(metrics[condition]["x"], whole[name]["x"][:9], equal_nan=True)


def test_the_order_in_which_factors_are_named_does_not_count():
    one = Experiment(trial, SETS, seed=5, streams=["gamma", "n"])
    other = Experiment(trial, SETS, seed=5, streams=["n", "gamma"])
    assert one.spec.stream_keys == other.spec.stream_keys
    assert one.spec.stream_keys["gamma=1.5,n=20"] == key(gamma=1.5, n=20)
    assert len(set(one.spec.stream_keys.values())) == 4


@pytest.mark.parametrize(
    ("level", "same"),
    [(1.0, 1), (np.float64(1.5), 1.5), (np.int64(3), 3), ((1.0, 2), [1, 2]), (np.ones(2), [1, 1])],
    ids=repr,
)
def test_equal_levels_have_one_stream(level, same):
    def draws(rng, x):
        return rng.random()

    metrics = Experiment(draws, {"a": {"x": level}, "b": {"x": same}}, streams=["x"]).run().metrics
    assert metrics["a"]["value"] == metrics["b"]["value"]


@pytest.mark.parametrize("levels", [(True, 1), ("1", 1), (None, "null"), (float("nan"), "NaN")])
def test_different_levels_have_different_streams(levels):
    sets = {str(i): {"x": level} for i, level in enumerate(levels)}
    keys = Experiment(lambda x: 1.0, sets, streams=["x"]).spec.stream_keys
    assert len(set(keys.values())) == 2


def test_a_condition_that_gives_none_of_the_factors_has_the_streams_of_its_replicates():
    def draws(rng, x=0):
        return rng.random()

    sets = {"given": {"x": 1}, "not": {}}
    metrics = Experiment(draws, sets, seed=7, streams=["x"]).run().metrics
    plain = Experiment(draws, sets, seed=7).run().metrics
    assert metrics["not"]["value"] == plain["not"]["value"]
    assert metrics["given"]["value"] != plain["given"]["value"]


@given(
    root=st.integers(0, 2**200) | st.sampled_from([2**32 - 1, 2**32, 2**128]),
    own=st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32 - 1, 2**32]),
    first=st.integers(0, 2**32 - 9) | st.integers(2**32, 2**63),
)
def test_the_words_of_many_are_those_of_numpy(root, own, first):
    words = words_of(root, first, first + 8, key=own)
    for place in (0, 7):
        by_numpy = SeedSequence(root, spawn_key=(own, first + place))
        assert words[place].tolist() == by_numpy.generate_state(4, np.uint64).tolist()


def test_a_generator_spawns_what_numpys_own_does():
    seen = []

    def spawning(rng, replicate, x):
        by_hand = default_rng(sequence(5, replicate, x=1))
        seen.append(rng.bit_generator.seed_seq.spawn_key == (key(x=1), replicate))
        seen.append(rng.spawn(2)[1].random() == by_hand.spawn(2)[1].random())
        return 0.0

    Experiment(spawning, {"a": {"x": 1}}, replicates=40, seed=5, streams=["x"]).run()
    assert seen == [True] * 80


def test_global_generators_are_seeded_so_too():
    def draws(gamma, n):
        return random.random()

    result = Experiment(
        draws, SETS, replicates=40, seed=5, streams=["gamma"], seed_globals=True
    ).run()
    one, other = (result.metrics[f"gamma={gamma},n=10"]["value"] for gamma in (1, 1.5))
    assert np.array_equal(one, result.metrics["gamma=1,n=20"]["value"])
    assert not np.isin(one, other).any()


def test_replay_draws_the_same():
    whole = experiment()
    metrics = whole.run().metrics["gamma=1.5,n=10"]
    assert whole.replay(7, "gamma=1.5,n=10")["x"] == metrics["x"][7]


def test_a_result_has_no_seeds_that_all_conditions_share(tmp_path):
    result = experiment().run()
    with pytest.raises(CrystallizeError, match=r"seeds_of\(condition\)"):
        _ = result.seeds
    with pytest.raises(UnknownNameError, match="'x' is not among the conditions"):
        result.seeds_of("x")
    assert result.to_dict()["seeds"]["gamma=1.5,n=10"] == result.seeds_of("gamma=1.5,n=10")
    result.save(tmp_path / "r.zip")
    assert Result.load(tmp_path / "r.zip").to_dict() == result.to_dict()
    plain = Experiment(trial, SETS, replicates=2, seed=5).run()
    assert plain.seeds_of("gamma=1,n=10") == plain.seeds


def test_provenance_says_how_to_get_them_by_hand():
    seed = experiment().run().provenance["seed"]
    assert seed["rule"] == (
        "numpy.random.SeedSequence(root, spawn_key=(key, replicate)), key of the levels of gamma"
    )
    assert seed["streams"] == ["gamma"]
    assert seed["stream_keys"]["gamma=1.5,n=20"] == key(gamma=1.5)
    assert set(Experiment(trial, SETS, seed=5).run().provenance["seed"]) == {"root", "rule"}


def test_a_store_goes_on_with_the_same_streams_and_with_no_others(tmp_path):
    path = tmp_path / "s.db"
    experiment(store=path, replicates=15).run()
    resumed = experiment(store=path).run()
    whole = experiment().run()
    assert resumed.provenance["store"]["found"] == 60
    assert resumed.to_dict()["metrics"] == whole.to_dict()["metrics"]
    assert [error.seed for error in resumed.errors] == [error.seed for error in whole.errors]
    stored = Result.from_store(path)
    assert stored.to_dict()["seeds"] == whole.to_dict()["seeds"]
    assert stored.errors == whole.errors
    for others in ([], ["gamma", "n"]):
        with pytest.raises(StoreMismatchError, match=r"rule: .*key of the levels of gamma"):
            experiment(store=path, streams=others).run()


def test_verify_holds_them_under_every_strategy_and_against_a_study(tmp_path):
    own = experiment(replicates=4)
    own.run().save(tmp_path / "r.zip")
    assert own.verify(["serial", "parallel"], replicates=4).same
    assert own.verify(["serial"], against=tmp_path / "r.zip").same
    with pytest.raises(InvalidValueError, match=r"streams: expected what .*r\.zip has, other"):
        experiment(replicates=4, streams=[]).verify(["serial"], against=tmp_path / "r.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streams": ["gama"]}, "'gama' is not among the factors. Did you mean 'gamma'.*'n'"),
        ({"streams": ["n", "n"]}, "streams: expected each factor once, got 'n'"),
        ({"streams": "gamma"}, "streams: expected"),
        ({"streams": ["n"], "seed_rule": "crystallize-ml"}, "none with seed_rule"),
    ],
)
def test_what_is_no_factor_is_refused(options, message):
    with pytest.raises(CrystallizeError, match=message):
        Experiment(trial, SETS, **options)


def test_levels_that_have_no_text_of_their_own_are_refused():
    with pytest.raises(InvalidValueError, match=r"whose levels are numbers, texts, .* 'f'"):
        Experiment(lambda f: 1.0, {"a": {"f": np.mean}, "b": {"f": np.median}}, streams=["f"])
