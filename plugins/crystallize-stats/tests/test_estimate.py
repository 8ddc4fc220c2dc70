"""Estimates against SciPy and statsmodels, and quantiles against the binomial distribution."""

import math

import numpy as np
import pytest
import scipy.stats
from crystallize_stats.estimate import Estimate
from crystallize_stats.means import bca_interval, seed_for, t_interval
from crystallize_stats.order import quantile
from crystallize_stats.proportions import clopper_pearson, wilson
from crystallize_stats.quantiles import Quantiles
from statsmodels.stats.proportion import proportion_confint

from crystallize import CrystallizeError
from crystallize.testing import AggregatorSuite


def rows(result, section):
    return {(row["condition"], row["metric"]): row for row in result.sections[section]}


@pytest.mark.parametrize("n", [1, 2, 17, 400])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_proportions_have_the_intervals_of_statsmodels(n, alpha):
    for hits in {0, 1, n // 3, n}:
        for way, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
            expected = proportion_confint(hits, n, alpha, name)
            assert way(hits, n, alpha) == pytest.approx(expected, abs=1e-12)


def test_a_mean_has_students_interval_of_scipy(rng):
    values = rng.exponential(size=33)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert t_interval(values, 0.1) == pytest.approx(tuple(expected))


def test_the_bootstraps_interval_is_that_of_scipy_but_for_its_randomness(rng, seeded):
    values = rng.exponential(size=60)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=30000, method="BCa", **seeded
    ).confidence_interval
    spread = np.std(values) / 60**0.5
    assert bca_interval(values, 0.05, seed_for(1)) == pytest.approx(expected, abs=0.06 * spread)


def test_a_quantiles_bounds_are_the_closest_order_statistics_that_cover():
    for n, p in ((10, 0.5), (59, 0.9), (200, 0.05)):
        _, lower, upper = quantile(np.arange(1.0, n + 1), p, 0.05)
        below = scipy.stats.binom(n, p)  # how many values are below the true quantile
        assert below.cdf(lower - 1) <= 0.025 < below.cdf(lower)
        if upper is not None:
            assert below.sf(upper - 1) <= 0.025 < below.sf(upper - 2)
        assert (upper is None) == (n == 59 and below.sf(n - 1) > 0.025)


def test_a_quantile_is_numpys_and_takes_infinities():
    values = np.array([3.0, 1.0, 2.0, 10.0])
    for p in (0.01, 0.3, 0.5, 0.99):
        assert quantile(values, p, 0.05).value == pytest.approx(np.quantile(values, p))
    values = np.array([-np.inf, 1.0, 2.0, np.inf, np.inf])
    assert quantile(values, 0.5, 0.05).value == 2
    assert quantile(values, 0.9, 0.05).value == np.inf


def test_each_metric_has_the_method_that_fits_it(study, rng):
    columns = {
        "one": {
            "x": rng.normal(size=20).tolist(),
            "covered": [True] * 15 + [False] * 5,
            "hit": [1, 0] * 10,
            "label": ["text"] * 20,
            "draws": [np.zeros(2)] * 20,
        }
    }
    found = rows(study(columns, Estimate()), "estimate")
    methods = {metric: row["method"] for (_, metric), row in found.items()}
    assert methods == {"x": "t", "covered": "wilson", "hit": "wilson"}
    row = found["one", "covered"]
    assert (row["estimate"], row["n"]) == (0.75, 20)
    assert (row["lower"], row["upper"]) == pytest.approx(proportion_confint(15, 20, 0.05, "wilson"))
    exact = rows(study(columns, Estimate(method="clopper-pearson")), "estimate")
    assert {metric for _, metric in exact} == {"covered", "hit"}
    median = rows(study(columns, Estimate(method="quantile", metrics=["x"])), "estimate")
    assert median["one", "x"]["estimate"] == pytest.approx(np.median(columns["one"]["x"]))
    with pytest.raises(CrystallizeError, match=r"estimate\.metrics: expected a yes or no"):
        study(columns, Estimate(method="wilson", metrics=["x"]))
    with pytest.raises(CrystallizeError, match="Did you mean 'covered'"):
        study(columns, Estimate(metrics=["coverd"]))


def test_missing_and_infinite_values_do_not_count_and_the_note_says_so(study):
    values = [1.0, math.nan, 3.0, math.inf, ValueError("no")]
    row = rows(study({"one": {"x": values}}, Estimate()), "estimate")["one", "x"]
    assert (row["n"], row["estimate"], row["note"]) == (2, 2.0, "1 infinite left out")
    (low, *_), *_ = [study({"one": {"x": values}}, Quantiles([0.9])).sections["quantiles"]]
    assert (low["n"], low["value"]) == (3, math.inf)


@pytest.mark.parametrize("method", ["t", "bca", "quantile"])
@pytest.mark.parametrize(
    "values", [[1.0], [2.0] * 8, [ValueError("no")] * 3, [1e308] * 2 + [-1e308]]
)
def test_what_does_not_exist_is_none(method, values, study):
    row = study({"one": {"x": values}}, Estimate(method=method)).sections["estimate"]
    for one in row:
        for key in ("estimate", "lower", "upper"):
            assert one[key] is None or math.isfinite(one[key])
    if len(values) == 8 and method != "quantile":
        assert (row[0]["estimate"], row[0]["lower"]) == (2.0, None)


def test_the_bootstrap_depends_on_the_root_seed_and_not_on_other_metrics(study, rng):
    x, y = rng.exponential(size=(2, 30)).tolist()
    way = Estimate(method="bca")
    both = rows(study({"one": {"y": y, "x": x}}, way), "estimate")["one", "x"]
    alone = rows(study({"one": {"x": x}}, way), "estimate")["one", "x"]
    other = rows(study({"one": {"x": x}}, way, seed=2), "estimate")["one", "x"]
    assert both == alone != other


def test_quantiles_of_each_metric_that_has_some(study, rng):
    columns = {c: {"x": rng.normal(size=50).tolist(), "ok": [True] * 50} for c in ("a", "b")}
    found = study(columns, Quantiles([0.5, 0.9])).sections["quantiles"]
    assert [(r["condition"], r["metric"], r["probability"]) for r in found] == [
        (c, "x", p) for c in ("a", "b") for p in (0.5, 0.9)
    ]
    assert list(found[0]) == [
        "condition", "name", "metric", "probability", "value", "lower", "upper", "n",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"probabilities\[1\]: expected a number between 0 and 1"):
        Quantiles([0.5, 1.5])


class TestEstimate(AggregatorSuite):
    def make(self):
        return Estimate()


class TestQuantiles(AggregatorSuite):
    def make(self):
        return Quantiles()
