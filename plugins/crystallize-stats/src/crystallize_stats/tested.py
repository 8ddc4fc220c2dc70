"""What a comparison of two conditions comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crystallize_stats.proportions import Interval

TestName = Literal["t", "wilcoxon", "permutation", "mcnemar", "welch", "score"]
NONE = Interval(None, None)


@dataclass(frozen=True)
class Test:
    """A test that two conditions do not differ.

    Attributes
    ----------
    name : str
    statistic, p : float or None
        ``None`` where there is no test, as of one pair.
    p_exact : float or None
        McNemar's exact p value, whose mid-p value is `p`.
    lean : float or None
        Above 0 where what was tested speaks for the treatment, below for the baseline, if
        the statistic does not say so itself.
    notes : tuple of str
        What there is to say of it: zeros and ties that a rank test met.
    """

    name: TestName
    statistic: float | None = None
    p: float | None = None
    p_exact: float | None = None
    lean: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def direction(self) -> float | None:
        """Above 0 where it speaks for the treatment, below 0 for the baseline."""
        return self.statistic if self.lean is None else self.lean


@dataclass(frozen=True)
class Effect:
    """The size of a difference, free of units."""

    measure: str
    value: float | None = None
    interval: Interval = NONE
