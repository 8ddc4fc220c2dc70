"""Runs that keep no values: summaries of the same bits, whatever ran them."""

import sys
import warnings

import cloudpickle
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import (
    CellFailedError,
    Experiment,
    Interrupted,
    PluginWarning,
    Result,
    TooManyFailuresError,
    Until,
    ValuesNotKeptError,
    hookimpl,
)
from crystallize.contracts import Task
from crystallize.plugins import Completion

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test

ALL = ["mean", "sd", "mcse", "min", "max", "sum", "skewness", "kurtosis"]
SUMMARY = {"statistics": ALL, "elements": ["at", "ragged"]}
CONDITIONS = {"control": {"shift": 0}, "treated": {"shift": 1}}


def trial(rng, replicate, shift):
    if replicate % 17 == 3 and shift:
        raise ValueError(f"replicate {replicate}")
    if replicate % 50 == 7:
        warnings.warn(f"shift {shift}", RuntimeWarning, stacklevel=1)
    metrics = {
        "x": rng.normal() + 1e6 * shift,
        "at": rng.normal(size=2),
        "ragged": np.arange(replicate % 3, dtype=float),
        "mixed": replicate if replicate < 100 else replicate + 0.5,
        "wild": [float("nan"), float("inf"), 1.0][min(replicate % 40, 2)],
    }
    return metrics | ({"late": "text" if replicate % 2 else 1.0} if replicate > 60 else {})


def calm(rng, replicate, shift):
    if replicate % 17 == 3 and shift:
        raise ValueError(f"replicate {replicate}")
    return {"x": rng.normal() + shift}


async def atrial(rng, replicate, shift):
    return trial(rng, replicate, shift)


def experiment(function=trial, **options):
    options = {"replicates": 2500, "seed": 4, "summary": SUMMARY, **options}
    return Experiment(function, CONDITIONS, **options)


def quiet(call, *arguments):
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("default", RuntimeWarning)
        return call(*arguments)


def run(**options):
    return quiet(experiment(**options).run)


def bits(result):
    """What a result says without values, as text in which every bit shows."""
    errors = [(error.condition, error.replicate, error.message) for error in result.errors]
    return repr((result.summary(), result.warnings, errors, result.replicates))


@pytest.fixture(scope="module")
def expected():
    return bits(run())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"execution": "parallel", "execution_options": {"max_workers": 3}},
        {
            "execution": "parallel",
            "execution_options": {"max_workers": 2, "executor_type": "process"},
        },
        {"execution": "async", "function": atrial, "execution_options": {"max_concurrency": 7}},
    ],
    ids=["serial", "threads", "processes", "async"],
)
def test_summaries_are_the_bits_of_kept_values_under_every_strategy(options, expected):
    result = run(keep="summary", **options)
    assert bits(result) == expected
    assert result.provenance["keep"] == "summary"


class Blocks:
    """Runs blocks of the sizes that it is given, several at a time, in an order of its own."""

    def __init__(self, sizes, order):
        self.sizes, self.order = sizes, order

    @hookimpl
    def execute(self, call, next_task):
        waiting: list[Task] = []
        taken = 0
        while True:
            while len(waiting) < 4 and (task := next_task()) is not None:
                waiting.append(task)
            if not waiting:
                return
            place = self.order[taken % len(self.order)] % len(waiting)
            task = waiting.pop(place)
            stop = min(task.stop, task.start + self.sizes[taken % len(self.sizes)])
            taken += 1
            block = call(task._replace(stop=stop))
            yield Completion(task, value=block)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    order=st.lists(st.integers(0, 3), min_size=1, max_size=7),
)
def test_summaries_do_not_depend_on_blocks_and_their_order(sizes, order):
    options = {"replicates": 700}
    expected = bits(run(**options))
    result = run(keep="summary", execution=Blocks(sizes, order), **options)
    assert bits(result) == expected


@pytest.mark.parametrize("before", [1, 50, 2499, 2500])
@pytest.mark.parametrize("keep", ["values", "summary"])
def test_summaries_are_the_same_after_a_resume(tmp_path, before, keep, expected):
    store = tmp_path / "cells.db"
    run(replicates=before, store=store, keep=keep)
    result = run(store=store, keep="summary")
    assert result.provenance["store"]["found"] == 2 * before
    assert bits(result) == expected
    read = Result.from_store(store, keep="summary")
    assert read.summary(ALL) == Result.from_store(store).summary(ALL)
    assert result.summary(["mean"])[0]["mean"] == read.summary(["mean"])[0]["mean"]


def test_a_resume_runs_what_is_missing_in_the_middle_and_what_failed(tmp_path):
    store = tmp_path / "cells.db"
    failing = {"left": 0}

    def sometimes(replicate, rng):
        if replicate % 5 == 0 and failing["left"]:
            raise ValueError("not yet")
        return rng.normal()

    def again(**options):
        return Experiment(
            sometimes, replicates=600, seed=2, store=store, accept_changes=True, **options
        ).run()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failing["left"] = 1
        first = again(keep="summary")
        failing["left"] = 0
        second = again(keep="summary", retry_failed=True)
        whole = Experiment(sometimes, replicates=600, seed=2).run()
    assert len(first.errors) == 120
    assert (second.errors, second.provenance["store"]["found"]) == ([], 480)
    assert second.summary() == whole.summary()


class Enough:
    @hookimpl
    def should_stop(self, page):
        return "enough" if page.stop >= 500 else None


def test_a_run_that_a_plugin_stops_is_summarised_up_to_there():
    options = {"plugins": [Enough()], "execution": "parallel"}
    result = run(keep="summary", **options)
    assert 500 <= result.replicates < 600
    assert bits(result) == bits(run(**options))


def ends(rng, replicate, shift):
    if replicate == 301 and shift:
        raise ValueError("no more")
    return trial(rng, replicate, 0)


class Interrupts:
    @hookimpl
    def outcomes_completed(self, outcomes):
        if any(outcome.replicate >= 300 for outcome in outcomes):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_error": "raise"}, CellFailedError),
        ({"max_failures": 0}, TooManyFailuresError),
        ({"plugins": [Interrupts()]}, Interrupted),
    ],
)
def test_a_run_that_ends_early_is_summarised_with_what_had_finished(tmp_path, options, error):
    store = tmp_path / "cells.db"
    options = {"execution": Blocks([40], [1, 0]), "store": store, "keep": "summary", **options}
    ending = experiment(ends, summary={"statistics": ALL}, **options)
    with pytest.raises(error) as ended:
        quiet(ending.run)
    summary = ended.value.result
    finished = sum(row["n"] for row in summary.summary() if row["metric"] == "x")
    assert 0 < finished < 5000
    assert summary.summary() == Result.from_store(store).summary(ALL)


def test_cells_that_are_tried_again_count_once():
    tried = set()

    def twice(replicate):
        if replicate % 3 == 0 and replicate not in tried:
            tried.add(replicate)
            raise ValueError("once more")
        return float(replicate)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = Experiment(twice, replicates=300, retries=1, keep="summary", seed=1).run()
    (row,) = result.summary(["sum"])
    assert (row["n"], row["sum"], row["failed"]) == (300, 299 * 150.0, 0)


def test_what_has_no_values_says_where_there_are_some(tmp_path):
    pytest.importorskip("pandas")
    store = tmp_path / "cells.db"
    with_store = run(keep="summary", store=store, replicates=50)
    without = run(keep="summary", replicates=50)
    for ask in (
        lambda result: result.metrics,
        lambda result: result.done,
        lambda result: result.to_frame(),
        lambda result: result.summary(elements=True),
    ):
        with pytest.raises(ValuesNotKeptError, match=r"Result\.from_store\('.*cells.db'\)"):
            ask(with_store)
        with pytest.raises(ValuesNotKeptError, match="keep='values', or with a store"):
            ask(without)
    assert len(Result.from_store(store).metrics["control"]["x"]) == 50
    content = without.to_dict()
    assert (content["metrics"], content["seeds"]) == (None, None)
    assert content["summary"][0]["n"] == 50


def test_observers_see_outcomes_and_pages_and_aggregators_are_told():
    class Looks:
        cells = pages = 0

        @hookimpl
        def outcomes_completed(self, outcomes):
            self.cells += sum(outcome.metrics is not None for outcome in outcomes)

        @hookimpl
        def page_completed(self, page):
            self.pages += len(page.metrics()["control"]["x"])

        @hookimpl
        def aggregate_results(self, outcomes):
            return {"mean": outcomes.metrics()["control"]["x"].mean()}

        @hookimpl
        def extend_result(self, result):
            return {"first": result.metrics["control"]["x"][0]}

    looks = Looks()
    with pytest.warns(PluginWarning, match="There are no metrics: with keep='summary'"):
        result = experiment(keep="summary", function=calm, replicates=340, plugins=[looks]).run()
    assert (looks.cells, looks.pages) == (2 * 340 - 20, 340)
    assert result.sections == {}
    told = [(told["hook"], told["type"]) for told in result.provenance["plugin_errors"]]
    assert told == [
        ("aggregate_results", "ValuesNotKeptError"),
        ("extend_result", "ValuesNotKeptError"),
    ]


def test_outcomes_stream_as_ever():
    outcomes = quiet(list, experiment(keep="summary", replicates=40).stream())
    assert len(outcomes) == 80
    assert sum(outcome.error is not None for outcome in outcomes) == 3


def test_a_condition_of_which_no_cell_finished_has_the_others_rows():
    def half(shift):
        if shift:
            raise ValueError("never")
        return {"a": 1.0, "b": 2.0}

    rows = [
        Experiment(half, CONDITIONS, replicates=20, seed=1, keep=keep).run().summary()
        for keep in ("values", "summary")
    ]
    assert rows[0] == rows[1]
    assert [(row["metric"], row["n"], row["failed"]) for row in rows[1]] == [
        ("a", 20, 0), ("b", 20, 0), ("a", 0, 20), ("b", 0, 20),
    ]  # fmt: skip


def test_many_texts_of_warnings_are_counted_as_one_page_by_page():
    def warns(replicate):
        warnings.warn(f"replicate {replicate}", RuntimeWarning, stacklevel=1)
        return 1.0

    results = [
        quiet(Experiment(warns, replicates=1500, seed=1, keep=keep).run)
        for keep in ("values", "summary")
    ]
    assert results[0].warnings == results[1].warnings
    assert [(record.message, record.count) for record in results[1].warnings] == [
        ("replicate 0", 1500)
    ]


def test_conditions_that_end_apart_are_summarised_up_to_where_they_end(tmp_path):
    def spread(rng, shift):
        return {"x": rng.normal() * (1 + 2 * shift)}

    def until(**options):
        enough = Until("x", half_width=0.3, at_most=50_000)
        return Experiment(spread, CONDITIONS, replicates=enough, seed=1, **options).run()

    expected, store = bits(until()), tmp_path / "cells.db"
    assert bits(until(keep="summary")) == expected
    assert bits(until(keep="summary", execution="parallel", store=store)) == expected
    resumed = until(keep="summary", store=store)
    assert bits(resumed) == expected
    n = [row["n"] for row in resumed.summary()]
    assert n[0] < n[1] < 50_000
    assert [row["n"] for row in Result.from_store(store, keep="summary").summary()] == n
