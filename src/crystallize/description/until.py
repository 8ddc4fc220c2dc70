"""How many replicates are enough: what is to be known, and how precisely."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from math import isfinite
from typing import Any

from crystallize.checks import (
    Faults,
    Rule,
    above_zero,
    choice,
    inside,
    keys_among,
    number,
    optional,
    sequence,
    share,
    table,
    text,
    whole_number,
)
from crystallize.errors import CrystallizeError, InvalidValueError

OF = ("mean", "proportion", "difference", "median")
"""What an interval can be for, beside the quantiles ``q0.1`` to ``q99.9``."""
PER_CENT = 100


@dataclass(frozen=True, slots=True)
class Until:
    """Replicates of each condition until an interval is narrow enough.

    That is asked at the end of every page from `at_least` replicates on, of a confidence
    sequence: an interval that keeps its confidence however often it is looked at.  So the
    number of replicates is the same under every strategy.  A condition that is done has no
    further ones, while others go on.

    Parameters
    ----------
    metric : str
        One number, or a yes or no (a boolean, or a number that is 0 or 1 wherever it is).
    half_width : float, optional
        Half the width that the interval may have, in the metric's unit.
    relative : float, optional
        The same as a share of the estimate; one of the two is given.
    of : str
        What the interval is for: ``"mean"``; ``"proportion"``, which the mean of a yes or no is
        anyway; ``"median"``, or a percentile such as ``"q95"``; or ``"difference"``: the mean of
        a condition less the baseline, replicate by replicate.
    confidence : float
        Of each interval.
    at_least, at_most : int
        Replicates of each condition.
    bounds : (float, float), optional
        Between what the metric is for certain: then the interval for its mean holds for any
        distribution, and not by the central limit theorem.

    Raises
    ------
    CrystallizeError
        If a value does not fit.

    Examples
    --------
    >>> from crystallize import Experiment, Until
    >>> def trial(rng):
    ...     return {"inside": bool(rng.random() ** 2 + rng.random() ** 2 < 1)}
    >>> result = Experiment(trial, replicates=Until("inside", half_width=0.05), seed=1).run()
    >>> result.replicates
    654
    """

    metric: str
    half_width: float | None = None
    relative: float | None = None
    of: str = "mean"
    confidence: float = 0.95
    at_least: int = 100
    at_most: int = 100_000
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in RULES}
        for name, value in _checked("", given).items():
            object.__setattr__(self, name, value)

    @property
    def probability(self) -> float | None:
        """That of the quantile that is to be known, if it is one."""
        return _probability(self.of)

    def to_dict(self) -> dict[str, Any]:
        """It as data that JSON has."""
        values = {name: getattr(self, name) for name in RULES}
        return values | {"bounds": None if self.bounds is None else list(self.bounds)}

    def target(self, estimate: float) -> float:
        """The half width that is wanted, given an estimate."""
        if self.half_width is not None:
            return self.half_width
        assert self.relative is not None
        return self.relative * abs(estimate)


def _of(where: str, value: object) -> str:
    if isinstance(value, str) and _probability(value) is not None:
        return value
    try:
        found: str = choice(where, value, choices=OF)
    except InvalidValueError as error:
        expected = " or ".join(map(repr, OF)) + ", or a percentile such as 'q95'"
        raise InvalidValueError(where, value, expected) from error
    return found


def _probability(of: str) -> float | None:
    if of == "median":
        return 0.5
    try:
        share = float(of[1:]) / PER_CENT if of[:1] == "q" else 0.0
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def _bounds(where: str, value: object) -> tuple[float, float]:
    given = sequence(where, value)
    ends = [number(where, end) for end in given]
    if len(ends) != 2 or not (isfinite(ends[0]) and isfinite(ends[1]) and ends[0] < ends[1]):
        raise InvalidValueError(where, value, "two numbers, the lower one first")
    return ends[0], ends[1]


RULES: Mapping[str, Rule[Any]] = {
    "metric": text,
    "half_width": optional(above_zero),
    "relative": optional(above_zero),
    "of": _of,
    "confidence": share,
    "at_least": partial(whole_number, least=1),
    "at_most": partial(whole_number, least=1),
    "bounds": optional(_bounds),
}
"""What each value may be."""


def until_table(where: str, value: object) -> tuple[Until, ...]:
    """What a config's ``[until]`` says, or each ``[[until]]``.

    Raises
    ------
    CrystallizeError
    """
    tables = value if isinstance(value, list) else [value]
    names = [where] if tables is not value else [f"{where}[{i}]" for i in range(len(tables))]
    faults = Faults()
    made = [faults(_from_table, name, one) for name, one in zip(names, tables, strict=True)]
    faults.raise_any()
    return untils(where, made)


def has_untils(value: object) -> bool:
    """Whether what is given for a number of replicates is :class:`Until`, or some of them."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(one, Until) for one in items)


def untils(where: str, value: object) -> tuple[Until, ...]:
    """One :class:`Until`, or several: then a condition is done when each is reached.

    Raises
    ------
    CrystallizeError
        If it is none, or they do not agree in `at_most`.
    """
    items = value if isinstance(value, (list, tuple)) else [value]
    given = [one for one in items if isinstance(one, Until)]
    if not given or len(given) < len(items):
        raise InvalidValueError(where, value, "a whole number, 1 or more, or Until(...)")
    if len({one.at_most for one in given}) > 1:
        most = ", ".join(str(one.at_most) for one in given)
        raise CrystallizeError(
            f"{where}: at_most is that of the whole run, so it is the same in each; got {most}."
        )
    return tuple(given)


def check_compared(goals: Sequence[Until], conditions: Collection[str]) -> None:
    """Refuse a difference from the baseline where the baseline is the only condition.

    Raises
    ------
    CrystallizeError
    """
    if len(conditions) == 1 and any(goal.of == "difference" for goal in goals):
        raise CrystallizeError(
            "of = 'difference' is a condition's difference from the baseline, and there is no "
            "condition beside the baseline."
        )


def _from_table(where: str, value: object) -> Until:
    given = table(where, value)
    keys_among(where, given, "key", list(RULES))
    if "metric" not in given:
        raise CrystallizeError(f"{where}.metric: missing; it must be given.")
    defaults = {field.name: field.default for field in fields(Until)}
    return Until(**_checked(where, defaults | given))


def _checked(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one, each held against its rule, and against the others."""
    places = {name: inside(where, name) if where else name for name in RULES}
    faults = Faults()
    checked = {name: faults(rule, places[name], given[name]) for name, rule in RULES.items()}
    faults.raise_any()
    if (checked["half_width"] is None) == (checked["relative"] is None):
        raise CrystallizeError(
            f"{places['half_width']}, {places['relative']}: give one or the other."
        )
    if checked["at_most"] < checked["at_least"]:
        expected = f"a whole number, at_least ({checked['at_least']}) or more"
        raise InvalidValueError(places["at_most"], checked["at_most"], expected)
    if checked["bounds"] is not None and checked["of"] not in ("mean", "difference"):
        raise CrystallizeError(
            f"{places['bounds']}: they are for the interval of a mean or a difference, not for "
            f"of = {checked['of']!r}."
        )
    return checked
