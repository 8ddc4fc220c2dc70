"""A pilot says how many replicates it takes; a dry run says what would run."""

import json
import math
import sys

import cloudpickle
import numpy as np
import pytest

from crystallize import Experiment, InvalidValuesError, UnknownNameError, Until

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test

CONDITIONS = {"plain": {"shift": 0.0}, "shifted": {"shift": 0.5}}
ONLY = ["serial"]


def trial(rng, shift):
    x = rng.normal() + shift + shift * rng.normal()
    return {"x": x, "high": bool(x > 3), "same": 1.5, "text": "a"}


def experiment(**options):
    given = {"replicates": 400, "seed": 5, **options}
    return Experiment(trial, CONDITIONS, **given)


def rows(found, metric):
    return {
        row.get("condition") or row["treatment"]: row for row in found if row["metric"] == metric
    }


def test_without_a_target_it_says_what_the_replicates_will_tell():
    plan = experiment().plan(100, strategies=ONLY)
    result = experiment(replicates=100).run()
    assert plan.replicates == {"plain": 400, "shifted": 400}
    metrics, comparisons = rows(plan.metrics, "x"), rows(plan.comparisons, "x")
    for name, row in metrics.items():
        values = result.metrics[name]["x"]
        assert (row["n"], row["mean"]) == (100, values.mean())
        assert row["sd"] == values.std(ddof=1)
        assert row["mcse"] == pytest.approx(row["sd"] / 20)
        assert row["half_width"] == pytest.approx(1.96 * row["sd"] / 20, rel=1e-3)
    difference = result.metrics["shifted"]["x"] - result.metrics["plain"]["x"]
    assert list(comparisons) == ["shifted"]
    assert comparisons["shifted"]["sd"] == pytest.approx(difference.std(ddof=1))
    assert comparisons["shifted"]["detectable"] == pytest.approx(
        2.8016 * difference.std(ddof=1) / 20, rel=1e-4
    )
    assert not rows(plan.metrics, "text")


def test_targets_say_how_many():
    plan = experiment().plan(
        60, mcse=0.05, half_width=0.2, difference=0.1, metrics=["x"], strategies=ONLY
    )
    row, pair = rows(plan.metrics, "x")["shifted"], rows(plan.comparisons, "x")["shifted"]
    assert row["for_mcse"] == math.ceil((row["sd"] / 0.05) ** 2)
    assert row["for_half_width"] == math.ceil((1.959964 * row["sd"] / 0.2) ** 2)
    assert pair["for_power"] == pytest.approx((2.8016 * pair["sd"] / 0.1) ** 2, abs=3)
    needed = [
        row[key] or 0
        for row in [*plan.metrics, *plan.comparisons]
        for key in ("for_mcse", "for_half_width", "for_power")
    ]
    assert plan.replicates == dict.fromkeys(CONDITIONS, max(needed))


def test_a_yes_that_never_came_is_not_taken_for_impossible():
    plan = experiment().plan(20, mcse=0.01, metrics=["high"], strategies=ONLY)
    assert rows(plan.metrics, "high")["plain"]["mean"] == 0
    assert rows(plan.metrics, "high")["plain"]["for_mcse"] > 100
    assert rows(plan.comparisons, "high")["shifted"]["for_mcse"] > 100


def test_what_does_not_vary_needs_nothing():
    plan = experiment().plan(20, mcse=0.01, half_width=1, metrics=["same"], strategies=ONLY)
    assert rows(plan.metrics, "same")["plain"]["for_mcse"] is None
    assert plan.replicates == dict.fromkeys(CONDITIONS, 400)


def test_until_takes_about_as_many_as_are_planned():
    until = [Until("x", half_width=0.2, of="difference"), Until("high", half_width=0.05)]
    planned = experiment(replicates=until).plan(200, strategies=ONLY).replicates
    taken = experiment(replicates=until).run()
    for name, done in taken.done.items():
        assert 0.5 < planned[name] / len(done) < 2


def test_strategies_are_timed_and_those_that_cannot_be_had_say_why():
    plan = experiment(replicates=2000).plan(20, strategies=["serial", "parallel", "async"])
    named = {(row["strategy"], row["options"]): row for row in plan.strategies}
    assert next(iter(named)) == ("serial", None)
    for key in (("serial", None), ("parallel", None), ("parallel", "executor_type=process")):
        assert named[key]["seconds"] >= named[key]["start"] > 0
        assert named[key]["workers"] >= 1
    assert "coroutine" in named["async", None]["note"]


def test_memory_and_store_are_about_what_they_will_be(tmp_path):
    def numbers(rng):
        return {f"m{i}": rng.normal() for i in range(5)}

    store = tmp_path / "cells.db"
    empty = tmp_path / "empty.db"
    plan = Experiment(numbers, replicates=30_000, seed=1).plan(20, strategies=ONLY)
    Experiment(numbers, replicates=1, seed=1, store=empty).run()
    result = Experiment(numbers, replicates=30_000, seed=1, store=store).run()
    arrays = sum(values.nbytes for values in result.metrics["baseline"].values())
    assert plan.memory == pytest.approx(arrays + 30_000, rel=0.01)
    assert plan.store == pytest.approx(store.stat().st_size - empty.stat().st_size, rel=0.3)


def test_failures_of_the_pilot_are_counted():
    def fails(replicate):
        if replicate % 2:
            raise ValueError
        return float(replicate)

    plan = Experiment(fails, replicates=10, seed=1).plan(10, strategies=ONLY)
    assert plan.failed == 5
    assert plan.metrics[0]["n"] == 5


def test_it_is_a_table_and_data():
    plan = experiment().plan(20, mcse=0.1, strategies=ONLY)
    assert json.loads(json.dumps(plan.to_dict()))["replicates"] == plan.replicates
    text = str(plan)
    for part in ("pilot       20 replicates", "±64%", "metrics", "comparisons", "strategies"):
        assert part in text


@pytest.mark.parametrize("values", [{"mcse": 0, "power": 1}, {"pilot": 1, "half_width": np.inf}])
def test_what_does_not_fit_is_refused(values):
    with pytest.raises(InvalidValuesError, match="2 values"):
        experiment().plan(**values)


def test_a_metric_that_is_not_there_is_refused():
    with pytest.raises(UnknownNameError, match="metrics: 'y' is not among the metrics"):
        experiment().plan(5, metrics=["y"], strategies=ONLY)


def test_a_dry_run_says_what_would_run_and_runs_nothing(tmp_path):
    calls = []

    def called(rng, replicate, shift):
        calls.append(replicate)
        return rng.normal() + shift

    store = tmp_path / "cells.db"

    def made(replicates, conditions=CONDITIONS):
        return Experiment(called, conditions, replicates=replicates, seed=2, store=store)

    content = made(100).dry_run().to_dict()
    assert not calls
    assert not store.exists()
    assert content["cells"] == 200
    assert content["conditions"] == {"plain": 100, "shifted": 100}
    assert content["store"] == {"path": str(store), "found": 0, "failed": 0, "changes": []}
    assert content["execution"]["name"] == "serial"
    made(30).run()
    count, before = len(calls), store.read_bytes()
    assert made(100).dry_run().to_dict()["store"]["changes"] == []
    assert "60 cells are there" in str(made(100).dry_run())
    changed = made(100, conditions={"plain": {"shift": 7.0}}).dry_run()
    assert changed.to_dict()["store"]["found"] == 30
    assert "refused" in str(changed)
    assert "shift" in str(changed)
    assert (len(calls), store.read_bytes()) == (count, before)
    json.dumps(changed.to_dict())


def test_a_dry_run_of_until_says_what_is_wanted():
    text = str(experiment(replicates=Until("x", relative=0.05, at_most=1000)).dry_run())
    assert "mean of x ± 0.05 of it, 100 to 1000 replicates" in text
    assert "at most 2000" in text


def test_a_dry_run_says_how_many_cells_begin_in_a_second():
    limited = experiment(rate_limit=2.5).dry_run()
    assert limited.to_dict()["rate_limit"] == 2.5
    assert "rate limit  2.5 cells/s" in str(limited)
    assert "rate limit" not in str(experiment().dry_run())
