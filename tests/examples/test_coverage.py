"""The coverage example against sums that owe nothing to its own code."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm


def wald(successes, n):
    p = successes / n
    half = norm.ppf(0.975) * sqrt(p * (1 - p) / n)
    return p - half, p + half


def wilson(successes, n):
    return tuple(binomtest(successes, n).proportion_ci(0.95, method="wilson"))


INTERVALS = {"wald": wald, "wilson": wilson}


def test_coverage_and_width_agree_with_scipy(examples, run_json):
    content = run_json(examples / "coverage" / "experiment.toml")
    rows = {(r["condition"], r["metric"]): r for r in content["summary"]}
    cases = [(m, n, p) for m in INTERVALS for n in (10, 40) for p in (0.1, 0.5)]
    names = [f"method={m},n={n},p={p}" for m, n, p in cases]
    assert list(content["metrics"]) == names
    for name, (method, n, p) in zip(names, cases, strict=True):
        weights = binom.pmf(np.arange(n + 1), n, p)
        low, high = np.array([INTERVALS[method](k, n) for k in range(n + 1)]).T
        covered, width = rows[name, "covered"], rows[name, "width"]
        assert covered["n"] == 10_000
        assert covered["mean"] == pytest.approx(
            weights @ ((low <= p) & (p <= high)), abs=3.5 * covered["mcse"]
        ), name
        assert width["mean"] == pytest.approx(weights @ (high - low), abs=3.5 * width["mcse"]), name


def test_both_methods_see_the_same_samples(examples, run_json):
    content = run_json(examples / "coverage" / "experiment.toml", "--replicates", "50")
    streams = np.random.SeedSequence(2001).spawn(50)
    samples = [int(np.random.default_rng(stream).binomial(10, 0.5)) for stream in streams]
    for method, interval in INTERVALS.items():
        widths = [high - low for low, high in (interval(k, 10) for k in samples)]
        assert content["metrics"][f"method={method},n=10,p=0.5"]["width"] == pytest.approx(widths)


@pytest.mark.parametrize("strategy", ["serial", "parallel"])
def test_an_imported_module_of_that_name_does_not_win(examples, run_json, tmp_path, strategy):
    (tmp_path / "coverage.py").write_text(
        "def trial(rng, method, n, p):\n    return {'covered': False, 'width': -1.0}\n"
    )
    # As under a coverage tool: imported before Crystallize is, in every process.
    (tmp_path / "sitecustomize.py").write_text("import coverage\n")
    content = run_json(
        examples / "coverage" / "experiment.toml",
        *("--replicates", "20", "--execution", strategy),
        PYTHONPATH=str(tmp_path),
    )
    widths = [width for metrics in content["metrics"].values() for width in metrics["width"]]
    assert min(widths) >= 0
