"""Confidence sequences against numbers that are computed in another way, and counted."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from crystallize.cells.page import page_stop
from crystallize.sequences.interval import TUNED_FOR, mixing_variance
from crystallize.sequences.means import GROWTH, LARGEST, SLOPES, BoundedSequence, MeanSequence
from crystallize.sequences.proportions import ProportionSequence
from crystallize.sequences.quantiles import QuantileSequence

pytestmark = pytest.mark.faults  # it takes long

MOST = 3000


def of(sequence, values):
    sequence.add(np.asarray(values, dtype=float))
    return sequence.interval()


def test_the_mixture_is_narrowest_where_it_is_tuned():
    def factor(variance):
        scale = variance * TUNED_FOR
        return (scale + 1) / scale * math.log((scale + 1) / 0.05**2)

    best = optimize.minimize_scalar(factor, bounds=(1e-4, 1), method="bounded").x
    assert factor(mixing_variance(0.05)) < 1.001 * factor(best)


@pytest.mark.parametrize(("n", "sd"), [(100, 1.0), (1000, 3.0), (30_000, 0.1)])
def test_a_mean_is_excluded_where_the_mixture_of_likelihood_ratios_says_so(n, sd):
    """The normal mixture, integrated numerically, is 1/alpha at the bound."""
    values = np.random.default_rng(n).normal(5, sd, size=n)
    interval = of(MeanSequence(0.05), values)
    assert interval.n == n
    assert interval.estimate == pytest.approx(values.mean())
    z = n * interval.half_width / values.std(ddof=1)  # the sum of standardised deviations
    spread = mixing_variance(0.05) ** 0.5

    def ratio(shift):
        return math.exp(shift * z - n * shift**2 / 2 - 10) * stats.norm.pdf(shift, 0, spread)

    peak = z / n
    mixture, _ = integrate.quad(ratio, -1, 1, points=[peak, peak / 2, 2 * peak], limit=500)
    assert math.log(mixture) + 10 == pytest.approx(math.log(1 / 0.05), abs=1e-6)


@pytest.mark.parametrize(
    ("yes", "no"), [(0, 10), (10, 0), (1, 1), (3, 97), (930, 70), (5, 100_000)]
)
def test_a_share_is_excluded_where_the_mixture_of_binomials_says_so(yes, no):
    interval = of(ProportionSequence(0.05), [1.0] * yes + [0.0] * no)
    assert interval.estimate == yes / (yes + no)
    weight = 1 / mixing_variance(0.05)

    def mixture(share):
        a, b = weight * share, weight * (1 - share)
        marginal = stats.betabinom.logpmf(yes, yes + no, a, b)
        return marginal - stats.binom.logpmf(yes, yes + no, share)

    wanted = math.log(1 / 0.05)
    if interval.lower > 0:
        assert mixture(interval.lower) == pytest.approx(wanted, abs=1e-6)
    else:
        assert mixture(1e-12) < wanted
    if interval.upper < 1:
        assert mixture(interval.upper) == pytest.approx(wanted, abs=1e-6)
    else:
        assert mixture(1 - 1e-12) < wanted
    inside = np.linspace(interval.lower, interval.upper, 50)[1:-1]
    assert max(map(mixture, inside)) < wanted
    outside = [*np.linspace(0, interval.lower, 50)[1:-1], *np.linspace(interval.upper, 1, 50)[1:-1]]
    assert all(mixture(share) > wanted for share in outside if 1e-9 < share < 1 - 1e-9)


def test_a_bounded_mean_by_its_definition():
    """One value after the other, as the formula has it."""
    values = np.random.default_rng(5).beta(2, 5, size=700)
    interval = of(BoundedSequence(0.05, -1.0, 3.0), 4 * values - 1)
    slopes = [LARGEST / GROWTH**k for k in range(SLOPES)]
    total, variation = 0.0, 0.0
    for i, value in enumerate(values):
        variation += (value - (0.5 + total) / (i + 1)) ** 2
        total += value

    def wealth(mean, sign):
        exponents = [
            slope * sign * (total - len(values) * mean) + (math.log(1 - slope) + slope) * variation
            for slope in slopes
        ]
        return special.logsumexp(exponents) - math.log(SLOPES)

    lower = optimize.brentq(lambda m: wealth(m, 1) - math.log(40), 0, values.mean())
    upper = optimize.brentq(lambda m: wealth(m, -1) - math.log(40), values.mean(), 1)
    assert interval.lower == pytest.approx(4 * lower - 1, abs=1e-9)
    assert interval.upper == pytest.approx(4 * upper - 1, abs=1e-9)


@pytest.mark.parametrize(("n", "probability"), [(20, 0.5), (1001, 0.5), (5000, 0.95), (300, 0.01)])
def test_a_quantile_is_between_the_counts_that_are_not_excluded(n, probability):
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    interval = of(QuantileSequence(0.05, probability), values)
    weight = 1 / mixing_variance(0.05)
    counts = np.arange(n + 1)
    a, b = weight * probability, weight * (1 - probability)
    ratio = stats.betabinom.logpmf(counts, n, a, b) - stats.binom.logpmf(counts, n, probability)
    allowed = counts[ratio < math.log(1 / 0.05)]
    lower = allowed[0] if allowed[0] > 0 else -math.inf
    upper = allowed[-1] + 1 if allowed[-1] < n else math.inf
    assert (interval.lower, interval.upper) == (lower, upper)
    assert interval.estimate == np.quantile(values, probability)


HARD = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6), st.floats(1e9, 1e9 + 1), st.floats(-1e-300, 1e-300), st.just(0.0)
    ),
    min_size=100,
    max_size=160,
)


@given(values=HARD, cuts=st.lists(st.integers(0, 160), max_size=4))
@settings(max_examples=30, deadline=None)
def test_moments_are_those_of_exact_arithmetic_however_values_are_split(values, cuts):
    sequence = MeanSequence(0.05)
    edges = [0, *sorted(cuts), len(values)]
    for start, stop in itertools.pairwise(edges):
        sequence.add(np.array(values[start:stop]))
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    squares = sum((value - mean) ** 2 for value in exact)
    interval = sequence.interval()
    largest = max(map(abs, values))
    if interval is None:
        assert max(values) - min(values) <= 4 * np.spacing(largest)
        return
    assert abs(interval.estimate - float(mean)) <= 1e-12 * largest
    scale = mixing_variance(0.05) * len(values)
    width = 2 * (scale + 1) / scale * math.log(math.sqrt(scale + 1) / 0.05) / len(values)
    expected = math.sqrt(float(squares / (len(values) - 1)) * width)
    assert interval.half_width == pytest.approx(expected, rel=1e-9, abs=1e-12 * largest)


def test_a_mean_says_nothing_of_few_values_or_of_values_that_do_not_vary():
    assert of(MeanSequence(0.05), np.arange(99.0)) is None
    assert of(MeanSequence(0.05), np.full(1000, 0.1)) is None
    rounded = np.random.default_rng(1).normal(1000, 1, size=500)
    differences = MeanSequence(0.05)
    differences.add((rounded + 0.1) - rounded, 1003.0)
    assert differences.interval() is None
    assert of(MeanSequence(0.05), [math.inf, -math.inf, *range(200)]) is None


def test_no_values_say_nothing():
    for sequence in (
        MeanSequence(0.05),
        ProportionSequence(0.05),
        BoundedSequence(0.05, 0, 1),
        QuantileSequence(0.05, 0.5),
    ):
        assert of(sequence, []) is None


CASES = [
    (lambda: MeanSequence(0.05), lambda rng, n: rng.normal(size=n), 0.0, 100),
    (lambda: MeanSequence(0.05), lambda rng, n: rng.exponential(size=n), 1.0, 100),
    (lambda: MeanSequence(0.05), lambda rng, n: np.round(rng.normal(size=n)), 0.0, 100),
    (lambda: MeanSequence(0.05), lambda rng, n: rng.standard_t(3, size=n), 0.0, 100),
    (lambda: MeanSequence(0.05), lambda rng, n: rng.lognormal(size=n), math.exp(0.5), 1000),
    (lambda: ProportionSequence(0.05), lambda rng, n: 1.0 * (rng.random(n) < 0.05), 0.05, 1),
    (lambda: ProportionSequence(0.05), lambda rng, n: 1.0 * (rng.random(n) < 0.5), 0.5, 1),
    (lambda: BoundedSequence(0.05, 0, 1), lambda rng, n: 1.0 * (rng.random(n) < 0.05), 0.05, 1),
    (lambda: BoundedSequence(0.05, 0, 1), lambda rng, n: rng.beta(2, 5, size=n), 2 / 7, 1),
    (lambda: QuantileSequence(0.05, 0.5), lambda rng, n: rng.normal(size=n), 0.0, 1),
    (lambda: QuantileSequence(0.05, 0.5), lambda rng, n: np.round(rng.normal(size=n)), 0.0, 1),
    (lambda: QuantileSequence(0.05, 0.9), lambda rng, n: rng.random(n), 0.9, 1),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_looking_after_every_page_excludes_the_truth_seldom_enough(case):
    """In at most 5% of studies: 150 of them, so at most 14 but for one time in 10,000."""
    make, draw, truth, at_least = CASES[case]
    rng, wrong, studies = np.random.default_rng(case), 0, 150
    for _ in range(studies):
        values, sequence, start = draw(rng, MOST), make(), 0
        while start < MOST:
            stop = page_stop(start, MOST)
            sequence.add(values[start:stop])
            start = stop
            interval = sequence.interval() if stop >= at_least else None
            if interval is not None and not interval.lower <= truth <= interval.upper:
                wrong += 1
                break
    assert stats.binom.sf(wrong - 1, studies, 0.05) > 1e-4
