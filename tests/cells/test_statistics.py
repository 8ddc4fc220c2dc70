"""Statistics of one metric: the same whatever the pieces, of any kind of value."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.cells.leading_bits import LeadingBits
from crystallize.cells.quantiles import Quantiles
from crystallize.cells.statistics import LEAST, MetricStatistics

RNG = np.random.default_rng(3)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def gathered(*pieces, **options):
    metric = MetricStatistics(**options)
    for piece in pieces:
        metric.add(piece)
    return metric.statistics()


def bits(statistics):
    """All of it, as text that differs where any bit does."""
    quantiles = [statistics.quantile(share) for share in (0.0, 0.1, 0.5, 0.975, 1.0)]
    return repr((statistics.n, statistics.nan, statistics.numbers, quantiles))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9000), max_size=20), st.integers(1, 9000))
def test_it_makes_no_difference_in_which_pieces_values_come(cuts, n):
    values = RNG.standard_cauchy(size=n)
    values[::97] = math.nan
    values[5::1009] = -math.inf
    assert bits(gathered(*np.split(values, sorted(c for c in cuts if c < n)))) == bits(
        gathered(values)
    )


def test_asking_in_between_changes_nothing():
    metric, values = MetricStatistics(), RNG.normal(size=5000)
    for start in range(0, 5000, 700):
        metric.add(values[start : start + 700])
        metric.statistics()
    assert bits(metric.statistics()) == bits(gathered(values))


def test_what_goes_on_from_its_state_is_as_if_it_had_not_stopped():
    values = RNG.normal(size=9000)
    metric = MetricStatistics()
    metric.add(values[:4321])
    again = MetricStatistics.of_state(metric.state)
    again.add(values[4321:])
    assert bits(again.statistics()) == bits(gathered(values))


@pytest.mark.parametrize("kept", ["bits", "values", "nothing"])
def test_what_is_kept_for_quantiles_changes_nothing_else(kept):
    values = RNG.normal(size=9000)
    found = gathered(values, kept=kept)
    assert (found.n, found.numbers) == (9000, gathered(values).numbers)


@given(st.lists(FINITE, min_size=1, max_size=50), st.floats(0, 1))
def test_few_values_have_the_quantiles_of_numpy(values, share):
    if max(map(abs, values)) > 1e307:
        return  # NumPy's difference of two such is infinite
    expected = np.quantile(np.array(values), share)
    found = gathered(np.array(values)).quantile(share)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=20_000),
        RNG.lognormal(0, 20, size=20_000),
        -RNG.gamma(0.1, size=20_000),
        RNG.normal(size=20_000) * 1e-310,
        np.r_[RNG.normal(size=9_000), np.zeros(11_000)],
    ],
    ids=["normal", "lognormal", "negative", "subnormal", "zeros"],
)
def test_counted_quantiles_are_at_most_1_in_256_off(values):
    found, ordered = gathered(values), np.sort(values)
    for share in np.linspace(0, 1, 201):
        place = share * (len(values) - 1)
        around = ordered[math.floor(place)], ordered[min(math.floor(place) + 1, len(values) - 1)]
        exact = Quantiles(ordered).at(share)
        # Of numbers below all normal ones it is a 256th of the least of those.
        allowed = max(abs(around[0]), abs(around[1]), 2.3e-308) / 256
        assert abs(found.quantile(share) - exact) <= allowed * (1 + 1e-12)


@pytest.mark.parametrize("values", [RNG.integers(-200, 200, 9000) / 2, RNG.random(9000) < 0.3])
def test_small_whole_numbers_halves_and_flags_are_counted_exactly(values):
    for share in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert gathered(values).quantile(share) == np.quantile(values.astype(float), share)


def test_counts_do_not_depend_on_the_order():
    values = RNG.normal(size=3000)
    one, other = LeadingBits(), LeadingBits()
    for piece in np.split(values, 3):
        one = one.joined(piece)
    for piece in np.split(np.sort(values), 10):
        other = other.joined(piece)
    assert one.keys.tolist() == other.keys.tolist()
    assert one.counts.tolist() == other.counts.tolist()


def test_the_largest_float_is_its_own_quantile():
    largest = np.finfo(np.float64).max
    found = gathered(np.full(2 * LEAST, largest))
    assert found.quantile(0.5) == largest


def test_nan_is_counted_and_left_out():
    found = gathered([math.nan, 1.0, None, 3.0])
    assert (found.n, found.nan) == (2, 1)
    assert found.numbers is not None
    assert (found.numbers.mean, found.quantile(0.5)) == (2.0, 2.0)
    assert gathered([math.nan] * 3)[:3] == (0, 3, None)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([math.inf, 1.0, 2.0], math.inf),
        ([-math.inf, 1.0, 2.0], -math.inf),
        ([math.inf, -math.inf, 1.0], math.nan),
        ([math.inf] * 3, math.inf),
    ],
)
def test_infinities_are_defined_and_warn_of_nothing(values, mean):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbers = gathered(values).numbers
        assert numbers is not None
        for found in (numbers.mean, numbers.sum):
            assert repr(found) == repr(mean)
        for found in (numbers.sd, numbers.mcse, numbers.skewness, numbers.kurtosis):
            assert found is not None and math.isnan(found)
    assert (numbers.n, numbers.least, numbers.largest) == (3, min(values), max(values))
    assert gathered(values).quantile(1.0) == max(values)


def test_one_value_and_values_that_do_not_vary_lack_what_does_not_exist():
    one, same = gathered([2.0]).numbers, gathered([2.0] * 3).numbers
    assert one is not None and same is not None
    assert (one.mean, one.sd, one.mcse, one.skewness) == (2.0, None, None, None)
    assert (same.sd, same.mcse, same.skewness, same.kurtosis) == (0.0, 0.0, None, None)


@pytest.mark.parametrize(
    "pieces",
    [
        ([1.0], ["text"], [2.0]),
        (np.array(["a", "b"]), [None, 1.0]),
        ([10**400, 1, 2],),
        ([1 + 2j, 1.0, 2.0],),
        (np.zeros((3, 2)),),
        ([1.0, math.nan, "text"],),
    ],
    ids=["text later", "text first", "too large", "complex", "arrays", "nan and text"],
)
def test_what_is_not_all_numbers_is_counted(pieces):
    assert gathered(*pieces)[:3] == (3, 0, None)
    assert gathered(*pieces).quantile(0.5) is None


def test_whole_numbers_and_flags_are_numbers():
    found = gathered(np.array([1, 2, 3]), [True, 2**70], np.array([False]))
    assert found.numbers is not None
    assert (found.n, found.numbers.largest, found.numbers.least) == (6, 2.0**70, 0.0)
