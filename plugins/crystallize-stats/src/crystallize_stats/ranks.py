"""The section ``ranks``: methods over many data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import special, stats

from crystallize import CrystallizeError, UnknownNameError
from crystallize_stats.multiplicity import adjusted
from crystallize_stats.pairs import Factors
from crystallize_stats.study import Numbers, Row, Study, number

KEYS = (
    "metric", "rank", "datasets", "friedman", "statistic", "p", "p_adjusted",
    "critical_difference", "post_hoc", "note",
)  # fmt: skip


class Friedman(NamedTuple):
    """Friedman's test.

    Attributes
    ----------
    chi2 : float
        His statistic, corrected for ties.
    f, p : float or None
        Iman and Davenport's, and its p value.
    """

    chi2: float | None
    f: float | None
    p: float | None


def friedman(ranks: Numbers) -> Friedman:
    """The test that methods have equal mean ranks.

    ``chi² = 12 n / (k(k+1)) (sum R_j² - k(k+1)²/4)``, divided by
    ``1 - sum (t³ - t) / (n k (k² - 1))`` for ties of t, and
    ``F = (n-1) chi² / (n(k-1) - chi²)`` with k - 1 and (k-1)(n-1) degrees of freedom.

    Parameters
    ----------
    ranks : array of shape (n, k)
        Of k methods on n data sets.

    References
    ----------
    Friedman (1937), JASA 32, 675-701; Iman and Davenport (1980), Communications in Statistics A9,
    571-595; Demšar (2006), "Statistical comparisons of classifiers over multiple data sets",
    JMLR 7, 1-30, section 3.2.2.
    """
    n, k = ranks.shape
    means = ranks.mean(axis=0)
    chi2 = 12 * n / (k * (k + 1)) * (np.sum(means**2) - k * (k + 1) ** 2 / 4)
    tied = 0.0
    for row in ranks:
        counts = np.unique(row, return_counts=True)[1]
        tied += float(np.sum(counts**3.0 - counts))
    correction = 1 - tied / (n * k * (k * k - 1))
    if n < 2 or correction <= 0:
        return Friedman(None, None, None)
    chi2 = float(chi2 / correction)
    rest = n * (k - 1) - chi2
    if rest <= 1e-12 * n * k:  # every data set has one order
        return Friedman(chi2, None, 0.0)
    f = (n - 1) * chi2 / rest
    return Friedman(chi2, f, float(special.fdtrc(k - 1, (k - 1) * (n - 1), f)))


def critical_difference(k: int, n: int, alpha: float) -> float:
    """By how much two mean ranks must differ: Nemenyi's, ``q sqrt(k(k+1)/(6n))``.

    q is the quantile 1 - alpha of the studentised range of k, over the root of 2.

    References
    ----------
    Nemenyi (1963); Demšar (2006), equation on page 11 and table 5.

    Examples
    --------
    >>> round(critical_difference(4, 14, 0.05), 2)
    1.25
    """
    q = stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n)))


class Ranks:
    """Mean ranks of methods over data sets, with Friedman's test and what follows it.

    A method is what the factors other than `datasets` say; its value on a data set is the mean
    over replicates, and its rank there 1 if it is the best.  A row has those factors,
    ``metric``, ``rank`` (the mean), ``datasets`` (how many), ``friedman`` (chi²), ``statistic``
    (Iman and Davenport's F) and its ``p``, ``p_adjusted`` (against the baseline's method: by the
    studentised range for Nemenyi, or Holm over the normal test), ``critical_difference``
    (Nemenyi's), ``post_hoc`` and ``note``.  A data set that lacks a method
    is left out, which the note says.

    Parameters
    ----------
    datasets : str
        A factor.
    post_hoc : {"nemenyi", "holm"}
    better : {"higher", "lower"}
    alpha : float

    References
    ----------
    Demšar (2006), JMLR 7, 1-30.  The approximations need some 10 data sets and 5 methods.
    """

    def __init__(
        self,
        datasets: str,
        post_hoc: Literal["nemenyi", "holm"],
        better: Literal["higher", "lower"],
        alpha: float,
    ) -> None:
        self._datasets = datasets
        self._post_hoc = post_hoc
        self._sign = -1 if better == "higher" else 1
        self._alpha = alpha

    def check(self, factors: Factors) -> None:
        """Refuse a factor that is not there, or is the only one."""
        if len(factors) == 1:
            return
        names = list(dict.fromkeys(name for levels in factors.values() for name in levels))
        if self._datasets not in names:
            raise UnknownNameError("factor", self._datasets, names, where="compare.datasets")
        if len(names) == 1:
            raise CrystallizeError(
                f"compare.datasets: {self._datasets!r} is the only factor, so that there are no "
                "methods to rank. Conditions must differ in another one too."
            )

    def rows(self, study: Study, metrics: Sequence[str]) -> list[Row]:
        """The section; nothing where there is one method or one data set."""
        methods: dict[tuple[Any, ...], dict[Any, str]] = {}
        for condition in study.conditions:
            levels = dict(study.factors[condition])
            dataset = levels.pop(self._datasets, None)
            methods.setdefault(tuple(levels.items()), {})[dataset] = condition
        sets = list(dict.fromkeys(s for conditions in methods.values() for s in conditions))
        if len(methods) < 2 or len(sets) < 2:
            return []
        return [row for metric in metrics for row in self._ranked(study, metric, methods, sets)]

    def _ranked(
        self,
        study: Study,
        metric: str,
        methods: dict[tuple[Any, ...], dict[Any, str]],
        sets: list[Any],
    ) -> Iterator[Row]:
        means = np.full((len(sets), len(methods)), np.nan)
        base = 0
        for j, conditions in enumerate(methods.values()):
            if study.baseline in conditions.values():
                base = j
            for dataset, condition in conditions.items():
                values = study.numbers(condition, metric, "metrics")
                values = values[np.isfinite(values)]
                if len(values):
                    means[sets.index(dataset), j] = values.mean()
        complete = means[~np.isnan(means).any(axis=1)]
        n, k = complete.shape
        ranks = np.array([stats.rankdata(self._sign * row) for row in complete]).reshape(n, k)
        test = friedman(ranks) if n else Friedman(None, None, None)
        mean_ranks: list[float | None] = ranks.mean(axis=0).tolist() if n else [None] * k
        p_values = self._p_values(ranks, base) if n > 1 else [None] * k
        left_out = len(sets) - n
        for j, conditions in enumerate(methods.values()):
            condition = next(iter(conditions.values()))
            labels = study.labels(condition, KEYS)
            yield {
                **{name: v for name, v in labels.items() if name != self._datasets},
                "metric": metric,
                "rank": mean_ranks[j],
                "datasets": n,
                "friedman": number(test.chi2),
                "statistic": number(test.f),
                "p": number(test.p),
                "p_adjusted": p_values[j],
                "critical_difference": critical_difference(k, n, self._alpha) if n else None,
                "post_hoc": self._post_hoc,
                "note": f"{left_out} data sets that lack a method left out" if left_out else None,
            }

    def _p_values(self, ranks: Numbers, base: int) -> list[float | None]:
        n, k = ranks.shape
        means = ranks.mean(axis=0)
        z = np.abs(means - means[base]) / np.sqrt(k * (k + 1) / (6 * n))
        if self._post_hoc == "nemenyi":
            found = stats.studentized_range.sf(z * np.sqrt(2), k, np.inf).tolist()
            return [None if j == base else p for j, p in enumerate(found)]
        normal = (2 * special.ndtr(-z)).tolist()
        return adjusted([None if j == base else p for j, p in enumerate(normal)], "holm")
