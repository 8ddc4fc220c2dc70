"""The plugin example, built and installed without a network."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

ORDER = """
import json
from types import SimpleNamespace
from crystallize_shuffled import ShuffledExecution

seen = []
results = ShuffledExecution().run_experiment_loop(
    SimpleNamespace(replicates=100), lambda i: seen.append(i) or i * i
)
print(json.dumps([seen, results]))
"""


@pytest.fixture
def installed(examples, python, tmp_path):
    """Where the distribution is; the build backend is the one that is installed."""
    target = tmp_path / "site"
    python(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-index", "--no-deps", "--no-build-isolation", "--target", target),
        examples / "custom_plugin",
    )
    return str(target)


def test_the_executor_shuffles_and_returns_in_index_order(installed, python):
    seen, results = json.loads(python("-c", ORDER, PYTHONPATH=installed))
    assert seen != list(range(100))
    assert sorted(seen) == list(range(100))
    assert results == [i * i for i in range(100)]


def test_both_parts_are_listed_and_the_executor_is_selected_by_name(
    examples, installed, python, run_json
):
    listed = json.loads(python("-m", "crystallize", "plugins", "--json", PYTHONPATH=installed))
    ours = {(row["name"], row["kind"]) for row in listed if "shuffled" in row["distribution"]}
    assert ours == {("shuffled", "executor"), ("spread", "aggregator")}
    config = examples / "custom_plugin" / "experiment.toml"
    content = run_json(config, PYTHONPATH=installed)
    serial = run_json(config, "--execution", "serial", PYTHONPATH=installed)
    assert content["metrics"] == serial["metrics"]
    assert content["provenance"]["execution"]["strategy"] == "shuffled"


def test_its_numbers_are_those_of_numpy_alone(examples, run_json, installed):
    content = run_json(examples / "custom_plugin" / "experiment.toml", PYTHONPATH=installed)
    streams = np.random.SeedSequence(2001).spawn(400)
    draws = [np.random.default_rng(stream).normal(scale=1.0) for stream in streams]
    assert content["metrics"]["narrow"]["x"] == draws
    expected = np.quantile(draws, [0.05, 0.5, 0.95])
    assert content["sections"]["spread"]["narrow"]["x"] == pytest.approx(expected.tolist())


def test_the_options_of_the_aggregator_come_from_the_config(examples, run_json, installed):
    content = run_json(
        examples / "custom_plugin" / "experiment.toml",
        *("--set", "aggregation.options.spread.probabilities=[0.1]"),
        PYTHONPATH=installed,
    )
    quantiles = content["sections"]["spread"]
    assert quantiles["probabilities"] == [0.1]
    assert quantiles["wide"]["x"] == pytest.approx(
        [np.quantile(content["metrics"]["wide"]["x"], 0.1)]
    )


def test_a_misspelt_option_is_refused_and_the_right_one_named(examples, installed):
    done = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", examples / "custom_plugin" / "experiment.toml",
         "--set", "aggregation.options.spread.probabilites=[0.1]"],
        env={**os.environ, "PYTHONPATH": installed},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "crystallize-shuffled" in done.stderr
    assert "Did you mean 'probabilities'?" in done.stderr
    assert done.stdout == ""


def test_what_has_no_quantiles_is_left_out_in_silence(installed, tmp_path):
    (tmp_path / "mixed.py").write_text(
        "def trial(rng, scale):\n"
        "    x = rng.normal(scale=scale)\n"
        "    return {'x': x, 'positive': x > 0, 'none': float('nan'), 'label': 'a'}\n"
    )
    (tmp_path / "experiment.toml").write_text(
        '[experiment]\nfunction = "mixed:trial"\nreplicates = 20\nseed = 1\n'
        '[conditions.only]\nscale = 1.0\n[aggregation]\naggregators = ["spread"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", tmp_path / "experiment.toml", "--json"],
        env={**os.environ, "PYTHONPATH": installed},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    content = json.loads(done.stdout)
    assert list(content["sections"]["spread"]["only"]) == ["x"]
    assert "Warning" not in done.stderr
