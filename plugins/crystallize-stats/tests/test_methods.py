"""Each formula against SciPy, statsmodels, published numbers, or every case written out."""

import doctest
import importlib
import itertools
import pkgutil

import crystallize_stats
import numpy as np
import pytest
import scipy.stats
from crystallize_stats.effects import paired_effect, unpaired_effect
from crystallize_stats.means import seed_for, t_interval
from crystallize_stats.multiplicity import adjusted
from crystallize_stats.paired import (
    overlap_inflation,
    permutation_test,
    t_test,
    wilcoxon_test,
)
from crystallize_stats.ranks import critical_difference, friedman
from crystallize_stats.unpaired import welch
from crystallize_stats.yes_no import (
    Discordant,
    bonett_price_interval,
    matched_odds_ratio,
    mcnemar_test,
    newcombe_interval,
    score_test,
)
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.effect_size import _noncentrality_t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans

SEED = seed_for(1)
# Darwin's maize, crossed less self-fertilised, in eighths of an inch (Fisher 1935, section 17).
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])


def modules():
    for module in pkgutil.iter_modules(crystallize_stats.__path__):
        yield f"crystallize_stats.{module.name}"


@pytest.mark.parametrize("name", list(modules()))
def test_every_example_in_a_docstring_runs(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_students_paired_test_is_scipys_and_fishers():
    found = t_test(MAIZE)
    expected = scipy.stats.ttest_1samp(MAIZE, 0)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert round(found.statistic, 3) == 2.148  # Fisher (1935), section 17


def test_the_sign_flip_test_counts_what_fisher_counted():
    """863 of 32,768 choices of signs have a sum as great, in one direction: section 21."""
    found = permutation_test(MAIZE, SEED)
    assert found.p == pytest.approx(2 * 863 / 32768)


def test_the_sign_flip_test_is_that_of_scipy_where_signs_are_drawn(rng, seeded):
    values = rng.normal(0.3, size=40)
    expected = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=50000, **seeded
    ).pvalue
    assert permutation_test(values, SEED).p == pytest.approx(expected, abs=0.012)
    far = permutation_test(values + 9, SEED)
    assert far.p == 1 / 10000  # never 0


@pytest.mark.parametrize("n", [5, 12, 40])
def test_wilcoxons_test_is_scipys_exact_one_without_ties(n, rng):
    values = rng.normal(0.4, size=n)
    found = wilcoxon_test(values)
    expected = scipy.stats.wilcoxon(values, method="exact", alternative="greater")
    assert found.statistic == expected.statistic
    assert found.p == pytest.approx(scipy.stats.wilcoxon(values, method="exact").pvalue)
    assert found.notes == ()


def test_wilcoxons_test_with_ties_and_zeros_is_every_choice_of_signs_counted():
    values = np.array([1.0, -1, 2, 2, 0, 3, -3, 3, 5, 0, 4])
    nonzero = values[values != 0]
    ranks = scipy.stats.rankdata(abs(nonzero))
    sums = [ranks @ signs for signs in itertools.product((0, 1), repeat=len(ranks))]
    observed = ranks[nonzero > 0].sum()
    p = 2 * min(np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed))
    found = wilcoxon_test(values)
    assert (found.statistic, found.p) == pytest.approx((observed, p))
    assert found.notes == ("2 zero differences left out", "7 differences tied in size")


def test_wilcoxons_test_of_many_is_scipys_approximation(rng):
    values = np.round(rng.normal(0.1, size=500), 1)
    nonzero = values[values != 0]
    expected = scipy.stats.wilcoxon(nonzero, method="approx", correction=False)
    assert wilcoxon_test(values).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_a_tiny_exact_p_is_not_zero():
    assert wilcoxon_test(np.arange(1.0, 151.0)).p == pytest.approx(2.0**-149)


def test_resamples_of_one_data_set_have_the_corrected_t(rng):
    values = rng.normal(0.05, 0.1, size=30)
    ratio = 1 / 9
    t = values.mean() / np.sqrt((1 / 30 + ratio) * values.var(ddof=1))  # Nadeau and Bengio's (9)
    inflation = overlap_inflation(30, ratio)
    assert t_test(values, inflation).statistic == pytest.approx(t)
    half = scipy.stats.t.ppf(0.975, 29) * np.sqrt((1 / 30 + ratio) * values.var(ddof=1))
    low, high = t_interval(values, 0.05, inflation)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


@pytest.mark.parametrize(("b", "c"), [(1, 7), (0, 5), (4, 4), (30, 51), (0, 0)])
def test_mcnemars_exact_test_is_that_of_statsmodels(b, c):
    found = mcnemar_test(Discordant(b, c, 100))
    assert found.p_exact == pytest.approx(mcnemar([[9, b], [c, 9]], exact=True).pvalue)
    here = scipy.stats.binom.pmf(min(b, c), b + c, 0.5)
    tail = scipy.stats.binom.cdf(min(b, c), b + c, 0.5)
    assert found.p == pytest.approx(min(1, 2 * tail - here))


def test_published_pairs_have_the_published_numbers():
    """Airway hyper-responsiveness before and after transplantation: 1 and 7 of 21 discordant.

    Fagerland, Lydersen and Laake (2013), table 6: exact .0703, mid-p .0391.
    """
    pairs = Discordant(1, 7, 21)
    test = mcnemar_test(pairs)
    assert (round(test.p_exact, 4), round(test.p, 4)) == (0.0703, 0.0391)


def test_the_interval_of_paired_proportions_is_walds_with_a_pair_more_on_each_side():
    b, c, n = 8, 3, 50
    p, q = 9 / 52, 4 / 52
    half = scipy.stats.norm.ppf(0.975) * np.sqrt((p + q - (p - q) ** 2) / 52)
    assert bonett_price_interval(Discordant(b, c, n), 0.05) == pytest.approx(
        (p - q - half, p - q + half)
    )


def test_the_matched_odds_ratio_has_the_interval_of_a_binomial(rng):
    effect = matched_odds_ratio(Discordant(8, 3, 50), 0.05)
    ends = scipy.stats.binomtest(8, 11).proportion_ci()
    assert effect.value == pytest.approx(8 / 3)
    assert effect.interval == pytest.approx(
        (ends.low / (1 - ends.low), ends.high / (1 - ends.high))
    )
    assert matched_odds_ratio(Discordant(8, 0, 50), 0.05).value is None
    assert matched_odds_ratio(Discordant(8, 0, 50), 0.05).interval.upper is None


def test_independent_proportions_are_compared_as_statsmodels_does():
    found = newcombe_interval(30, 50, 21, 60, 0.05)
    expected = confint_proportions_2indep(30, 50, 21, 60, "newcomb", "diff")
    assert found == pytest.approx(expected)
    test = score_test(30, 50, 21, 60)
    assert (test.statistic, test.p) == pytest.approx(proportions_ztest([30, 21], [50, 60]))
    assert score_test(5, 5, 6, 6).p == 1


def test_independent_means_are_compared_as_statsmodels_does(rng):
    one, other = rng.normal(0.5, 2, size=20), rng.normal(size=33)
    test, interval = welch(one, other, 0.1)
    means = CompareMeans.from_data(one, other)
    statistic, p, _ = means.ttest_ind(usevar="unequal")
    assert (test.statistic, test.p) == pytest.approx((statistic, p))
    assert interval == pytest.approx(means.tconfint_diff(0.1, usevar="unequal"))


def test_effects_have_the_interval_of_the_noncentral_t(rng):
    values = rng.normal(0.5, size=25)
    effect = paired_effect(values, 0.05)
    found = _noncentrality_t(effect.value * 5, 24, 0.05).confint
    assert effect.interval == pytest.approx(np.array(found) / 5, rel=1e-4)
    one, other = rng.normal(0.5, size=20), rng.normal(size=33)
    effect = unpaired_effect(one, other, 0.05)
    pooled = CompareMeans.from_data(one, other).std_meandiff_pooledvar / (1 / 20 + 1 / 33) ** 0.5
    assert effect.value == pytest.approx((one.mean() - other.mean()) / pooled)
    size = 20 * 33 / 53
    found = _noncentrality_t(effect.value * size**0.5, 51, 0.05).confint
    assert effect.interval == pytest.approx(np.array(found) / size**0.5, rel=1e-4)
    large = paired_effect(values + 100, 0.05)
    assert large.interval.lower < large.value < large.interval.upper


@pytest.mark.parametrize(("correction", "name"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_p_values_are_adjusted_as_statsmodels_does(correction, name, rng):
    p = [*(rng.uniform(size=9) ** 3), 0.01, 0.01, 1.0]
    assert adjusted(p, correction) == pytest.approx(multipletests(p, method=name)[1].tolist())
    assert adjusted([], correction) == []
    assert adjusted([None, 0.2], correction) == [None, 0.2]


def test_friedmans_test_is_scipys_with_ties_too(rng):
    scores = np.round(rng.normal(np.array([0, 0.5, 0, 0.5]), size=(14, 4)), 1)
    ranks = scipy.stats.rankdata(scores, axis=1)
    found = friedman(ranks)
    assert found.chi2 == pytest.approx(scipy.stats.friedmanchisquare(*scores.T).statistic)


def test_demsars_example_has_his_numbers():
    """Mean ranks 3.143, 2, 2.893, 1.964 on 14 data sets: chi² 9.28, F 3.69, CD 1.25."""
    n, k = 14, 4
    ranks = np.tile([3.143, 2.0, 2.893, 1.964], (n, 1))
    found = friedman(ranks)
    assert found.chi2 == pytest.approx(9.28, abs=0.02)
    assert found.f == pytest.approx(3.69, abs=0.02)
    assert round(critical_difference(k, n, 0.05), 2) == 1.25
    assert round(critical_difference(5, 1, 0.05) / np.sqrt(5), 3) == 2.728  # his table 5
