"""Replicates until enough is known: the same number everywhere, and never more than allowed."""

import json
import os
import signal
import sys
import threading

import cloudpickle
import numpy as np
import pytest

from crystallize import (
    Experiment,
    Interrupted,
    InvalidValueError,
    InvalidValuesError,
    Result,
    UnknownNameError,
    Until,
    hookimpl,
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test

CONDITIONS = {"plain": {"noise": 0.0}, "wild": {"noise": 1.0}, "calm": {"noise": 0.2}}
GOALS = [Until("x", half_width=0.06, of="difference"), Until("late", half_width=0.06)]


def trial(rng, replicate, noise):
    draw = rng.normal(size=4).mean() + noise * rng.normal()
    if replicate % 97 == 5 and noise:
        raise ValueError(f"replicate {replicate}")
    return {"x": draw, "late": bool(draw > 1), "of": "text"}


async def atrial(rng, replicate, noise):
    return trial(rng, replicate, noise)


def run(function=trial, replicates=GOALS, **options):
    return Experiment(function, CONDITIONS, replicates=replicates, seed=8, **options).run()


def lengths(result):
    return {name: len(done) for name, done in result.done.items()}


def same(one, other):
    assert lengths(one) == lengths(other)
    assert one.sections == other.sections
    assert one.provenance["until"] == other.provenance["until"]
    assert one.provenance["replicates"] == other.provenance["replicates"]
    first, second = (
        [(error.condition, error.replicate, error.message) for error in result.errors]
        for result in (one, other)
    )
    assert first == second
    for condition, metrics in one.metrics.items():
        for name, values in metrics.items():
            assert repr(values.tolist()) == repr(other.metrics[condition][name].tolist())


@pytest.fixture(scope="module")
def expected():
    return run()


def test_conditions_that_are_done_stop_and_others_go_on(expected):
    sizes = lengths(expected)
    assert sizes["calm"] < sizes["wild"] == sizes["plain"]  # whose difference it is
    assert expected.replicates == sizes["plain"]
    assert all(len(x) == sizes[c] for c, m in expected.metrics.items() for x in m.values())
    rows = expected.sections["until"]
    assert [(row["condition"], row["of"]) for row in rows] == [
        ("wild", "difference"),
        ("calm", "difference"),
        *((name, "mean") for name in CONDITIONS),
    ]
    for row in rows:
        assert row["reached"]
        assert row["half_width"] <= row["target"] == 0.06
        assert row["lower"] <= row["estimate"] <= row["upper"]
    for goal in expected.provenance["until"]:
        for path in goal["path"].values():
            widths = [width for _, width in path]
            assert all(width is None or width > 0.06 for width in widths[:-1])
            assert widths[-1] <= 0.06
    frame = expected.to_frame()
    assert frame.groupby("condition").size().to_dict() == sizes
    assert len(expected.seeds) == expected.replicates


STRATEGIES = [
    ("parallel", trial, {"max_workers": 4}),
    ("parallel", trial, {"max_workers": 2, "executor_type": "process"}),
    ("async", atrial, {}),
]


@pytest.mark.parametrize(("execution", "function", "options"), STRATEGIES)
def test_the_number_is_the_same_under_every_strategy(expected, execution, function, options):
    same(run(function, execution=execution, execution_options=options), expected)


def test_a_thousand_coroutines_at_once_run_few_cells_that_are_not_needed(expected):
    begun = 0

    async def counted(rng, replicate, noise):
        nonlocal begun
        begun += 1
        return trial(rng, replicate, noise)

    result = run(counted, execution="async")
    assert lengths(result) == lengths(expected)
    assert begun < 60_000  # of 300,000; how many depends on how soon somebody can look


class Eight:
    """Eight lines that call each replicate, without a word on streaming."""

    called = 0

    def run_experiment_loop(self, experiment, replicate_fn):
        results = [replicate_fn(i) for i in range(experiment.replicates)]
        self.called += experiment.replicates
        return results


def test_a_plain_loop_is_not_given_all_that_there_could_be(expected):
    loop = Eight()
    same(run(execution=loop), expected)
    assert loop.called < 4 * expected.replicates


@pytest.mark.parametrize("before", [1, 120, 400, 5000])
def test_the_number_is_the_same_after_a_resume(tmp_path, expected, before):
    store = tmp_path / "cells.db"
    run(replicates=before, store=store)
    same(run(store=store, execution="parallel"), expected)


def test_more_precision_goes_on_from_what_is_there(tmp_path):
    store = tmp_path / "cells.db"

    def until(width):
        replicates = Until("value", half_width=width)
        return Experiment(
            lambda rng: rng.normal(), replicates=replicates, seed=3, store=store
        ).run()

    rough = until(0.2)
    fine = until(0.1)
    assert fine.replicates > rough.replicates
    assert fine.provenance["store"]["found"] >= rough.replicates
    assert lengths(Result.from_store(store)) == lengths(fine)
    again = until(0.2)  # everything is there
    same(again, rough)
    assert lengths(Result.from_store(store)) == lengths(fine)


def test_after_an_interruption_it_goes_on(tmp_path, expected):
    store = tmp_path / "cells.db"

    class Stop:
        @hookimpl
        def page_completed(self, page):
            if page.stop > 200:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as interrupted:
        run(store=store, plugins=[Stop()])
    assert interrupted.value.result.replicates < Until("x", half_width=1).at_most
    assert lengths(Result.from_store(store))["wild"] >= 200
    same(run(store=store), expected)


def test_a_run_never_has_more_than_is_allowed():
    result = run(replicates=Until("x", half_width=1e-6, at_most=250))
    assert lengths(result) == dict.fromkeys(CONDITIONS, 250)
    assert not any(row["reached"] for row in result.sections["until"])


def test_a_plugin_may_still_end_the_run():
    class Enough:
        @hookimpl
        def should_stop(self, page):
            return "enough" if page.stop >= 128 else None

    result = run(plugins=[Enough()], execution="parallel")
    assert lengths(result) == dict.fromkeys(CONDITIONS, 128)
    assert result.provenance["stopped"]["reason"] == "enough"
    for goal in result.provenance["until"]:
        assert all(n <= 128 for path in goal["path"].values() for n, _ in path)
    assert all(row["n"] is None or row["n"] <= 128 for row in result.sections["until"])


def test_a_cell_beyond_the_end_fails_without_consequence():
    def fails_late(rng, replicate):
        if replicate >= 112:
            raise ValueError
        return 5 * rng.random() < 1e-9

    result = Experiment(
        fails_late, replicates=Until("value", half_width=0.1), seed=1, max_failures=0,
        execution="parallel", execution_options={"max_workers": 2},
    )  # fmt: skip
    assert not result.run().errors


def test_files_and_plugins_take_conditions_of_different_lengths(tmp_path, expected):
    path = tmp_path / "result.zip"
    expected.save(path)
    loaded = Result.load(path)
    same(loaded, expected)
    assert json.dumps(expected.to_dict(), allow_nan=False)
    assert "until" in str(expected)
    pages = []

    class Watch:
        @hookimpl
        def page_completed(self, page):
            pages.append((page.start, {n: t.start + t.size for n, t in page.tables.items()}))

    run(plugins=[Watch()])
    sizes = lengths(expected)
    for start, stops in pages:
        assert set(stops) == {name for name, size in sizes.items() if size > start}
    assert max(stops.get("calm", 0) for _, stops in pages) == sizes["calm"]


@pytest.mark.parametrize(
    ("until", "error", "message"),
    [
        (Until("y", half_width=1), UnknownNameError, "Known: 'x', 'late', 'of'"),
        (Until("of", half_width=1), InvalidValueError, "a metric that is one number"),
        (Until("x", half_width=1, of="proportion"), InvalidValueError, "0 and 1 alone"),
        (Until("x", half_width=1, bounds=(-1, 1)), InvalidValueError, "bounds of all values"),
    ],
)
@pytest.mark.parametrize("execution", ["serial", "parallel"])
def test_what_cannot_be_known_ends_the_run_and_costs_nothing(until, error, message, execution):
    with pytest.raises(error, match=message) as raised:
        run(replicates=until, execution=execution)
    assert raised.value.result.done["plain"].sum() >= 16


def test_where_nothing_varies_or_is_finite_it_goes_on_to_the_end():
    def odd(replicate, kind):
        return {"constant": 2.5, "infinite": np.inf if replicate == 3 else replicate % 2}[kind]

    conditions = {"constant": {"kind": "constant"}, "infinite": {"kind": "infinite"}}
    until = Until("value", half_width=1, at_most=300)
    result = Experiment(odd, conditions, replicates=until, seed=1).run()
    assert lengths(result) == {"constant": 300, "infinite": 300}
    assert [row["half_width"] for row in result.sections["until"]] == [None, None]


@pytest.mark.parametrize("of", ["median", "q90", "q2.5"])
def test_quantiles(of):
    until = Until("value", half_width=0.2, of=of)
    result = Experiment(lambda rng: rng.normal(), replicates=until, seed=6).run()
    (row,) = result.sections["until"]
    assert row["reached"]
    assert row["upper"] - row["lower"] <= 0.4
    values = result.metrics["baseline"]["value"]
    share = 0.5 if of == "median" else float(of[1:]) / 100
    assert row["estimate"] == pytest.approx(np.quantile(values, share))


def test_relative_precision():
    until = Until("value", relative=0.05)
    result = Experiment(lambda rng: rng.exponential(), replicates=until, seed=6).run()
    (row,) = result.sections["until"]
    assert row["half_width"] <= 0.05 * row["estimate"] == row["target"]


def test_a_yes_or_no_as_a_number_is_a_proportion_until_it_is_not():
    def value(replicate, rng):
        return int(rng.random() < 0.5) if replicate < 130 else 2.0 * rng.random()

    few = Until("value", half_width=0.2)
    many = Until("value", half_width=0.08)
    assert [
        Experiment(value, replicates=until, seed=2).run().sections["until"][0]["method"]
        for until in (few, many)
    ] == ["beta-binomial", "asymptotic"]


def test_progress_says_how_wide_and_how_many(capsys):
    run(replicates=Until("x", half_width=0.06), progress=True)
    shown = capsys.readouterr().err
    assert "x ±" in shown
    assert "of 0.06" in shown
    assert "300000" not in shown


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "half_width, relative: give one or the other"),
        ({"half_width": 1, "relative": 1}, "give one or the other"),
        ({"half_width": 0}, "half_width: expected a number above 0"),
        ({"half_width": 1, "of": "mode"}, "of: expected 'mean' or 'proportion'"),
        ({"half_width": 1, "of": "q100"}, "of: expected"),
        ({"half_width": 1, "confidence": 95}, "confidence: expected a number between 0 and 1"),
        ({"half_width": 1, "at_least": 0}, "at_least: expected a whole number, 1 or more"),
        ({"half_width": 1, "at_most": 99}, "at_most: expected a whole number, at_least"),
        ({"half_width": 1, "bounds": [1, 0]}, "bounds: expected two numbers"),
        ({"half_width": 1, "bounds": [0, 1], "of": "median"}, "bounds: they are for"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(Exception, match=message):
        Until("x", **values)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(InvalidValuesError, match="2 values"):
        Until("", half_width="wide")


@pytest.mark.parametrize(
    ("replicates", "message"),
    [
        ([], "a whole number, 1 or more"),
        ([Until("x", half_width=1), 5], "Until"),
        ([Until("x", half_width=1), Until("y", half_width=1, at_most=200)], "the same in each"),
        (Until("x", half_width=1, of="difference"), "no condition beside the baseline"),
    ],
)
def test_what_an_experiment_cannot_have_is_refused(replicates, message):
    with pytest.raises(Exception, match=message):
        Experiment(trial, {"one": {"noise": 0}}, replicates=replicates)


def test_verify_runs_as_many_as_there_are_for_certain():
    experiment = Experiment(trial, CONDITIONS, replicates=GOALS, seed=8)
    certificate = experiment.verify(["serial", "parallel"], replicates=20)
    assert certificate.same
    assert threading.active_count() < 50
