"""The section ``compare`` of experiments, and what is beside it."""

import json
import math

import numpy as np
import pytest
import scipy.stats
from crystallize_stats.compare import KEYS, Compare

from crystallize import CrystallizeError, Experiment, grid
from crystallize.testing import AggregatorSuite

FAILED = ValueError("no")


@pytest.fixture
def drawn(rng):
    shared = rng.normal(size=40)
    return {
        name: {"x": (shared + shift + 0.5 * rng.normal(size=40)).tolist()}
        for name, shift in (("base", 0.0), ("near", 0.1), ("far", 1.0))
    }


def compared(result):
    return {(r["treatment"], r["metric"]): r for r in result.sections["compare"]}


def test_each_treatment_is_compared_with_the_baseline_by_pairs(drawn, study):
    result = study(drawn, Compare())
    rows = result.sections["compare"]
    assert [(row["treatment"], row["baseline"]) for row in rows] == [
        ("near", "base"),
        ("far", "base"),
    ]
    assert list(rows[0]) == [*KEYS[:2], "name", *KEYS[2:]]
    base, far = (np.array(drawn[name]["x"]) for name in ("base", "far"))
    d = far - base
    test = scipy.stats.ttest_rel(far, base)
    row = rows[1]
    assert row["n"] == 40
    assert row["difference"] == pytest.approx(d.mean())
    assert (row["lower"], row["upper"]) == pytest.approx(tuple(test.confidence_interval()))
    assert (row["test"], row["statistic"], row["p"]) == pytest.approx(("t", *test))
    assert row["effect"] == pytest.approx(d.mean() / d.std(ddof=1))
    assert row["effect_lower"] < row["effect"] < row["effect_upper"]
    gain = (far.var(ddof=1) + base.var(ddof=1)) / d.var(ddof=1)
    assert row["pairing_gain"] == pytest.approx(gain)
    assert row["replicates_saved"] == round(40 * (gain - 1))
    assert row["p_adjusted"] == pytest.approx(2 * row["p"])
    assert row["family"] == "holm over 2 tests: 2 x 1 (comparisons x metrics)"
    assert row["note"] is None


def test_the_family_is_all_comparisons_and_metrics(drawn, study, rng):
    for metrics in drawn.values():
        metrics["y"] = rng.normal(size=40).tolist()
    for correction in ("holm", "bh", "none"):
        rows = study(drawn, Compare(correction=correction)).sections["compare"]
        assert len(rows) == 4
        p = [row["p"] for row in rows]
        found = [row["p_adjusted"] for row in rows]
        if correction == "bh":
            assert found == pytest.approx(scipy.stats.false_discovery_control(p).tolist())
        elif correction == "none":
            assert (found, rows[0]["family"]) == (p, "none")
        else:
            assert min(found) == pytest.approx(4 * min(p))
            assert "4 tests: 2 x 2" in rows[0]["family"]


def test_a_yes_or_no_is_compared_by_mcnemar(study):
    columns = {
        "base": {"ok": [True] * 20 + [False] * 20},
        "new": {"ok": [True] * 18 + [False] * 2 + [True] * 9 + [False] * 11},
    }
    row = compared(study(columns, Compare()))["new", "ok"]
    assert (row["test"], row["statistic"], row["interval"]) == ("mcnemar", 9, "bonett-price")
    assert row["difference"] == pytest.approx(7 / 40)
    assert row["p"] < row["p_exact"] == pytest.approx(scipy.stats.binomtest(9, 11).pvalue)
    assert (row["effect_measure"], row["effect"]) == ("matched odds ratio", 4.5)
    assert "of 40 pairs 9 only for the treatment, 2 only for the baseline" in row["note"]
    as_numbers = {c: {"ok": [float(v) for v in m["ok"]]} for c, m in columns.items()}
    assert compared(study(as_numbers, Compare()))["new", "ok"]["p"] == row["p"]
    columns["new"]["ok"][30] = FAILED
    row = compared(study(columns, Compare()))["new", "ok"]
    assert (row["test"], row["n"], row["statistic"]) == ("mcnemar", 39, 9)
    forced = compared(study(columns, Compare(test="t", interval="t")))["new", "ok"]
    assert (forced["test"], forced["interval"]) == ("t", "t")


@pytest.mark.parametrize("test", ["wilcoxon", "permutation"])
def test_other_tests_by_name(test, drawn, study):
    row = compared(study(drawn, Compare(test=test, interval="bca")))["far", "x"]
    assert (row["test"], row["interval"]) == (test, "bca")
    assert row["p"] < 0.001
    assert row["lower"] < row["difference"] < row["upper"]


def test_replicates_without_a_pair_are_left_out_and_it_says_so(drawn, study):
    drawn["far"]["x"][3] = FAILED
    drawn["near"]["x"][5] = math.nan
    drawn["near"]["x"][6] = math.inf
    result = study(drawn, Compare())
    rows = compared(result)
    assert (rows["far", "x"]["n"], rows["near", "x"]["n"]) == (39, 38)
    assert rows["far", "x"]["note"] == (
        "conditional on success: 1 of 40 cells failed under 'far', 0 of 40 under 'base'; "
        "1 without a pair left out"
    )
    assert rows["near", "x"]["note"] == "1 infinite left out; 2 without a pair left out"
    failures = result.sections["failures"]
    assert [row["failed"] for row in failures] == [0, 0, 1]
    assert failures[2]["rate"] == 1 / 40
    assert failures[0]["upper"] == pytest.approx(1.959964**2 / (40 + 1.959964**2))
    assert list(failures[0]) == ["condition", "name", "failed", "n", "rate", "lower", "upper"]


def test_failures_have_no_section_where_there_are_none(drawn, study):
    assert list(study(drawn, Compare()).sections) == ["compare"]


def test_where_pairs_are_missing_samples_are_compared_and_it_says_so(study, rng):
    x = rng.normal(size=30)
    columns = {
        "base": {"x": [*x[:15], *[math.nan] * 15], "ok": [*[1.0, 0, 1] * 5, *[math.nan] * 15]},
        "new": {"x": [*[math.nan] * 12, *x[12:]], "ok": [*[math.nan] * 12, *[1.0, 0, 0] * 6]},
    }
    rows = compared(study(columns, Compare()))
    row = rows["new", "x"]
    expected = scipy.stats.ttest_ind(x[12:], x[:15], equal_var=False)
    assert (row["test"], row["statistic"], row["p"]) == pytest.approx(("welch", *expected))
    assert (row["lower"], row["upper"]) == pytest.approx(tuple(expected.confidence_interval()))
    assert row["note"] == "unpaired: 18 and 15 values make 3 pairs"
    assert (row["pairing_gain"], row["effect_measure"]) == (None, "d")
    assert (rows["new", "ok"]["test"], rows["new", "ok"]["interval"]) == ("score", "newcombe")


def four(rng):
    conditions = grid(method=["old", "new"], n=[10, 20])
    values = {name: {"x": rng.normal(size=12).tolist()} for name in conditions}
    return conditions, values


def test_comparisons_within_the_levels_of_other_factors(study, rng):
    conditions, values = four(rng)
    rows = study(values, Compare(within=["n"]), factors=conditions).sections["compare"]
    assert [(row["treatment"], row["baseline"]) for row in rows] == [
        ("method=new,n=10", "method=old,n=10"),
        ("method=new,n=20", "method=old,n=20"),
    ]
    assert [(row["method"], row["factor.n"], row["n"]) for row in rows] == [
        ("new", 10, 12),
        ("new", 20, 12),
    ]


def test_all_pairs(study, rng):
    conditions, values = four(rng)
    assert len(study(values, Compare(pairs="all"), factors=conditions).sections["compare"]) == 6
    within = study(
        values,
        Compare(pairs="all", within=["n"]),
        factors=conditions,
        baseline="method=new,n=20",
    ).sections["compare"]
    assert [(row["treatment"], row["baseline"]) for row in within] == [
        ("method=new,n=10", "method=old,n=10"),
        ("method=old,n=20", "method=new,n=20"),
    ]


def test_factors_that_do_not_fit_are_refused_before_the_first_replicate(study, rng):
    conditions, values = four(rng)
    with pytest.raises(CrystallizeError, match=r"compare\.within.*Did you mean 'method'"):
        study(values, Compare(within=["methd"]), factors=conditions)
    del conditions["method=old,n=20"], values["method=old,n=20"]
    with pytest.raises(CrystallizeError, match=r"of the conditions with n = 20 none is the base"):
        study(values, Compare(within=["n"]), factors=conditions)
    with pytest.raises(CrystallizeError, match=r"compare\.datasets.*Known: 'method', 'n'"):
        study(values, Compare(datasets="data"), factors=conditions)
    with pytest.raises(CrystallizeError, match="the only factor"):
        Experiment(lambda n: 1.0, grid(n=[1, 2]), aggregators=[Compare(datasets="n")])


def test_resamples_of_one_data_set_are_corrected_and_their_split_is_noticed(rng):
    def trial(rng, shift):
        parts = train_test_split(list(range(9)), rng)
        return {"x": rng.normal() * (1 + shift) + shift, "size": len(parts)}

    def train_test_split(values, rng):
        return values

    conditions = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}

    def run(compare):
        result = Experiment(trial, conditions, replicates=20, seed=4, aggregators=[compare]).run()
        return compared(result)["b", "x"]

    plain, corrected = run(Compare(metrics=["x"])), run(Compare(metrics=["x"], test_to_train=0.25))
    assert corrected["statistic"] == pytest.approx(plain["statistic"] / (1 + 20 * 0.25) ** 0.5)
    assert corrected["upper"] > plain["upper"]
    assert (plain["note"], corrected["note"]) == (
        "replicates overlap if train_test_split splits one data set: set test_to_train",
        None,
    )
    with pytest.raises(ValueError, match="'t', which alone test_to_train corrects"):
        Compare(test="wilcoxon", test_to_train=0.25)


def test_methods_are_ranked_over_data_sets(study, rng):
    conditions = grid(data=list("abcdefgh"), method=["old", "mid", "new"])
    gain = {"old": 0.0, "mid": 0.1, "new": 2.0}
    values = {
        name: {"score": (rng.normal(size=9) + gain[c["method"]]).tolist()}
        for name, c in conditions.items()
    }
    result = study(values, Compare(datasets="data"), factors=conditions)
    rows = result.sections["ranks"]
    means = np.array([np.mean(values[name]["score"]) for name in conditions]).reshape(8, 3)
    ranks = scipy.stats.rankdata(-means, axis=1).mean(axis=0)
    assert [row["method"] for row in rows] == ["old", "mid", "new"]
    assert [row["rank"] for row in rows] == pytest.approx(ranks.tolist())
    assert rows[0]["friedman"] == pytest.approx(scipy.stats.friedmanchisquare(*means.T).statistic)
    assert "data" not in rows[0]
    assert rows[0]["p_adjusted"] is None  # the baseline
    z = (ranks[0] - ranks[2]) / np.sqrt(3 * 4 / 48)
    q = scipy.stats.studentized_range.sf(z * 2**0.5, 3, np.inf)
    assert rows[2]["p_adjusted"] == pytest.approx(q)
    holm = Compare(datasets="data", post_hoc="holm", better="lower")
    lower = study(values, holm, factors=conditions).sections["ranks"]
    assert [row["rank"] for row in lower] == pytest.approx((4 - ranks).tolist())
    assert lower[2]["p_adjusted"] == pytest.approx(2 * (2 * scipy.stats.norm.sf(z)))


EXTREME = {
    "one replicate": [[1.0], [2.0]],
    "no variance": [[1.0] * 5, [2.0] * 5],
    "no difference": [[1.0, 2.0, 3.0]] * 2,
    "all failed": [[FAILED] * 3] * 2,
    "one side failed": [[FAILED] * 3, [1.0, 2.0, 3.0]],
    "infinities": [[math.inf, 1.0, -math.inf], [math.inf, math.inf, 0.0]],
    "overflow": [[1e308, -1e308, 1e308], [-1e308, 1e308, 1e300]],
    "subnormal": [[5e-324, 0.0, 1e-323], [0.0, 5e-324, 0.0]],
    "yes or no": [[True, False, True], [True, True, True]],
    "the same answers": [[True] * 4] * 2,
    "counts": [[0, 1, 7], [2**60, 1, 0]],
    "huge integers": [[10**400, 1, 2], [1, 2, 3]],
}


@pytest.mark.parametrize("what", EXTREME)
@pytest.mark.parametrize("test", [None, "t", "wilcoxon", "permutation"])
@pytest.mark.parametrize("interval", [None, "bca"])
def test_extremes_are_none_or_numbers_without_warnings(what, test, interval, study):
    base, new = EXTREME[what]
    columns = {"base": {"x": base}, "new": {"x": new}}
    result = study(columns, Compare(test=test, interval=interval))
    text = json.dumps(result.sections, allow_nan=False)
    assert json.loads(text) == result.sections
    for row in result.sections["compare"]:
        assert row["p"] is None or 0 <= row["p"] <= 1
        if row["lower"] is not None:
            assert row["lower"] <= row["difference"] <= row["upper"]


def test_what_text_and_one_condition_come_to(study):
    columns = {"one": {"x": [1.0, 2.0], "label": ["a", "b"]}}
    assert study(columns, Compare()).sections["compare"] == []
    with pytest.raises(CrystallizeError, match=r"compare\.metrics: expected a metric that is one"):
        study(columns, Compare(metrics=["label"]))
    with pytest.raises(CrystallizeError, match="expected a yes or no"):
        study({**columns, "two": columns["one"]}, Compare(test="mcnemar", metrics=["x"]))


class TestSuite(AggregatorSuite):
    def make(self):
        return Compare(interval="bca", test="permutation")


def test_what_differs_by_rounding_alone_is_equal(study, rng):
    x = rng.normal(size=12)
    columns = {"base": {"x": x.tolist()}, "new": {"x": (x + 0.1).tolist()}}
    row = compared(study(columns, Compare()))["new", "x"]
    assert row["difference"] == pytest.approx(0.1)
    assert (row["p"], row["lower"], row["pairing_gain"]) == (None, None, None)
    assert row["note"] == "all differences are equal, so that there is no t"
    tenths = {"base": {"x": [0.2, 0.1, 0.3, 0.7]}, "new": {"x": [0.3, 0.2, 0.1 + 0.2, 0.5]}}
    row = compared(study(tenths, Compare(test="wilcoxon")))["new", "x"]
    assert row["note"] == "1 zero difference left out; 2 differences tied in size"
