"""What a summary is to say of each metric: names of statistics, and metrics by element."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from crystallize.checks import Faults, Rule, flag, inside, known, names, table
from crystallize.errors import InvalidValueError

COUNTS = ("n", "nan", "failed", "warnings")
"""What every row has."""
DEFAULT = ("mean", "sd", "mcse", "min", "max")
STATISTICS = (*DEFAULT, "sum", "median", "skewness", "kurtosis")
"""What can be chosen, beside quantiles by their percentage: ``q95``, ``q2.5``."""
QUANTILE = re.compile(r"q(\d{1,3}(\.\d+)?)")


@dataclass(frozen=True)
class Summarized:
    """What summaries have.

    Attributes
    ----------
    statistics : tuple of str
        In the order of the columns.
    elements : bool or tuple of str
        Which metrics are summarised element by element where they are arrays: these, all or
        none.
    """

    statistics: tuple[str, ...] = DEFAULT
    elements: bool | tuple[str, ...] = False

    def by_element(self, metric: str) -> bool:
        """Whether the arrays of a metric are summarised element by element."""
        return self.elements if isinstance(self.elements, bool) else metric in self.elements

    @property
    def has_quantiles(self) -> bool:
        """Whether one of the statistics is a quantile."""
        return any(share(name) is not None for name in self.statistics)


USUAL = Summarized()
"""Where nothing is chosen."""


def share(statistic: str) -> float | None:
    """The share of the values that is below a quantile; ``None`` for other statistics.

    Examples
    --------
    >>> share("median"), share("q95"), share("q2.5"), share("mean")
    (0.5, 0.95, 0.025, None)
    """
    if statistic == "median":
        return 0.5
    percentage = QUANTILE.fullmatch(statistic)
    return None if percentage is None else float(percentage[1]) / 100


def statistics(where: str, value: object) -> tuple[str, ...]:
    """A list of statistics, none twice; the counts are in every row and may be named too.

    Examples
    --------
    >>> statistics("summary.statistics", ["mean", "q95"])
    ('mean', 'q95')
    >>> statistics("summary.statistics", ["mcsee"])
    Traceback (most recent call last):
    crystallize.errors.UnknownNameError: summary.statistics: 'mcsee' is not among the statistics. \
Did you mean 'mcse'? Known: 'mean', 'sd', 'mcse', 'min', 'max', 'sum', 'median', 'skewness', \
'kurtosis', 'q95'.
    """
    faults = Faults()
    chosen = names(where, value)
    for name in chosen:
        at = share(name)
        if at is None:
            faults(known, where, name, "statistic", (*STATISTICS, "q95", *_counts(chosen)))
        elif at > 1:
            faults.found.append(InvalidValueError(where, name, "a quantile from q0 to q100"))
    faults.raise_any()
    return tuple(name for name in dict.fromkeys(chosen) if name not in COUNTS)


def elements(where: str, value: object) -> bool | tuple[str, ...]:
    """Names of metrics, or ``True`` for all of them."""
    return flag(where, value) if isinstance(value, bool) else tuple(names(where, value))


RULES: Mapping[str, Rule[Any]] = {"statistics": statistics, "elements": elements}
"""What the keys of ``[summary]`` may be."""


def summarized(where: str, value: object) -> Summarized:
    """What a summary has, as a table says it.

    Raises
    ------
    CrystallizeError
        For everything in it that is no such key or value.
    """
    faults = Faults()
    checked = {}
    for key, given in table(where, {} if value is None else value).items():
        rule = RULES.get(key)
        if rule is None:
            faults(known, where, key, "key", RULES)
        else:
            checked[key] = faults(rule, inside(where, key), given)
    faults.raise_any()
    return Summarized(**checked)


def _counts(chosen: Collection[str]) -> list[str]:
    return [name for name in COUNTS if name in chosen]
