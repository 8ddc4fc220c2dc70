"""One metric under two conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crystallize_stats import paired, unpaired, yes_no
from crystallize_stats.effects import paired_effect, unpaired_effect
from crystallize_stats.means import bca_interval, t_interval
from crystallize_stats.proportions import Interval
from crystallize_stats.study import Numbers, Row, number
from crystallize_stats.tested import Effect, Test

IntervalName = Literal["t", "bca"]
PairedTest = Literal["t", "wilcoxon", "permutation", "mcnemar"]


@dataclass(frozen=True)
class Methods:
    """How a metric is compared.

    Attributes
    ----------
    test : str
    interval : {"t", "bca"} or None
        ``None``: what goes with the metric.
    alpha : float
    test_to_train : float or None
        Test over training cases, where replicates are splits of one data set.
    is_yes_no : bool
    """

    test: PairedTest
    interval: IntervalName | None
    alpha: float
    test_to_train: float | None
    is_yes_no: bool


@dataclass(frozen=True)
class Sample:
    """Two conditions' values of one metric, without what is missing.

    Attributes
    ----------
    treatment, baseline : array
        Everything that there is.
    pairs : array of shape (2, n)
        Treatment and baseline of the replicates that both have.
    """

    treatment: Numbers
    baseline: Numbers
    pairs: Numbers
    infinite: int

    @classmethod
    def of(cls, treatment: Numbers, baseline: Numbers) -> Sample:
        """Of columns whose position is the replicate."""
        both = np.isfinite(treatment) & np.isfinite(baseline)
        return cls(
            treatment[np.isfinite(treatment)],
            baseline[np.isfinite(baseline)],
            np.stack((treatment[both], baseline[both])),
            int(np.isinf(treatment).sum() + np.isinf(baseline).sum()),
        )

    @property
    def is_paired(self) -> bool:
        """Whether there are pairs enough: two, and half of what the smaller side has."""
        n = self.pairs.shape[1]
        fewer = min(len(self.treatment), len(self.baseline))
        return fewer < 2 or (n >= 2 and 2 * n >= fewer)


def compared(sample: Sample, methods: Methods, seed: np.random.SeedSequence) -> Row:
    """The columns of a row that come of the values, and what is not shown as it is.

    That is ``note``, here a list, and ``direction``, in which the test speaks.
    """
    notes = []
    if sample.infinite:
        notes.append(f"{sample.infinite} infinite left out")
    if sample.is_paired:
        row, own = _paired(sample, methods, seed)
    else:
        row, own = _unpaired(sample, methods)
    return {**row, "note": [*notes, *own]}


def _paired(
    sample: Sample, methods: Methods, seed: np.random.SeedSequence
) -> tuple[Row, list[str]]:
    treatment, baseline = sample.pairs
    n = len(treatment)
    differences = settled(treatment, baseline)
    notes = []
    if (lacking := max(len(sample.treatment), len(sample.baseline)) - n) > 0:
        notes.append(f"{lacking} without a pair left out")
    inflation = 1.0
    if methods.test_to_train is not None:
        inflation = paired.overlap_inflation(n, methods.test_to_train)
    discordant = yes_no.Discordant.of(treatment, baseline)
    if methods.test == "mcnemar":
        test = yes_no.mcnemar_test(discordant)
        effect = yes_no.matched_odds_ratio(discordant, methods.alpha)
    else:
        effect = paired_effect(differences, methods.alpha)
        if methods.test == "t":
            test = paired.t_test(differences, inflation)
        elif methods.test == "wilcoxon":
            test = paired.wilcoxon_test(differences)
        else:
            test = paired.permutation_test(differences, seed)
    if methods.interval is None and methods.is_yes_no:
        name, interval = "bonett-price", yes_no.bonett_price_interval(discordant, methods.alpha)
    elif methods.interval == "bca":
        name, interval = "bca", bca_interval(differences, methods.alpha, seed)
    else:
        name, interval = "t", t_interval(differences, methods.alpha, inflation)
    difference = number(np.mean(differences)) if n else None
    row = _columns(n, difference, interval, name, test, effect)
    row["pairing_gain"] = gain = pairing_gain(treatment, baseline)
    row["replicates_saved"] = None if gain is None else round(n * (gain - 1))
    return row, [*notes, *test.notes]


def _unpaired(sample: Sample, methods: Methods) -> tuple[Row, list[str]]:
    treatment, baseline = sample.treatment, sample.baseline
    n, m, pairs = len(treatment), len(baseline), sample.pairs.shape[1]
    notes = [f"unpaired: {n} and {m} values make {pairs} pairs"]
    if methods.is_yes_no:
        counts = int(treatment.sum()), n, int(baseline.sum()), m
        test = yes_no.score_test(*counts)
        name, interval = "newcombe", yes_no.newcombe_interval(*counts, methods.alpha)
        effect = Effect("odds ratio")
    else:
        test, interval = unpaired.welch(treatment, baseline, methods.alpha)
        name, effect = "welch", unpaired_effect(treatment, baseline, methods.alpha)
    difference = number(np.mean(treatment) - np.mean(baseline))
    row = _columns(min(n, m), difference, interval, name, test, effect)
    row["pairing_gain"] = row["replicates_saved"] = None
    return row, [*notes, *test.notes]


def settled(treatment: Numbers, baseline: Numbers) -> Numbers:
    """Differences, those equal that differ by rounding alone, and 0 where it is rounding alone.

    Or else a shift under common random numbers, which is the same in every pair, would have a
    variance of 1e-32 and a t of 1e16, and 0.3 - 0.2 would not be tied with 0.2 - 0.1.
    Sizes are one where they are within 4 units in the last place of the largest value.
    """
    differences = treatment - baseline
    if len(differences) == 0:
        return differences
    largest = max(np.max(np.abs(treatment)), np.max(np.abs(baseline)))
    sizes, places = np.unique(np.abs(differences), return_inverse=True)
    limit = 4 * np.finfo(np.float64).eps * largest
    steps = np.diff(sizes, prepend=0.0) > limit  # False for the first where it is 0
    groups = np.cumsum(steps)
    firsts = np.concatenate(([0.0], sizes[steps]))
    return np.asarray(np.copysign(firsts[groups][places], differences))


def pairing_gain(treatment: Numbers, baseline: Numbers) -> float | None:
    """How many times as many replicates would be needed without pairs.

    ``(var(treatment) + var(baseline)) / var(difference)``: for equal variances ``1/(1 - rho)``.
    ``None`` where the differences do not vary.

    References
    ----------
    Law (2015), "Simulation Modeling and Analysis", 5th edition, section 11.2, on common random
    numbers.
    """
    differences = settled(treatment, baseline)
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    apart = np.var(treatment, ddof=1) + np.var(baseline, ddof=1)
    return number(apart / np.var(differences, ddof=1))


def _columns(
    n: int, difference: float | None, interval: Interval, name: str, test: Test, effect: Effect
) -> Row:
    return {
        "n": n,
        "difference": difference,
        "lower": interval.lower,
        "upper": interval.upper,
        "test": test.name,
        "statistic": test.statistic,
        "p": test.p,
        "p_adjusted": None,
        "effect": effect.value,
        "pairing_gain": None,
        "effect_lower": effect.interval.lower,
        "effect_upper": effect.interval.upper,
        "effect_measure": effect.measure,
        "interval": name,
        "p_exact": test.p_exact,
        "replicates_saved": None,
        "direction": test.direction,
    }
