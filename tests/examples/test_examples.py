"""Every example, run as its README says, and its numbers checked."""

import json
import os
import subprocess
import sys
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_config(name, *arguments, **environment):
    config = EXAMPLES / name / "experiment.toml"
    return json.loads(run("-m", "crystallize", "run", config, "--json", *arguments, **environment))


def test_classifiers_are_compared_on_the_same_splits():
    content = run_config("classifiers")
    accuracy = {c: np.array(m["accuracy"]) for c, m in content["metrics"].items()}
    assert content["errors"] == []
    assert {len(values) for values in accuracy.values()} == {200}
    assert 0.96 < accuracy["logistic"].mean() < 0.99
    assert 0.94 < accuracy["forest"].mean() < 0.97
    difference = accuracy["forest"] - accuracy["logistic"]
    apart = sqrt(sum(values.var() for values in accuracy.values()))
    assert difference.std() < apart  # pairing pays
    serial = run_config("classifiers", "--execution", "serial", "--replicates", "6")
    assert serial["metrics"]["forest"]["auc"] == content["metrics"]["forest"]["auc"][:6]


def test_the_comparison_prints_the_paired_difference():
    printed = run(EXAMPLES / "classifiers" / "compare.py")
    assert printed.startswith("forest - logistic: -0.0")


def exact_coverage(interval, n, p):
    covered = [low <= p <= high for low, high in (interval(k, n) for k in range(n + 1))]
    return float(binom.pmf(np.arange(n + 1), n, p)[covered].sum())


def test_coverage_agrees_with_the_exact_sums():
    from crystallize.functions import find_function

    intervals = {
        name: find_function(f"coverage:{name}", EXAMPLES / "coverage")
        for name in ("wald", "wilson")
    }
    content = run_config("coverage")
    rows = {r["condition"]: r for r in content["summary"] if r["metric"] == "covered"}
    assert len(rows) == 8
    for condition, row in rows.items():
        case = dict(part.split("=") for part in condition.split(","))
        exact = exact_coverage(intervals[case["method"]], int(case["n"]), float(case["p"]))
        assert row["n"] == 10_000
        assert row["mean"] == pytest.approx(exact, abs=3.5 * row["mcse"]), condition


def test_the_http_clients_get_their_answers():
    lines = run(EXAMPLES / "async_http" / "main.py").splitlines()
    rows = {tuple(line.split()[:2]): line.split() for line in lines[1:]}
    assert rows["one-try", "answered"][2:4] == ["300", "0"]
    assert float(rows["one-try", "answered"][4]) == pytest.approx(0.7, abs=0.1)
    assert float(rows["three-tries", "answered"][4]) == pytest.approx(1 - 0.3**3, abs=0.04)


def test_a_plugin_of_ones_own_is_installed_and_selected_by_name(tmp_path):
    run(
        "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
        "--target", tmp_path, EXAMPLES / "custom_plugin",
    )  # fmt: skip
    listed = json.loads(run("-m", "crystallize", "plugins", "--json", PYTHONPATH=str(tmp_path)))
    ours = {(row["name"], row["kind"]) for row in listed if "shuffled" in row["distribution"]}
    assert ours == {("shuffled", "executor"), ("quantiles", "aggregator")}
    content = run_config("custom_plugin", PYTHONPATH=str(tmp_path))
    serial = run_config("custom_plugin", "--execution", "serial", PYTHONPATH=str(tmp_path))
    assert content["metrics"] == serial["metrics"]
    assert content["provenance"]["execution"]["strategy"] == "shuffled"
    quantiles = content["sections"]["quantiles"]
    assert quantiles["probabilities"] == [0.05, 0.5, 0.95]
    expected = np.quantile(content["metrics"]["wide"]["x"], [0.05, 0.5, 0.95])
    assert quantiles["wide"]["x"] == pytest.approx(expected.tolist())
