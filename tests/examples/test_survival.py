"""The survival study: its fits against other libraries, its table against the published one."""

import importlib.util
from math import hypot

import numpy as np
import pytest
from scipy.optimize import minimize
from statsmodels.duration.hazard_regression import PHReg

pytestmark = pytest.mark.faults  # it takes long

# (gamma, measure) -> value and Monte Carlo standard error of the exponential, Weibull and Cox
# models, computed from the estimates that Morris, White and Crowther (2019) publish:
# github.com/tpmorris/simtutorial, 1600 trials.
PUBLISHED: dict[tuple[float, str], list[tuple[float, float] | None]] = {
    (1.0, "bias"): [(-0.0029, 0.0052), (-0.0032, 0.0052), (-0.0021, 0.0052)],
    (1.0, "empirical_se"): [(0.2093, 0.0037), (0.2094, 0.0037), (0.2091, 0.0037)],
    (1.0, "model_se"): [(0.20790, 0.00025), (0.20797, 0.00025), (0.20800, 0.00025)],
    (1.0, "relative_error"): [(-0.7, 1.8), (-0.7, 1.8), (-0.5, 1.8)],
    (1.0, "relative_precision"): [(0.16, 0.13), None, (0.309, 0.096)],
    (1.0, "coverage"): [(0.9544, 0.0052), (0.9544, 0.0052), (0.9544, 0.0052)],
    (1.5, "bias"): [(0.0494, 0.0035), (0.0048, 0.0038), (0.0062, 0.0038)],
    (1.5, "empirical_se"): [(0.1381, 0.0024), (0.1516, 0.0027), (0.1511, 0.0027)],
    (1.5, "model_se"): [(0.15389, 0.00011), (0.15412, 0.00011), (0.15423, 0.00011)],
    (1.5, "relative_error"): [(11.5, 2.0), (1.7, 1.8), (2.1, 1.8)],
    (1.5, "relative_precision"): [(20.49, 0.45), None, (0.64, 0.20)],
    (1.5, "coverage"): [(0.9600, 0.0049), (0.9556, 0.0051), (0.9575, 0.0050)],
}
METHODS = ("exponential", "weibull", "cox")


@pytest.fixture
def survival(examples):
    spec = importlib.util.spec_from_file_location(
        "survival_example", examples / "survival" / "survival.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def patients():
    rng = np.random.default_rng(7)
    treated = rng.random(300) < 0.5
    times = (rng.exponential(size=300) / np.exp(-0.5 * treated) / 0.1) ** (1 / 1.5)
    return np.minimum(times, 5.0), times < 5.0, treated


def test_every_figure_is_the_published_one_within_monte_carlo_error(examples, run_json):
    content = run_json(examples / "survival" / "experiment.toml")
    assert content["errors"] == []
    rows = {(r["gamma"], r["measure"], r["method"]): r for r in content["sections"]["performance"]}
    for (gamma, measure), figures in PUBLISHED.items():
        for method, figure in zip(METHODS, figures, strict=True):
            if figure is None:
                assert (gamma, measure, method) not in rows
                continue
            row, (value, error) = rows[gamma, measure, method], figure
            assert row["n"] == 1600
            assert abs(row["value"] - value) < 4 * hypot(row["mcse"], error), (gamma, measure)
            assert row["mcse"] == pytest.approx(error, rel=0.25)


def test_methods_see_the_same_trials_and_mechanisms_do_not(examples, run_json):
    content = run_json(examples / "survival" / "experiment.toml", "--replicates", "50")
    theta = {name: np.array(metrics["theta"]) for name, metrics in content["metrics"].items()}
    within = np.corrcoef(theta["gamma=1.0,method=cox"], theta["gamma=1.0,method=weibull"])[0, 1]
    between = np.corrcoef(theta["gamma=1.0,method=cox"], theta["gamma=1.5,method=cox"])[0, 1]
    assert within > 0.99
    assert abs(between) < 0.5


def test_coxs_fit_is_that_of_statsmodels(survival, patients):
    times, events, treated = patients
    fit = PHReg(times, treated.astype(float)[:, None], status=events.astype(int)).fit()
    theta, se = survival.cox(*patients)
    assert theta == pytest.approx(fit.params[0], abs=1e-6)
    assert se == pytest.approx(fit.bse[0], rel=1e-5)


@pytest.mark.parametrize("method", ["exponential", "weibull"])
def test_a_parametric_fit_has_the_largest_likelihood(survival, patients, method):
    times, events, treated = patients

    def minus_log_likelihood(parameters):
        log_rate, theta, log_shape = [*parameters, 0.0][:3]
        shape, linear = np.exp(log_shape), log_rate + theta * treated
        log_hazard = linear + log_shape + (shape - 1) * np.log(times)
        return (np.exp(linear) * times**shape).sum() - log_hazard[events].sum()

    start = [-2.0, 0.0, 0.0] if method == "weibull" else [-2.0, 0.0]
    best = minimize(minus_log_likelihood, start, method="BFGS", options={"gtol": 1e-6}).x
    theta, se = getattr(survival, method)(*patients)
    assert theta == pytest.approx(best[1], abs=1e-4)
    variance = np.linalg.inv(hessian(minus_log_likelihood, best))[1, 1]
    assert se == pytest.approx(np.sqrt(variance), rel=1e-4)


def hessian(function, at, step=1e-4):
    steps = np.eye(len(at)) * step
    return np.array(
        [
            [
                (function(at + i + j) - function(at + i - j) - function(at - i + j)
                 + function(at - i - j)) / (4 * step**2)
                for j in steps
            ]
            for i in steps
        ]
    )  # fmt: skip
