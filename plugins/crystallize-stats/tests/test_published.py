"""Small published data sets, and what R prints for them in its own documentation."""

import numpy as np
import pytest
from crystallize_stats.means import t_interval
from crystallize_stats.paired import t_test, wilcoxon_test
from crystallize_stats.proportions import clopper_pearson
from crystallize_stats.ranks import friedman
from crystallize_stats.unpaired import welch
from scipy.stats import rankdata

# Student (1908), hours of sleep gained under two drugs by ten patients.
DEXTRO = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
LAEVO = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
# Hollander and Wolfe (1973), p. 29: depression scores before and after a tranquilliser.
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
# The same, p. 140: seconds to round first base, three ways, by 22 players.
ROUNDING = np.array(
    [
        [5.40, 5.50, 5.55], [5.85, 5.70, 5.75], [5.20, 5.60, 5.50], [5.55, 5.50, 5.40],
        [5.90, 5.85, 5.70], [5.45, 5.55, 5.60], [5.40, 5.40, 5.35], [5.45, 5.50, 5.35],
        [5.25, 5.15, 5.00], [5.85, 5.80, 5.70], [5.25, 5.20, 5.10], [5.65, 5.55, 5.45],
        [5.60, 5.35, 5.45], [5.05, 5.00, 4.95], [5.50, 5.50, 5.40], [5.45, 5.55, 5.50],
        [5.55, 5.55, 5.35], [5.45, 5.50, 5.55], [5.50, 5.45, 5.25], [5.65, 5.60, 5.40],
        [5.70, 5.65, 5.55], [6.30, 6.30, 6.25],
    ]
)  # fmt: skip


def test_students_sleep():
    """``t.test(Pair(extra.1, extra.2) ~ 1)`` and ``t.test(extra ~ group)``."""
    paired = t_test(DEXTRO - LAEVO)
    assert (round(paired.statistic, 4), round(paired.p, 6)) == (-4.0621, 0.002833)
    assert t_interval(DEXTRO - LAEVO, 0.05) == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)
    apart, interval = welch(DEXTRO, LAEVO, 0.05)
    assert (round(apart.statistic, 4), round(apart.p, 5)) == (-1.8608, 0.07939)
    assert interval == pytest.approx((-3.3654832, 0.2054832), abs=1e-7)


def test_hollander_and_wolfes_depression_scores():
    """``wilcox.test(x, y, paired = TRUE, alternative = "greater")``: V = 40, p = 0.01953."""
    found = wilcoxon_test(BEFORE - AFTER)
    assert (found.statistic, round(found.p / 2, 5)) == (40, 0.01953)


def test_hollander_and_wolfes_base_runners():
    """``friedman.test(RoundingTimes)``: chi-squared = 11.143."""
    assert round(friedman(rankdata(ROUNDING, axis=1)).chi2, 3) == 11.143


def test_mendels_peas():
    """``binom.test(682, 925, p = 0.75)``, of Conover (1971), p. 97."""
    assert clopper_pearson(682, 925) == pytest.approx((0.7076683, 0.7654066), abs=1e-7)
