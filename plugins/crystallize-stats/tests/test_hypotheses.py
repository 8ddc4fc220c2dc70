"""Hypotheses: written down before the first replicate, and decided."""

import json
import math

import pytest
import scipy.stats
from crystallize_stats.claims import Hypothesis, Measured
from crystallize_stats.hypotheses import Hypotheses

from crystallize import CrystallizeError, Experiment
from crystallize.testing import AggregatorSuite


def decided(result):
    return {row["hypothesis"]: row for row in result.sections["hypotheses"]}


def claims(**texts):
    return {name: {"claim": text} for name, text in texts.items()}


@pytest.fixture
def columns(rng):
    base = rng.normal(size=40)
    return {
        "slow": {"x": base.tolist(), "ok": [True] * 20 + [False] * 20},
        "fast": {"x": (base + rng.normal(1, 1, 40)).tolist(), "ok": [True] * 35 + [False] * 5},
    }


def test_a_claim_is_supported_refuted_or_undecided(columns, study):
    given = claims(
        faster="fast.x > slow.x",
        wrong="slow.x > fast.x",
        less="slow.x < fast.x",
        little="fast.x > slow.x + 0.95",
        much="fast.x > slow.x + 3",
        negative="fast.x > slow.x - 0.5",
        above="fast.x > 0.2",
        below="fast.x < 0",
    )
    rows = decided(study(columns, Hypotheses(given)))
    assert {name: row["decision"] for name, row in rows.items()} == {
        "faster": "supported",
        "wrong": "not supported",
        "less": "supported",
        "little": "undecided",
        "much": "not supported",
        "negative": "supported",
        "above": "supported",
        "below": "not supported",
    }
    faster = rows["faster"]
    expected = scipy.stats.ttest_rel(columns["fast"]["x"], columns["slow"]["x"])
    assert (faster["test"], faster["statistic"], faster["p"]) == pytest.approx(("t", *expected))
    for row in rows.values():  # interval and decision agree
        assert (row["lower"] > 0, row["upper"] < 0) == (
            row["decision"] == "supported",
            row["decision"] == "not supported",
        )
        assert row["registered"] is None


def test_a_yes_or_no_is_decided_by_mcnemar_or_the_binomial(columns, study):
    given = claims(more="fast.ok > slow.ok", most="fast.ok > 0.5", all="fast.ok < 0.9 - 0.1")
    rows = decided(study(columns, Hypotheses(given)))
    assert (rows["more"]["test"], rows["more"]["decision"]) == ("mcnemar", "supported")
    assert (rows["most"]["test"], rows["most"]["decision"]) == ("binomial", "supported")
    assert rows["most"]["p"] == pytest.approx(scipy.stats.binomtest(35, 40, 0.5).pvalue)
    assert rows["most"]["lower"] == pytest.approx(
        scipy.stats.binomtest(35, 40).proportion_ci().low - 0.5
    )
    assert rows["all"]["p"] == pytest.approx(scipy.stats.binomtest(35, 40, 0.8).pvalue)
    assert rows["all"]["difference"] == pytest.approx(0.8 - 35 / 40)
    assert rows["all"]["lower"] < rows["all"]["difference"] < rows["all"]["upper"]


def test_a_rank_test_decides_by_ranks(study):
    """Most differences are above 0, and one that is far below 0 makes the mean negative."""
    columns = {"a": {"x": [*range(1, 20), -1000.0]}, "b": {"x": [0.0] * 20}}
    given = {"h": {"claim": "a.x > b.x", "test": "wilcoxon"}}
    row = decided(study(columns, Hypotheses(given)))["h"]
    assert row["difference"] < 0
    assert (row["decision"], row["p"] < 0.01) == ("supported", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast.x = slow.x", "expected a claim such as"),
        ("fast.x > slw.x", r"'slw' is not among the conditions. Did you mean 'slow'"),
        ("fast > slow.x", r"expected CONDITION\.METRIC or a number, got 'fast'"),
        ("1 > 0", "expected a metric in it"),
    ],
)
def test_a_claim_that_cannot_be_read_is_refused_before_the_first_replicate(text, message, columns):
    with pytest.raises(CrystallizeError, match=message):
        Experiment(
            lambda: 1.0,
            {name: {} for name in columns},
            aggregators=["hypotheses"],
            aggregator_options={"hypotheses": {"claims": claims(h=text)}},
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"claim": "a.x > b.x", "alpha": 2}, r"hypothesis\.h\.alpha: expected a number between"),
        ({"claim": "a.x > b.x", "alpha": "low"}, r"hypothesis\.h\.alpha: expected a number"),
        ({"claim": "a.x > b.x", "test": "z"}, r"hypothesis\.h\.test: expected 't' or 'wilcoxon'"),
        ({"clam": "a.x > b.x"}, r"hypothesis\.h.*Did you mean 'claim'"),
        ("a.x > b.x", r"hypothesis\.h: expected a mapping"),
    ],
)
def test_what_else_is_wrong_is_said_with_its_place(given, message):
    with pytest.raises(CrystallizeError, match=message):
        Hypotheses({"h": given})


def test_names_with_dots_and_quotes_are_found():
    conditions = ["v1", "v1.5", "n=10,p=0.5"]
    for text, condition in (
        ("v1.5.acc > v1.acc", "v1.5"),
        ('"v1.5".acc > v1.acc', "v1.5"),
        ("n=10,p=0.5.acc > v1.acc", "n=10,p=0.5"),
    ):
        claim = Hypothesis.of("h", {"claim": text}).claim(conditions)
        assert (claim.greater, claim.smaller) == (Measured(condition, "acc"), Measured("v1", "acc"))


CONFIG = """
[experiment]
function = "drawn:trial"
replicates = 30
seed = 4
[conditions.slow]
shift = 0.0
[conditions.fast]
shift = 2.0
[hypothesis.faster]
claim = "fast.x > slow.x"
alpha = 0.01
[store]
path = "cells.sqlite"
"""
TRIAL = """
from pathlib import Path

def trial(rng, shift):
    assert (Path(__file__).parent / "hypotheses.jsonl").read_text().endswith("}\\n")
    return {"x": rng.normal() + shift * (1 + rng.random())}
"""


def test_a_config_registers_before_the_first_replicate(tmp_path):
    (tmp_path / "drawn.py").write_text(TRIAL)
    (tmp_path / "study.toml").write_text(CONFIG)

    def run(**overrides):
        result = Experiment.from_config(tmp_path / "study.toml", **overrides).run()
        assert not result.errors  # each cell saw the file
        lines = (tmp_path / "hypotheses.jsonl").read_text().splitlines()
        return decided(result)["faster"], [json.loads(line) for line in lines]

    row, lines = run()
    assert row["decision"] == "supported"
    (entry,) = lines
    assert (entry["hash"], entry["time"]) == (row["hash"], row["registered"])
    assert (entry["seed"], entry["claim"], entry["alpha"]) == (4, "fast.x > slow.x", 0.01)
    assert row["note"] is None
    again, lines = run()
    assert (again, len(lines)) == (row, 1)  # the same plan, all of it in the store
    more, lines = run(replicates=40)
    assert len(lines) == 2
    assert more["note"] == "60 cells were in the store before it was registered"
    assert more["hash"] != row["hash"]
    own, lines = run(replicates={"fast": 50, "*": 40})
    assert (len(lines), lines[-1]["own_replicates"]) == (3, {"fast": 50})
    assert own["hash"] != more["hash"]


def test_a_register_in_a_folder_that_is_not_there_is_refused(tmp_path, columns, study):
    plan = Hypotheses(claims(h="fast.x > slow.x"), register=tmp_path / "no" / "h.jsonl")
    with pytest.raises(
        CrystallizeError, match=r"hypotheses\.register: expected a file in a folder"
    ):
        study(columns, plan)


@pytest.mark.parametrize(
    "x", [[1.0], [2.0] * 5, [ValueError("no")] * 3, [math.nan, 1.0], [math.inf]]
)
def test_extremes_are_undecided(x, study):
    columns = {"slow": {"x": x[:], "ok": [True] * len(x)}, "fast": {"x": x, "ok": [False] * len(x)}}
    given = claims(h="fast.x > slow.x", n="fast.x > 7", b="slow.ok > 2")
    rows = decided(study(columns, Hypotheses(given)))
    assert rows["h"]["decision"] == "undecided"
    json.dumps(list(rows.values()), allow_nan=False)


class TestSuite(AggregatorSuite):
    def make(self):
        first = next(iter(self.conditions))
        return Hypotheses(claims(h=f"{first}.x > 0"))
