"""A shard is a part of a run: the same numbers in their places, and nothing of the others."""

import numpy as np
import pytest

from crystallize import Experiment, Result, Until, hookimpl
from crystallize.errors import CrystallizeError, StoreError, StoreMismatchError
from crystallize.results.errors import TooManyFailuresError
from crystallize.store.merging import merge
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result


def trial(rng, replicate, shift):
    if replicate % 17 == 3:
        raise ValueError("three")
    return {"x": rng.normal() + shift, "array": rng.normal(size=2)}


CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
REPLICATES = 100


def experiment(shard=None, **options):
    arguments = {"replicates": REPLICATES, "seed": 5, "shard": shard, **options}
    return Experiment(trial, CONDITIONS, **arguments)


@pytest.fixture(scope="module")
def whole():
    return experiment().run()


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_a_shard_has_its_replicates_where_the_whole_run_has_them(whole, keep):
    result = experiment("2/4", keep=keep).run()
    part = slice(25, 50)
    assert result.replicates == REPLICATES
    assert [error.replicate for error in result.errors] == [37, 37]
    assert [row["n"] for row in result.summary()] == [24, 24, 24, 24]
    assert result.provenance["shard"] == {
        "number": 2,
        "count": 4,
        "source": None,
        "replicates": {"a": [25, 50], "b": [25, 50]},
    }
    if keep == "values":
        for condition, metrics in result.metrics.items():
            for name, values in metrics.items():
                found = whole.metrics[condition][name]
                assert values[part].tobytes() == found[part].tobytes()
                assert np.isnan(np.delete(values, np.s_[part], axis=0)).all()
        expected = {name: values["x"][part] for name, values in result.metrics.items()}
        row = next(row for row in result.summary() if row["metric"] == "x")
        assert row["mean"] == pytest.approx(np.nanmean(expected["a"]))


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_stores_of_shards_are_the_whole_run_together(whole, tmp_path, keep):
    paths = [tmp_path / f"{number}.db" for number in (1, 2, 3)]
    for number, path in enumerate(paths, start=1):
        experiment(f"{number}/3", store=path, keep=keep).run()
        resumed = experiment(f"{number}/3", store=path, keep=keep).run()
        assert resumed.provenance["store"]["found"] == resumed.summary()[0]["n"] * 2 + 4
    merge([StoredExperiment(path) for path in paths], tmp_path / "all.db")
    merged = experiment(store=tmp_path / "all.db").run()
    assert merged.provenance["store"]["found"] == 2 * REPLICATES
    same_result(whole, merged)
    found, expected = merged.to_dict(), whole.to_dict()
    assert found.pop("provenance")["shard"] is None
    assert {**found, "provenance": expected["provenance"]} == expected


class Pages:
    def __init__(self):
        self.seen = []
        self.landed = 0

    @hookimpl
    def page_completed(self, page):
        parts = {name: (t.start, t.start + t.size) for name, t in page.tables.items()}
        self.seen.append((page.start, page.stop, parts, len(page)))

    @hookimpl
    def outcomes_completed(self, outcomes):
        self.landed += len(outcomes)


def pages_of(*arguments, **options):
    pages = Pages()
    experiment(*arguments, plugins=[pages], **options).run()
    return pages


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_the_pages_of_a_shard_are_those_of_the_whole_run_cut_to_it(tmp_path, keep):
    bounds = [seen[:2] for seen in pages_of().seen]
    pages = pages_of("2/4", store=tmp_path / "s.db", keep=keep)
    assert [seen[:2] for seen in pages.seen] == [(a, b) for a, b in bounds if a < 50 and b > 25]
    parts = [seen[2]["a"] for seen in pages.seen]
    assert parts[0][0] == 25
    assert parts[-1][1] == 50
    assert [start for start, _ in parts[1:]] == [stop for _, stop in parts[:-1]]
    assert sum(seen[3] for seen in pages.seen) == pages.landed == 50
    again = pages_of("2/4", store=tmp_path / "s.db", keep=keep)
    assert (again.seen, again.landed) == (pages.seen, pages.landed)


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_a_shard_takes_its_cells_alone_from_a_store_that_has_others(tmp_path, keep):
    experiment(store=tmp_path / "all.db").run()
    found = experiment("2/4", store=tmp_path / "all.db", keep=keep).run()
    assert found.provenance["store"]["found"] == 50
    fresh = experiment("2/4", keep=keep).run()
    assert found.summary() == fresh.summary()
    assert found.errors == fresh.errors


def test_a_store_is_of_one_shard_until_a_run_of_all_goes_on_with_it(whole, tmp_path):
    store = tmp_path / "results-1of2.db"
    experiment("1/2", store=store).run()
    stored = StoredExperiment(store)
    assert str(stored.shard) == "1/2"
    assert [row["missing"] for row in stored.counts()] == [0, 0]
    for other in ("2/2", "1/3"):
        with pytest.raises(StoreMismatchError, match=r"of shard 1/2, .*results-\dof\d\.db"):
            experiment(other, store=store).run()
    resumed = experiment(store=store).run()
    assert resumed.provenance["store"]["found"] == REPLICATES
    same_result(whole, resumed)
    assert Result.from_store(store).done["b"].sum() == whole.done["b"].sum()
    experiment("2/2", store=store).run()


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_conditions_with_replicates_of_their_own_are_shared_out_alike(tmp_path, keep):
    numbers = {"a": 100, "b": 3}
    expected = experiment(replicates=numbers).run()
    pages = [pages_of(f"{i}/4", replicates=numbers, keep=keep) for i in (1, 2, 3, 4)]
    assert [own.landed for own in pages] == [25, 26, 26, 26]
    assert [sum(seen[3] for seen in own.seen) for own in pages] == [25, 26, 26, 26]
    for i in (1, 2, 3, 4):
        experiment(f"{i}/4", replicates=numbers, store=tmp_path / "{shard}.db", keep=keep).run()
    sources = [StoredExperiment(path) for path in sorted(tmp_path.glob("*.db"))]
    merge(sources, tmp_path / "all.db")
    same_result(expected, experiment(replicates=numbers, store=tmp_path / "all.db").run())


def test_a_path_can_have_the_name_of_the_shard_in_it(tmp_path):
    for shard, name in (("2/2", "2of2.db"), (None, "1of1.db")):
        experiment(shard, store=tmp_path / "{shard}.db").run()
        assert (tmp_path / name).exists()


def test_the_share_of_failures_is_of_the_shards_own_cells():
    assert len(experiment("1/50", max_failures=0.1).run().errors) == 0
    with pytest.raises(TooManyFailuresError):
        experiment("1/20", max_failures=0.1).run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": None}, "seed: missing, and shard 1/4 cannot draw one"),
        ({"replicates": 3}, "4 shards of 3 replicates .*make 3 at the most"),
        ({"replicates": Until("x", half_width=0.1)}, "shard: with Until"),
    ],
)
def test_what_goes_with_no_shard_is_refused(options, message):
    with pytest.raises(CrystallizeError, match=message):
        experiment("1/4", **options)


def test_a_shard_that_begins_with_a_store_has_its_seed(tmp_path):
    experiment("1/4", store=tmp_path / "s.db").run()
    assert experiment("1/4", seed=None, store=tmp_path / "s.db").seed == 5


def test_two_runs_of_one_shard_do_not_share_its_store(tmp_path):
    stream = experiment("1/2", store=tmp_path / "s.db").stream()
    next(stream)
    try:
        with pytest.raises(StoreError, match=r"s\.db"):
            _in_a_thread(experiment("1/2", store=tmp_path / "s.db").run)
    finally:
        stream.close()


def _in_a_thread(call):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
