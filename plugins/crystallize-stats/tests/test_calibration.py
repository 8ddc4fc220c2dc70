"""Intervals cover and tests keep their size, counted by Crystallize itself.

The studies are those of examples/calibration, fewer of them; `docs/statistics.md` has the table.
"""

import importlib.util
import math
import sys
from pathlib import Path

import cloudpickle
import pytest

from crystallize import Experiment

pytestmark = pytest.mark.faults  # it takes long

EXAMPLE = Path(__file__).parents[3] / "examples" / "calibration" / "calibration.py"
REPLICATES = {"bca": 300}
OTHERWISE = 800
# Of which coverage may be above, and size below: they are exact and discrete, or bounds.
CAUTIOUS = {
    "clopper-pearson", "wilson", "median", "upper decile", "odds ratio", "mcnemar", "holm",
    "nemenyi",
}  # fmt: skip
CAUTIOUS_CASES = {
    "wilcoxon, normal, 6", "wilcoxon, tied, 15", "wilcoxon, tied, 40",
    "permutation, normal, 6", "permutation, tied, 12", "permutation, tied, 40",
    "effect, skewed, 100",
}  # fmt: skip
# By how much a case is off beyond its Monte Carlo error, as the page says.
OFF = {
    "t, skewed, 20": 0.035,
    "t, skewed, 100": 0.01,
    "t, skewed, 400": 0.01,
    "bca, normal, 30": 0.015,
    "bca, skewed, 30": 0.025,
    "bca, skewed, 100": 0.01,
    "permutation, skewed, 40": 0.02,
    "wilson, yes or no, 10": 0.025,
}


def loaded():
    spec = importlib.util.spec_from_file_location("calibration", EXAMPLE)
    module = sys.modules["calibration"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return module


example = loaded()


def counted(method, replicates):
    conditions = {n: c for n, c in example.CONDITIONS.items() if c["method"] == method}
    result = Experiment(
        example.trial, conditions, replicates=replicates, seed=7, aggregators=["estimate"]
    ).run()
    assert not result.errors
    return [row for row in result.sections["estimate"] if row["n"]]


@pytest.mark.parametrize("method", example.METHODS)
def test_intervals_cover_and_tests_keep_their_size(method):
    replicates = REPLICATES.get(method, OTHERWISE)
    for row in counted(method, replicates):
        name = row["condition"]
        nominal = 0.95 if row["metric"] == "covered" else 0.05
        error = 4 * math.sqrt(0.05 * 0.95 / replicates) + OFF.get(name, 0)
        too_careful = (row["estimate"] - nominal) * (1 if row["metric"] == "covered" else -1)
        assert too_careful >= -error, row
        if method not in CAUTIOUS and name not in CAUTIOUS_CASES:
            assert too_careful <= error, row


def test_the_example_prints_a_table(monkeypatch, capsys):
    case = "t, normal, 5"
    monkeypatch.setattr(example, "CONDITIONS", {case: example.CONDITIONS[case]})
    example.main(20)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| method | data | n | coverage of 95% | size of 5% |"
    assert lines[2].startswith("| t | normal | 5 | ")
