"""Numbers of replicates against exact power and against what the sequences do."""

import numpy as np
import pytest
from scipy import optimize, stats

from crystallize.planning import numbers
from crystallize.sequences.means import MeanSequence


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_power_is_that_of_the_noncentral_t_distribution(effect, power):
    def of(n):  # the distribution of t, given that of the sample's variance
        spread = stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, n - 1) / (n - 1)
        bounds = stats.t.ppf(0.975, n - 1) * spread**0.5
        shift = effect * n**0.5
        return (stats.norm.sf(bounds - shift) + stats.norm.cdf(-bounds - shift)).mean()

    exact = optimize.brentq(lambda n: of(n) - power, 3, 1e5)
    assert abs(numbers.for_power(2.0, 2.0 * effect, power, 0.05) - exact) <= 1.5
    if exact > 20:
        found = numbers.detectable(1.0, round(exact), power, 0.05)
        assert found == pytest.approx(effect, rel=0.05)


def test_as_many_as_until_takes():
    needed = numbers.for_until(1.0, 0.1, 0.05)
    for n, narrow in ((needed - 1, False), (needed, True)):
        values = np.resize([1.0, -1.0], n).astype(float)
        sequence = MeanSequence(0.05)
        sequence.add(values / values.std(ddof=1))
        assert (sequence.interval().half_width <= 0.1) is narrow


def test_errors_and_widths_are_what_their_replicates_give():
    n = numbers.for_half_width(3.0, 0.2, 0.1)
    assert numbers.half_width(3.0, n, 0.1) <= 0.2 < numbers.half_width(3.0, n - 1, 0.1)
    assert 0.5 / numbers.for_mcse(0.5, 0.01) ** 0.5 <= 0.01
    assert numbers.for_mcse(0.0, 1.0) == 2


def test_a_pilot_is_off_by_as_much_as_is_said():
    rng = np.random.default_rng(3)
    ratios = rng.normal(size=(4000, 50)).var(axis=1, ddof=1)
    off = np.abs(ratios - 1) > numbers.uncertainty(50)
    assert off.mean() == pytest.approx(0.05, abs=0.02)
