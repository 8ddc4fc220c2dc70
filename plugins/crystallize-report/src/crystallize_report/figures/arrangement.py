"""Which condition is drawn in which panel, as which series, at which place of an axis."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crystallize import UnknownNameError
from crystallize_report.figures.theme import SERIES
from crystallize_report.figures.words import levels_shown

METHODS = ("estimator", "method", "model", "algorithm", "classifier", "analysis")
"""Factors called so are what is compared, where there is one of them."""

PANELS = 12
"""How many panels a figure has at most."""

Levels = Mapping[str, Any]


Key = Hashable
"""What is laid out: a condition, or one with an estimator."""


@dataclass(frozen=True)
class Arrangement:
    """Conditions by panel and series.

    Attributes
    ----------
    panels : list of (dict, dict)
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

    panels: list[tuple[dict[str, Any], dict[Any, dict[Any, Any]]]]
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


def names_in(factors: Mapping[Any, Levels]) -> list[str]:
    """The factors, in order."""
    return list(dict.fromkeys(name for levels in factors.values() for name in levels))


def levels_of(factors: Mapping[Any, Levels], name: str) -> list[Any]:
    """The levels of a factor: numbers in their order, others as they first come."""
    found = list(dict.fromkeys(own[name] for own in factors.values() if name in own))
    return sorted(found) if all(map(is_number, found)) else found


def arranged(
    factors: Mapping[Any, Levels],
    *,
    x: str | None = None,
    lines: str | None = None,
    along: bool = False,
) -> Arrangement:
    """Lay out conditions; every one is a series of one panel where there are few.

    Parameters
    ----------
    factors : mapping
        Condition -> factor -> level.
    x : str, optional
        The factor along the axis.  Default, where `along`: the one of numbers with the most
        levels, or else the first; one that is called like a method only if there is no other.
    lines : str, optional
        The factor whose levels are series.  Default: one that is called like a method, or else
        the last that has at most seven levels.
    along : bool
        Whether there is a factor along the axis at all.

    Raises
    ------
    UnknownNameError
        If there is no such factor.
    """
    names = names_in(factors)
    for option, name in (("x", x), ("lines", lines)):
        if name is not None and name not in names:
            raise UnknownNameError("factor", name, names, where=option)
    if along and x is None:
        x = _along(factors, [name for name in names if name != lines])
    rest = [name for name in names if name != x]
    few = not along and lines is None and len(factors) <= SERIES
    if few:
        return _arranged(factors, None, None, [], few)
    if lines is None:
        fitting = [name for name in rest if len(levels_of(factors, name)) <= SERIES]
        named = [name for name in METHODS if name in fitting]
        lines = next(iter([*named, *fitting[::-1]]), None)
    return _arranged(factors, x, lines, [name for name in rest if name != lines], few)


def _along(factors: Mapping[Any, Levels], names: Sequence[str]) -> str | None:
    names = [name for name in names if name not in METHODS] or list(names)
    sizes = {name: len(levels_of(factors, name)) for name in names}
    numeric = [name for name in names if all(map(is_number, levels_of(factors, name)))]
    return next(iter([*sorted(numeric, key=lambda name: -sizes[name]), *names]), None)


def _arranged(
    factors: Mapping[Any, Levels],
    x: str | None,
    lines: str | None,
    shared: Sequence[str],
    few: bool,
) -> Arrangement:
    panels: dict[tuple[Any, ...], dict[Any, dict[Any, Any]]] = {}
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


def is_number(level: Any) -> bool:
    """Whether a level is a number that is one, and no yes or no."""
    return isinstance(level, (int, float)) and not isinstance(level, bool) and level == level
