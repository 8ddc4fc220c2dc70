"""Moments against exact rational arithmetic."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.cells.moments import NONE, Moments

CLOSE = 1e-12
RNG = np.random.default_rng(12)


def alternating(base):
    """NIST's sets NumAcc2 to NumAcc4: one number, then 500 times a tenth less and more."""
    return [float(f"{base}.2"), *[float(f"{base}.1"), float(f"{base}.3")] * 500]


HARD: dict[str, Any] = {
    "NumAcc1": [10000001.0, 10000003.0, 10000002.0],
    "NumAcc2": alternating(1),
    "NumAcc3": alternating(1000000),
    "NumAcc4": alternating(10000000),
    "offset": 1e9 + RNG.normal(size=1000),
    "large offset": 1e15 + RNG.normal(size=1000),
    "skewed": RNG.lognormal(0, 5, size=1000),
    "subnormal": RNG.integers(1, 1000, 1000) * 5e-324,
    "zeros, then subnormal": np.r_[np.zeros(500), RNG.integers(1, 1000, 500) * 5e-324],
    "tiny": RNG.normal(size=1000) * 1e-200,
    "huge": RNG.normal(size=1000) * 1e200,
    "all scales": np.r_[[RNG.normal(size=300) * scale for scale in (1e-300, 1.0, 1e300)]].ravel(),
    "a step": np.r_[np.zeros(16), 1e9 + RNG.normal(size=1000)],
    "sorted": np.arange(1000.0),
    "one last bit": np.r_[np.full(999, 1e9), np.nextafter(1e9, 2e9)],
    "all the same": np.full(1000, 0.1),
}


def in_parts(numbers, parts):
    moments = NONE
    for part in np.array_split(np.asarray(numbers, np.float64), parts):
        moments = moments.joined(Moments.of(part))
    return moments


def check(numbers, moments):
    """Hold moments against exact ones; those that can cancel are measured by the spread."""
    ratios = [float(number).as_integer_ratio() for number in numbers]
    below = max(denominator for _, denominator in ratios)
    whole = [numerator * (below // denominator) for numerator, denominator in ratios]
    n, total = len(whole), sum(whole)
    unit = Fraction(2) ** moments.scale
    assert moments.n == n
    lost = Fraction(sum(map(abs, whole)), below * 2**105)
    assert_rounded(moments.sum, Fraction(total, below), unit, lost)
    assert_rounded(moments.mean, Fraction(total, below * n), unit, lost / n)
    apart = [n * number - total for number in whole]
    m2, m3, m4, third = (
        Fraction(sum(powers), (below * n) ** power) / unit**power
        for power, powers in (
            (2, [x**2 for x in apart]),
            (3, [x**3 for x in apart]),
            (4, [x**4 for x in apart]),
            (3, [abs(x) ** 3 for x in apart]),
        )
    )
    if not m2:
        assert (moments.m2, moments.m3, moments.m4) == (0.0, 0.0, 0.0)
        return
    assert abs(Fraction(moments.m2) / m2 - 1) < CLOSE
    assert abs(Fraction(moments.m4) / m4 - 1) < CLOSE
    assert abs(Fraction(moments.m3) - m3) < CLOSE * third


def assert_rounded(found, exact, unit, lost=Fraction(0)):
    """Hold a float against an exact number: it is one of the two next to it, and the nearer one.

    But for what lies in the middle of two to more digits than two floats hold, and for what these
    lose of what cancels.
    """
    step = max(Fraction(math.ulp(found)), unit * Fraction(math.ulp(0.0)))
    assert abs(Fraction(found) - exact) <= step / 2 * (1 + Fraction(1, 10**12)) + lost


@pytest.mark.parametrize("parts", [1, 3, 100])
@pytest.mark.parametrize("numbers", HARD.values(), ids=HARD)
def test_hard_numbers(numbers, parts):
    check(numbers, in_parts(numbers, parts if len(numbers) > 3 else 1))


def test_the_certified_values_of_nist():
    for base, mean in ((1, 1.2), (1000000, 1000000.2), (10000000, 10000000.2)):
        moments = in_parts(alternating(base), 10)
        assert moments.mean == mean
        # Beyond this the numbers as floats have another deviation than as decimals.
        assert moments.sd == pytest.approx(0.1, rel=1e-15 * base + 1e-14)


@settings(max_examples=100)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 60),
)
def test_any_numbers_in_any_parts(numbers, parts):
    check(numbers, in_parts(numbers, min(parts, len(numbers))))


def test_many_numbers_are_summed_as_well_as_few():
    numbers = np.r_[1e16, RNG.normal(size=100_001), -1e16]
    exact = sum(map(Fraction, numbers.tolist()))
    assert Moments.of(numbers).sum == float(exact)


def test_a_sum_beyond_all_floats_is_infinite_and_its_mean_is_not():
    moments = Moments.of(np.full(10, 1.5e308))
    assert (moments.sum, moments.mean, moments.sd) == (math.inf, 1.5e308, 0.0)
    apart = Moments.of(np.array([-1.5e308, 1.5e308]))
    assert (apart.sum, apart.mean, apart.sd) == (0.0, 0.0, math.inf)


def test_skewness_and_kurtosis_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    numbers = RNG.gamma(2, size=5000)
    moments = in_parts(numbers, 7)
    assert moments.skewness == pytest.approx(stats.skew(numbers), rel=1e-10)
    assert moments.kurtosis == pytest.approx(stats.kurtosis(numbers), rel=1e-10)
