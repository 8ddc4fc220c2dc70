"""Differences between conditions, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.columns import drawable
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.theme import ALARM, COLOURS, INK, PAGE, themed
from crystallize_report.figures.words import (
    digits,
    first_of,
    levels_shown,
    listed,
    shown,
    shown_apart,
)

BOUNDS = ("difference", "lower", "upper")
MOST = 40
"""How many comparisons are drawn."""


def compared(result: Result) -> dict[str, list[dict[str, Any]]]:
    """The rows of the section ``compare`` that have a difference, by metric."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in result.sections.get("compare", ()):
        if all(drawable(row[k]) or row[k] is None for k in BOUNDS) and row[BOUNDS[0]] is not None:
            found.setdefault(row["metric"], []).append(row)
    return found


def excludes_zero(row: Mapping[str, Any]) -> bool:
    """Whether the interval of a comparison excludes that there is no difference."""
    low, high = row["lower"], row["upper"]
    return (low is not None and low > 0) or (high is not None and high < 0)


def forest(result: Result, metric: str | None = None, *, width: float = PAGE) -> Picture:
    """Differences from the baseline with the intervals of the section ``compare``.

    A row is a comparison: a square where the interval excludes 0, a circle where it does not.

    Parameters
    ----------
    result : Result
        With a section ``compare``.
    metric : str, optional
        Default: the first that is compared.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If nothing was compared.
    UnknownNameError
        If the metric was not.

    References
    ----------
    Lewis and Clarke (2001), "Forest plots: trying to see the wood and the trees", BMJ 322,
    1479-1480.  Intervals are those of the section; each is for its difference alone.
    """
    by_metric = compared(result)
    if not by_metric:
        raise CrystallizeError(
            "There is no comparison to draw: the section 'compare' is not there, or has no "
            "difference. Run with aggregators = ['compare'] and two conditions at least."
        )
    metric = next(iter(by_metric)) if metric is None else metric
    if metric not in by_metric:
        raise UnknownNameError("metric", metric, list(by_metric))
    every = by_metric[metric]
    rows = every[:MOST]
    baselines = list(dict.fromkeys(row["baseline"] for row in every))
    against = shown(baselines[0]) if len(baselines) == 1 else None
    names = [row["treatment"] if against else _pair(result, row) for row in rows]
    with themed():
        picture = Picture(width, 0.9 + 0.2 * len(rows))
        (axes,) = picture.panels([""])
        places = np.arange(len(rows))
        for place, row in zip(places, rows, strict=True):
            excludes = excludes_zero(row)
            color = ALARM if excludes else COLOURS[0]
            if row["lower"] is not None and row["upper"] is not None:
                axes.hlines(place, row["lower"], row["upper"], color=color, linewidth=1.3)
            axes.plot(
                row["difference"], place, "s" if excludes else "o", color=color, markersize=4.5
            )
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(places, shown_apart(names, picture.room))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        picture.label_values(
            axes, f"difference in {shown(metric)}" + (f" from {against}" if against else "")
        )
        told = listed(
            f"{shown(name)} {digits(row['difference'])}{_between(row)}"
            for name, row in zip(names, rows, strict=True)
        )
        clear = sum(map(excludes_zero, rows))
        from_what = f" from {against}" if against else " between two conditions"
        picture.finish(
            f"Differences in {shown(metric)}{from_what}, with intervals, of which "
            f"{clear} of {len(rows)} exclude 0: {told}.",
            [dict(row) for row in every],
            [
                "Squares: the interval excludes 0." if clear else "",
                "Without a line: one pair, or differences that do not vary, have no interval."
                if any(row["lower"] is None for row in rows)
                else "",
                first_of(len(rows), len(every), "comparisons"),
            ],
        )
    return picture


def _between(row: Mapping[str, Any]) -> str:
    low, high = row["lower"], row["upper"]
    return "" if low is None or high is None else f" ({digits(low)} to {digits(high)})"


def _pair(result: Result, row: Mapping[str, Any]) -> str:
    """A comparison by the levels that both share, and those in which they differ."""
    own, other = (result.factors[row[side]] for side in ("treatment", "baseline"))
    shared = {name: level for name, level in own.items() if other.get(name) == level}
    differ = [name for name in {**own, **other} if name not in shared]
    if not differ:
        return f"{row['treatment']} less {row['baseline']}"
    sides = (" ".join(str(side.get(name)) for name in differ) for side in (own, other))
    where = f" ({levels_shown(shared)})" if shared else ""
    return " less ".join(sides) + where
