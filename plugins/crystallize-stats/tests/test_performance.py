"""Measures against their definitions, and their errors against what they are errors of."""

import math

import numpy as np
import pytest
import scipy.stats
from crystallize_stats import measures
from crystallize_stats.measured import MEASURES
from crystallize_stats.performance import Performance

from crystallize import CrystallizeError, Experiment
from crystallize.testing import AggregatorSuite


def by_measure(result, condition, estimator=None):
    return {
        row["measure"]: row
        for row in result.sections["performance"]
        if row["condition"] == condition and estimator in (None, row["estimator"])
    }


@pytest.fixture
def drawn(rng):
    shared = rng.normal(size=300)
    return {
        name: {
            "theta": (2 + bias + scale * (shared + rng.normal(size=300))).tolist(),
            "se": np.sqrt(rng.chisquare(30, size=300) / 15).tolist(),
        }
        for name, bias, scale in (("plain", 0.0, 1.0), ("better", 0.1, 0.7))
    }


def test_every_measure_is_what_its_definition_says(study, drawn):
    result = study(drawn, Performance("theta", se="se", truth=2.0))
    rows = by_measure(result, "better")
    theta, se = (np.array(drawn["better"][name]) for name in ("theta", "se"))
    base = np.array(drawn["plain"]["theta"])
    n, error = 300, theta - 2.0
    s = theta.std(ddof=1)
    mse = np.mean(error**2)
    model = math.sqrt(np.mean(se**2))
    half = scipy.stats.norm.ppf(0.975) * se
    covered = np.mean(abs(error) <= half)
    eliminated = np.mean(abs(theta - theta.mean()) <= half)
    rejected = np.mean(abs(theta) > half)
    ratio = np.var(base, ddof=1) / np.var(theta, ddof=1)
    rho = np.corrcoef(base, theta)[0, 1]
    expected = {
        "convergence": (1, 0),
        "bias": (error.mean(), s / n**0.5),
        "relative_bias": (100 * error.mean() / 2, 100 * s / n**0.5 / 2),
        "empirical_se": (s, s / math.sqrt(2 * (n - 1))),
        "mse": (mse, math.sqrt(np.sum((error**2 - mse) ** 2) / (n * (n - 1)))),
        "rmse": (
            mse**0.5,
            math.sqrt(np.sum((error**2 - mse) ** 2) / (n * (n - 1))) / (2 * mse**0.5),
        ),
        "model_se": (model, math.sqrt(np.var(se**2, ddof=1) / (4 * n * model**2))),
        "relative_error": (
            100 * (model / s - 1),
            100
            * (model / s)
            * math.sqrt(np.var(se**2, ddof=1) / (4 * n * model**4) + 1 / (2 * (n - 1))),
        ),
        "relative_precision": (100 * (ratio - 1), 200 * ratio * math.sqrt((1 - rho**2) / (n - 1))),
        "coverage": (covered, math.sqrt(covered * (1 - covered) / n)),
        "bias_eliminated_coverage": (eliminated, math.sqrt(eliminated * (1 - eliminated) / n)),
        "rejection": (rejected, math.sqrt(rejected * (1 - rejected) / n)),
        "ci_width": (np.mean(2 * half), np.std(2 * half, ddof=1) / n**0.5),
    }
    assert tuple(expected) == tuple(rows) == MEASURES
    for measure, pair in expected.items():
        found = (rows[measure]["value"], rows[measure]["mcse"])
        assert found == pytest.approx(pair, rel=1e-12), measure
        assert rows[measure]["n"] == n


def draws_of(kind, rng, n):
    shape = (500, n)
    skewed = rng.gamma(4.0, size=shape) / 2 - 2
    estimates = rng.normal(size=shape) if kind == "normal" else skewed
    others = 0.6 * estimates + 0.8 * rng.normal(size=shape)
    return estimates, others, np.sqrt(rng.chisquare(20, size=shape) / 20)


@pytest.mark.parametrize(
    ("kind", "jackknife"), [("normal", False), ("normal", True), ("skewed", True)]
)
def test_an_error_is_the_spread_of_the_measure_over_studies(kind, jackknife, rng):
    """500 studies of 100 replicates; their spread is itself known to some 3.2%."""
    estimates, others, ses = draws_of(kind, rng, n=100)
    ways = {
        "bias": lambda i: measures.mean(estimates[i]),
        "relative bias": lambda i: measures.relative_bias(estimates[i], np.full(100, 2.0)),
        "empirical se": lambda i: measures.empirical_se(estimates[i], jackknife),
        "mse": lambda i: measures.mse(estimates[i] + 0.3),
        "rmse": lambda i: measures.rmse(estimates[i] + 0.3, jackknife),
        "model se": lambda i: measures.model_se(ses[i], jackknife),
        "relative error": lambda i: measures.relative_error(estimates[i], ses[i], jackknife),
        "relative precision": lambda i: measures.relative_precision(
            others[i], estimates[i], jackknife
        ),
        "coverage": lambda i: measures.proportion(np.abs(estimates[i]) < 1.5, 0.05),
    }
    for name, way in ways.items():
        found = [way(i) for i in range(500)]
        spread = np.std([one.value for one in found], ddof=1)
        claimed = np.sqrt(np.mean([one.mcse**2 for one in found]))
        assert claimed / spread == pytest.approx(1, abs=0.14), name


def test_a_truth_that_differs_between_replicates(rng, study):
    truth = rng.uniform(1, 3, size=200)
    theta = truth * 1.1 + rng.normal(size=200) / 10
    columns = {"one": {"theta": theta.tolist(), "mu": truth.tolist()}}
    rows = by_measure(study(columns, Performance("theta", truth="mu")), "one")
    assert rows["bias"]["value"] == pytest.approx(np.mean(theta - truth))
    assert rows["empirical_se"]["value"] == pytest.approx(np.std(theta - truth, ddof=1))
    assert rows["relative_bias"]["value"] == pytest.approx(10, rel=0.1)
    ratios = [
        measures.relative_bias(draw * 0.1 + rng.normal(size=200) / 10, draw)
        for draw in rng.uniform(1, 3, size=(400, 200))
    ]
    spread = np.std([one.value for one in ratios], ddof=1)
    assert np.mean([one.mcse for one in ratios]) / spread == pytest.approx(1, abs=0.14)


def test_the_truth_may_be_a_parameter_of_the_conditions(study):
    columns = {"a": {"theta": [1.0, 2.0]}, "b": {"theta": [5.0, 6.0]}}
    factors = {"a": {"mu": 1, "sd": 2.0}, "b": {"mu": 5, "sd": 2.0}}
    for truth, biases in (("mu", (0.5, 0.5)), ("sd", (-0.5, 3.5))):
        result = study(columns, Performance("theta", truth=truth), factors=factors)
        found = tuple(by_measure(result, name)["bias"]["value"] for name in "ab")
        assert found == biases
    assert by_measure(result, "a")["bias"]["mu"] == 1  # the factor, in each row


def test_the_truth_may_be_a_default_of_the_function():
    def trial(rng, n, p=0.25):
        return {"estimate": rng.binomial(n, p) / n}

    aggregator = Performance("estimate", truth="p")
    conditions = {"few": {"n": 10}, "other": {"n": 10, "p": 0.5}}
    result = Experiment(trial, conditions, replicates=50, seed=1, aggregators=[aggregator]).run()
    for name, p in (("few", 0.25), ("other", 0.5)):
        found = by_measure(result, name)["bias"]["value"]
        assert found == pytest.approx(result.metrics[name]["estimate"].mean() - p)


def test_each_estimate_may_have_a_truth_of_its_own(study):
    columns = {"one": {"a": [1.0, 2.0], "b": [10.0, 12.0], "ten": [10.0, 10.0]}}
    result = study(columns, Performance(["a", "b"], truth=[1.0, "ten"]))
    found = [by_measure(result, "one", name)["bias"]["value"] for name in ("a", "b")]
    assert found == [0.5, 1.0]


def test_bounds_that_are_infinite_cover_and_have_no_mean_width(study):
    columns = {"one": {"x": [0.0, 1.0], "low": [-math.inf, 0.5], "high": [math.inf, math.nan]}}
    aggregator = Performance("x", lower="low", upper="high", truth=0.0)
    rows = by_measure(study(columns, aggregator), "one")
    assert (rows["coverage"]["value"], rows["coverage"]["n"]) == (1, 1)
    assert rows["ci_width"]["value"] is None


def test_bounds_degrees_of_freedom_and_p_values(study):
    theta, se, df = [1.0, 2.0, 3.0, 0.1], [0.5, 0.5, 1.0, 1.0], [3.0, 10.0, float("inf"), 5.0]
    half = np.append(scipy.stats.t.ppf(0.975, [3, 10]), [1.959964, scipy.stats.t.ppf(0.975, 5)])
    half = half * se
    columns = {
        "one": {
            "theta": theta,
            "se": se,
            "df": df,
            "p": [0.01, 0.05, 0.051, 0.9],
            "low": (np.array(theta) - half).tolist(),
            "high": (np.array(theta) + half).tolist(),
        }
    }
    by_se = by_measure(study(columns, Performance("theta", se="se", df="df", truth=2.0)), "one")
    bounds = Performance("theta", lower="low", upper="high", truth=2.0, p="p")
    by_bounds = by_measure(study(columns, bounds), "one")
    assert by_se["ci_width"]["value"] == pytest.approx(by_bounds["ci_width"]["value"])
    assert by_se["coverage"]["value"] == by_bounds["coverage"]["value"] == 1
    assert by_bounds["rejection"]["value"] == 0.5  # at alpha or below
    assert "model_se" not in by_bounds
    fixed = by_measure(study(columns, Performance("theta", se="se", df=3)), "one")
    assert fixed["ci_width"]["value"] == pytest.approx(2 * 3.182446 * np.mean(se))
    assert "bias" not in fixed  # there is no truth


def test_an_error_of_zero_by_formula_has_wilsons_interval(study):
    columns = {"one": {"theta": [0.0] * 20, "se": [1.0] * 20}}
    row = by_measure(study(columns, Performance("theta", se="se", truth=0)), "one")["coverage"]
    assert (row["value"], row["mcse"], row["upper"]) == (1, 0, 1)
    assert row["lower"] == pytest.approx(20 / (20 + 1.959964**2))


def test_failed_and_missing_estimates_come_first_and_are_left_out_of_the_others(study):
    theta = [1.0, float("nan"), 3.0, float("inf"), ValueError("no")]
    rows = by_measure(study({"one": {"theta": theta}}, Performance("theta", truth=0)), "one")
    assert next(iter(rows)) == "convergence"
    assert (rows["convergence"]["value"], rows["convergence"]["n"]) == (0.4, 5)
    assert (rows["bias"]["value"], rows["bias"]["n"]) == (2, 2)


def test_several_estimators_in_one_cell(study, drawn):
    both = {
        "a": drawn["plain"]["theta"],
        "b": drawn["better"]["theta"],
        "se_a": drawn["plain"]["se"],
        "se_b": drawn["better"]["se"],
    }
    options = {"estimate": ["a", "b"], "se": ["se_a", "se_b"], "truth": 2.0}
    apart = study(drawn, Performance("theta", se="se", truth=2.0))
    together = study({"only": both}, Performance(**options))
    for condition, estimator in (("plain", "a"), ("better", "b")):
        one = by_measure(apart, condition)
        other = by_measure(together, "only", estimator)
        assert list(one) == list(other)
        for measure, row in one.items():
            assert row["value"] == other[measure]["value"]
            assert row["mcse"] == other[measure]["mcse"]
    turned = study({"only": both}, Performance(**options, reference="b"))
    assert "relative_precision" not in by_measure(turned, "only", "b")
    assert by_measure(turned, "only", "a")["relative_precision"]["value"] < 0


def test_the_reference_may_be_the_level_of_a_factor(rng, study):
    factors = {f"{m}{n}": {"method": m, "n": n} for n in (10, 20) for m in ("old", "new")}
    columns = {
        name: {"theta": (rng.normal(size=50) * (i + 1)).tolist()} for i, name in enumerate(factors)
    }
    result = study(columns, Performance("theta", reference="old"), factors=factors)
    s = {name: np.std(columns[name]["theta"], ddof=1) for name in factors}
    for n in (10, 20):
        assert "relative_precision" not in by_measure(result, f"old{n}")
        value = by_measure(result, f"new{n}")["relative_precision"]["value"]
        assert value == pytest.approx(100 * (s[f"old{n}"] ** 2 / s[f"new{n}"] ** 2 - 1))
    row = by_measure(result, "new20")["empirical_se"]
    assert (row["method"], row["factor.n"], row["n"]) == ("new", 20, 50)


@pytest.mark.parametrize("theta", [[1.0], [2.0, 2.0, 2.0], [ValueError("no")] * 3, [1.0, 2.0]])
def test_what_does_not_exist_is_none(theta, study):
    columns = {"a": {"theta": theta, "se": [0.0] * 3}, "b": {"theta": theta[:], "se": [0.0] * 3}}
    columns = {c: {m: v[: len(theta)] for m, v in ms.items()} for c, ms in columns.items()}
    for mcse in ("formula", "jackknife"):
        result = study(columns, Performance("theta", se="se", truth=0.0, mcse=mcse))
        for row in result.sections["performance"]:
            for key in ("value", "mcse"):
                assert row[key] is None or math.isfinite(row[key]), row


def test_estimates_that_overflow_are_none_without_a_warning(study):
    columns = {"one": {"theta": [1e200, -1e200, 1e200]}}
    rows = by_measure(study(columns, Performance("theta", truth=0.0)), "one")
    assert rows["mse"]["value"] is None
    assert rows["bias"]["value"] == pytest.approx(1e200 / 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimate": "theta", "alpha": 1.5}, "alpha: expected a number between 0 and 1"),
        ({"estimate": [], "alpha": 0.5}, "estimate: expected at least one metric"),
        ({"estimate": ["a", "a"]}, "estimate: expected at least one metric, each once"),
        ({"estimate": ["a", "b"], "truth": [1.0]}, "truth: expected as many as estimates, 2"),
        ({"estimate": "a", "lower": "l"}, "upper: expected a metric, as the other bound has one"),
        ({"estimate": ["a", "b"], "se": "s"}, "se: expected as many as estimates, 2"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Performance(**options)


def test_a_name_that_is_not_there_is_said_with_the_closest(study):
    columns = {"plain": {"theta": [1.0], "label": ["text"]}}
    with pytest.raises(CrystallizeError, match="Did you mean 'theta'"):
        study(columns, Performance("thetta"))
    with pytest.raises(CrystallizeError, match=r"performance\.estimate: expected a metric that is"):
        study(columns, Performance("label"))
    with pytest.raises(CrystallizeError, match="Did you mean 'name'"):
        study(columns, Performance("theta", truth="nane"))


def test_a_reference_that_is_not_there_is_refused_before_the_first_replicate(study):
    with pytest.raises(CrystallizeError, match=r"performance\.reference.*Did you mean 'plain'"):
        study(
            {"plain": {"theta": [1.0]}, "b": {"theta": [1.0]}}, Performance("x", reference="plan")
        )


class TestSuite(AggregatorSuite):
    def make(self):
        return Performance("x", truth=0.0)
