"""Tests of paired differences; each is of no difference, and two-sided."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from crystallize_stats.means import standard_error
from crystallize_stats.study import Numbers, number
from crystallize_stats.tested import Test

EXACT_RANKS = 200
EXACT_FLIPS = 20
FLIPS = 9999
AT_ONCE = 2_000_000


def t_test(differences: Numbers, inflation: float = 1.0) -> Test:
    """Student's paired test: ``t = mean / (s / sqrt(n))`` with n - 1 degrees of freedom.

    Exact for normal differences; its size is near nominal for symmetric ones from n = 10 on, and
    for skewed ones from some n = 100 on.  Differences without variance have no t.

    Parameters
    ----------
    differences : array of shape (n,)
    inflation : float
        By what the variance of the mean is larger than s²/n; see :func:`overlap_inflation`.

    References
    ----------
    Student (1908), Biometrika 6, 1-25.
    """
    n = len(differences)
    if n < 2:
        return Test("t", notes=("too few pairs for a test",))
    error = standard_error(differences, inflation)
    if error == 0:
        return Test("t", notes=("all differences are equal, so that there is no t",))
    t = float(np.mean(differences)) / error
    return Test("t", number(t), number(2 * special.stdtr(n - 1, -abs(t))))


def overlap_inflation(n: int, test_to_train: float) -> float:
    """By what overlapping training sets inflate the variance of a mean over n splits.

    ``(1/n + n_test/n_train) / (1/n)``: the corrected resampled t test.

    References
    ----------
    Nadeau and Bengio (2003), "Inference for the generalization error", Machine Learning 52,
    239-281, section 4.2.
    """
    return 1 + n * test_to_train


def wilcoxon_test(differences: Numbers) -> Test:
    """Wilcoxon's signed-rank test; its statistic is the sum of the ranks of positive differences.

    Zeros are left out, as Wilcoxon did, and equal sizes share their mean rank; both are said.
    Up to 200 differences p is exact, given the ties: the distribution of the sum over all
    2^n signs.  Beyond that it is the normal approximation with ``var = sum(rank²)/4``,
    without continuity correction.  It tests whether differences are symmetric about 0: for skewed
    ones that is another question than whether their mean is.

    References
    ----------
    Wilcoxon (1945), "Individual comparisons by ranking methods", Biometrics Bulletin 1, 80-83;
    Pratt and Gibbons (1981), "Concepts of Nonparametric Theory", chapter 3, for ties.
    """
    nonzero = differences[differences != 0]
    n = len(nonzero)
    zeros = len(differences) - n
    ranks = stats.rankdata(np.abs(nonzero))
    tied = n - len(np.unique(np.abs(nonzero)))
    notes = []
    if zeros:
        notes.append(f"{zeros} zero {'difference' if zeros == 1 else 'differences'} left out")
    if tied:
        notes.append(f"{tied + len(_repeated(nonzero))} differences tied in size")
    if len(differences) == 0:
        return Test("wilcoxon", notes=("too few pairs for a test",))
    if n == 0:
        return Test("wilcoxon", 0.0, 1.0, lean=0.0, notes=tuple(notes))
    positive = float(np.sum(ranks[nonzero > 0]))
    if n <= EXACT_RANKS:
        p = _exact_rank_p(np.rint(2 * ranks).astype(np.int64), round(2 * positive))
    else:
        z = (positive - n * (n + 1) / 4) / np.sqrt(np.sum(ranks**2) / 4)
        p = float(2 * special.ndtr(-abs(z)))
    return Test("wilcoxon", positive, p, lean=positive - n * (n + 1) / 4, notes=tuple(notes))


def _repeated(values: Numbers) -> Numbers:
    sizes, counts = np.unique(np.abs(values), return_counts=True)
    return np.asarray(sizes[counts > 1])


def _exact_rank_p(doubled: np.ndarray[tuple[int], np.dtype[np.int64]], observed: int) -> float:
    """Of whole numbers that are each added or not, evenly: how far out a sum is, on both sides."""
    total = int(doubled.sum())
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    lower, upper = chances[: observed + 1].sum(), chances[observed:].sum()
    return float(min(1.0, 2 * min(lower, upper)))


def permutation_test(differences: Numbers, seed: np.random.SeedSequence) -> Test:
    """The sign-flip test of a mean: how many choices of signs give one as far from 0.

    Up to 20 differences that are not 0 all choices are looked at, and p is exact.  Beyond that
    9,999 are drawn, and ``p = (those as far out + 1) / 10,000``, which is valid as it is.
    It needs differences that are symmetric about 0 where there is no effect, and nothing else.

    References
    ----------
    Fisher (1935), "The Design of Experiments", section 21; Phipson and Smyth (2010),
    "Permutation p-values should never be zero", SAGMB 9, article 39.
    """
    if len(differences) == 0:
        return Test("permutation", notes=("too few pairs for a test",))
    statistic = number(np.mean(differences))
    nonzero = differences[differences != 0]
    scale = float(np.max(np.abs(nonzero), initial=0.0))
    if scale == 0:
        return Test("permutation", statistic, 1.0)
    sizes = np.abs(nonzero) / scale  # whose sums cannot overflow
    # As far out, but for rounding.
    limit = abs(float(np.sum(nonzero / scale))) - 1e-12 * float(np.sum(sizes))
    if len(sizes) <= EXACT_FLIPS:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate((sums + size, sums - size))
        return Test("permutation", statistic, float(np.mean(np.abs(sums) >= limit)))
    rng = np.random.default_rng(seed)
    step = max(1, AT_ONCE // len(sizes))
    further = 0
    for first in range(0, FLIPS, step):
        shape = (min(step, FLIPS - first), len(sizes))
        signs = rng.integers(0, 2, size=shape, dtype=np.int8) * 2 - 1
        further += int(np.count_nonzero(np.abs(signs @ sizes) >= limit))
    return Test("permutation", statistic, (further + 1) / (FLIPS + 1))
