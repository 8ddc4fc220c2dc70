"""A run on a store runs what is missing, and its bytes are those of an undisturbed run."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.errors import StoreError, StoreMismatchError
from crystallize.results.errors import CellFailedError
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
calls: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def _count():
    calls.clear()


def trial(rng, replicate, condition, shift):
    calls.append((condition, replicate))
    if replicate == 4 and shift:
        raise ValueError("four")
    return {
        "x": rng.normal() + shift,
        "n": replicate,
        "big": 2**70 * replicate,
        "text": f"{condition}{replicate}",
        "array": rng.integers(0, 9, size=3),
        "ragged": np.zeros(replicate % 3),
        "mixed": [1, 2.5, None, 1 + 2j][replicate % 4],
    }


def make(store=None, **options):
    arguments = {"replicates": 20, "seed": 7, **options}
    return Experiment(trial, arguments.pop("conditions", CONDITIONS), store=store, **arguments)


def test_a_finished_store_runs_nothing_again(store):
    first = make(store).run()
    calls.clear()
    again = make(store).run()
    assert calls == []
    same_result(first, again)
    kept = again.provenance["store"]
    assert (kept["path"], kept["found"], kept["generation"]) == (str(store), 40, 1)
    (generation,) = kept["generations"]
    assert generation["cells"] == {"a": [[0, 20]], "b": [[0, 20]]}


def test_more_replicates_run_exactly_the_additional_ones(store):
    make(store).run()
    calls.clear()
    result = make(store, replicates=30).run()
    assert sorted(calls) == sorted((c, i) for c in CONDITIONS for i in range(20, 30))
    same_result(make(replicates=30).run(), result)


def test_fewer_replicates_give_the_first_ones(store):
    make(store).run()
    calls.clear()
    result = make(store, replicates=3).run()
    assert calls == []
    same_result(make(replicates=3).run(), result)


def test_another_condition_runs_exactly_that_one(store):
    make(store).run()
    calls.clear()
    conditions = {"c": {"shift": 5.0}, **CONDITIONS}
    result = make(store, conditions=conditions).run()
    assert sorted(calls) == [("c", i) for i in range(20)]
    same_result(make(conditions=conditions).run(), result)


def test_failed_cells_are_run_again_only_on_demand(store):
    make(store).run()
    calls.clear()
    assert len(make(store).run().errors) == 1
    assert calls == []
    result = make(store, retry_failed=True).run()
    assert calls == [("b", 4)]
    assert len(result.errors) == 1


def test_what_finished_before_a_failure_ended_the_run_is_in_the_store(store):
    with pytest.raises(CellFailedError) as caught:
        make(store, on_error="raise").run()
    kept = int(sum(done.sum() for done in caught.value.result.done.values()))
    assert kept
    calls.clear()
    result = make(store).run()
    assert len(calls) == 40 - kept - 1
    same_result(make().run(), result)


def test_the_seed_is_the_stores_where_none_is_given(store):
    first = make(store, seed=None).run()
    calls.clear()
    again = make(store, seed=None).run()
    assert calls == []
    same_result(first, again)


def test_outcomes_of_attempts_are_kept(store):
    make(store, retries=2).run()
    assert [e.attempts for e in make(store).run().errors] == [3]


def test_a_store_of_another_experiment_is_refused_showing_what_differs(store):
    make(store).run()
    before = store.read_bytes()
    with pytest.raises(StoreMismatchError, match=r"seed: 7, now 8"):
        make(store, seed=8).run()
    changed = {"a": {"shift": 0.5}}
    with pytest.raises(StoreMismatchError, match=r"condition 'a', `shift`: 0\.0, now 0\.5"):
        make(store, conditions=changed).run()
    with pytest.raises(StoreMismatchError, match="function: 'trial', now"):
        Experiment(lambda shift: shift, CONDITIONS, seed=7, store=store).run()
    assert StoredExperiment(store).identity["seed"] == 7
    assert len(store.read_bytes()) == len(before)


@pytest.mark.filterwarnings("ignore::crystallize.StoreWarning")
@pytest.mark.parametrize("strategy", ["parallel", "async"])
def test_a_store_made_by_one_strategy_is_resumed_by_another(store, strategy):
    def plain(rng):
        return rng.random()

    async def coroutine(rng):
        return rng.random()

    options = {"replicates": 30, "seed": 3}
    Experiment(plain, store=store, **{**options, "replicates": 10}).run()
    function = coroutine if strategy == "async" else plain
    result = Experiment(
        function, store=store, execution=strategy, accept_changes=True, **options
    ).run()
    assert result.provenance["store"]["found"] == 10
    same_result(Experiment(lambda rng: rng.random(), **options).run(), result)


def test_a_stream_whose_consumer_raised_keeps_the_store_from_nobody(store):
    def trial(replicate):
        return float(replicate)

    experiment = Experiment(trial, replicates=50, seed=1, store=store)
    stream = experiment.stream()
    with pytest.raises(ZeroDivisionError):
        for _ in stream:
            raise ZeroDivisionError
    assert len(experiment.run().metrics["baseline"]["value"]) == 50
    with pytest.raises(StoreError, match="another run has taken the store of this stream"):
        list(stream)


def test_a_stream_whose_consumer_is_in_another_thread_keeps_the_store(store):
    def trial(replicate):
        return float(replicate)

    experiment = Experiment(trial, replicates=50, seed=1, store=store)
    stream = experiment.stream()
    next(stream)
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(StoreError, match=r"another run is using .* has close\(\)"),
    ):
        pool.submit(experiment.run).result()
    stream.close()
    assert experiment.run().provenance["store"]["found"] > 0
