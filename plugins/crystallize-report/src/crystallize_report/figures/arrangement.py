"""Which condition is drawn in which panel, as which series, at which place of an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crystallize import Result, UnknownNameError
from crystallize_report.figures.columns import factor_names
from crystallize_report.figures.theme import SERIES
from crystallize_report.figures.words import levels_shown

METHODS = ("method", "estimator", "model", "algorithm", "classifier", "analysis")
"""Factors called so are what is compared, where there is one of them."""

PANELS = 12
"""How many panels a figure has at most."""

Levels = Mapping[str, Any]


@dataclass(frozen=True)
class Arrangement:
    """Conditions by panel and series.

    Attributes
    ----------
    panels : list of (mapping, mapping)
        The levels that the conditions of a panel share, and series -> place -> condition; the
        place is a level of `x`, or ``None`` where nothing is along the axis.
    series : list
        The series, in their order: levels of `lines`, or conditions.
    lines, x : str or None
        The factors.
    places : list
        The levels of `x`, numbers in their order, others as they first come.
    left_out : int
        How many conditions are in no panel.
    """

    panels: list[tuple[dict[str, Any], dict[Any, dict[Any, str]]]]
    series: list[Any]
    lines: str | None
    x: str | None
    places: list[Any]
    left_out: int

    @property
    def note(self) -> str:
        """What is left out."""
        if not self.left_out:
            return ""
        return f"{self.left_out} conditions are left out, for which there is no room."

    def titles(self) -> list[str]:
        """The titles of the panels."""
        return [levels_shown(levels, 44) for levels, _ in self.panels]


def levels_of(factors: Mapping[str, Levels], name: str) -> list[Any]:
    """The levels of a factor: numbers in their order, others as they first come."""
    found = list(dict.fromkeys(own[name] for own in factors.values() if name in own))
    return sorted(found) if all(map(_is_number, found)) else found


def numeric_factors(factors: Mapping[str, Levels], among: Sequence[str]) -> list[str]:
    """Factors whose levels are all numbers, those with the most levels first."""
    numeric = [name for name in among if all(map(_is_number, levels_of(factors, name)))]
    return sorted(numeric, key=lambda name: -len(levels_of(factors, name)))


def arranged(
    result: Result,
    *,
    conditions: Sequence[str] | None = None,
    x: str | None = None,
    lines: str | None = None,
    along: bool = False,
) -> Arrangement:
    """Lay out conditions; every one is a series of one panel where there are few.

    Parameters
    ----------
    result : Result
    conditions : sequence of str, optional
        Default: all.
    x : str, optional
        The factor along the axis.  Default, where `along`: the one of numbers with the most
        levels, or else the first that is not `lines`.
    lines : str, optional
        The factor whose levels are series.  Default: one that is called like a method, or else
        the last that has at most seven levels and is not `x`.
    along : bool
        Whether there is a factor along the axis at all.

    Raises
    ------
    UnknownNameError
        If there is no such factor.
    """
    names = factor_names(result)
    for option, name in (("x", x), ("lines", lines)):
        if name is not None and name not in names:
            raise UnknownNameError("factor", name, names, where=option)
    chosen = result.conditions if conditions is None else list(conditions)
    factors = {condition: result.factors[condition] for condition in chosen}
    if along and x is None:
        rest = [name for name in names if name != lines and name not in METHODS]
        rest = rest or [name for name in names if name != lines]
        ordered = [*numeric_factors(factors, rest), *rest]
        x = ordered[0] if ordered else None
    rest = [name for name in names if name != x]
    few = not along and lines is None and len(chosen) <= SERIES
    if few or not rest:
        lines = None
    elif lines is None:
        fitting = [name for name in rest if len(levels_of(factors, name)) <= SERIES]
        named = [name for name in METHODS if name in fitting]
        lines = next(iter([*named, *fitting[::-1]]), None)
    shared = [] if few else [name for name in rest if name != lines]
    return _arranged(factors, x if along else None, lines, shared, few)


def _arranged(
    factors: Mapping[str, Levels],
    x: str | None,
    lines: str | None,
    shared: Sequence[str],
    few: bool,
) -> Arrangement:
    panels: dict[tuple[Any, ...], dict[Any, dict[Any, str]]] = {}
    series = list(factors) if few else ([None] if lines is None else levels_of(factors, lines))
    kept = series[:SERIES]
    left_out = 0
    for condition, own in factors.items():
        line = condition if few else (None if lines is None else own.get(lines))
        key = tuple(own.get(name) for name in shared)
        place = None if x is None else own.get(x)
        full = len(panels) == PANELS and key not in panels
        if full or line not in kept or place in panels.get(key, {}).get(line, {}):
            left_out += 1
            continue
        panels.setdefault(key, {}).setdefault(line, {})[place] = condition
    return Arrangement(
        [(dict(zip(shared, key, strict=True)), own) for key, own in panels.items()],
        kept,
        lines,
        x,
        [] if x is None else levels_of(factors, x),
        left_out,
    )


def _is_number(level: Any) -> bool:
    return isinstance(level, (int, float)) and not isinstance(level, bool) and level == level
