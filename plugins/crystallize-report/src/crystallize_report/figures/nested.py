"""The nested-loop plot, for those who ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.arrangement import METHODS, levels_of, names_in
from crystallize_report.figures.performance import laid_out, point_row, points_of, target_of
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.series import keyed
from crystallize_report.figures.theme import INK, PAGE, SERIES, style, themed
from crystallize_report.figures.words import digits, first_of, listed, shown, shown_apart

MOST = 500
"""How many scenarios are drawn."""


def nested_loop(
    result: Result,
    measure: str,
    *,
    order: Sequence[str] | None = None,
    lines: str | None = None,
    width: float = PAGE,
) -> Picture:
    """A measure in all scenarios, one after the other, with the factors as steps below.

    Parameters
    ----------
    result : Result
        With a section ``performance``, or a metric that is a yes or no.
    measure : str
        As for :func:`crystallize_report.figures.curves`.
    order : sequence of str, optional
        The factors from the outermost loop to the innermost.  Default: as the experiment has
        them.  What is outermost is seen best.
    lines : str, optional
        The factor whose levels are lines.  Default: one called like a method, or else the last.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If there is nothing of the kind, or no factor to nest.
    UnknownNameError
        If there is no such measure or factor.

    Notes
    -----
    It gives an overall impression of many scenarios and few methods.  It has been criticised:
    the order of the loops decides what is seen, lines join scenarios that are no neighbours,
    and with several methods they hide each other.  So panels of lines,
    :func:`crystallize_report.figures.curves`, are what a report has; here steps are flat over a
    scenario and Monte Carlo intervals are drawn too.  Scenarios that were not run are gaps.

    References
    ----------
    Rücker and Schwarzer (2014), "Presenting simulation results in a nested loop plot", BMC
    Medical Research Methodology 14, 129; Gasparini, vignette "Nested loop plots" of rsimsum,
    for the caveats.
    """
    points = points_of(result, measure)
    factors = laid_out(result, points)
    names = names_in(factors)
    for option, wanted in (("lines", [lines] if lines else []), ("order", order or [])):
        for name in wanted:
            if name not in names:
                raise UnknownNameError("factor", name, names, where=option)
    if lines is None:
        fitting = [name for name in names if len(levels_of(factors, name)) <= SERIES]
        named = [name for name in METHODS if name in fitting] or fitting[::-1]
        lines = named[0] if named and len(names) > 1 else None
    loops = [*(order or []), *(n for n in names if n not in (order or []))]
    loops = [name for name in loops if name != lines]
    if not loops:
        raise CrystallizeError(
            "There is no factor to nest: a nested-loop plot takes at least one besides the methods."
        )
    levels = {name: levels_of(factors, name) for name in loops}
    scenarios = list(product(*levels.values()))
    found = {
        (tuple(own.get(n) for n in loops), own.get(lines) if lines else None): points[key]
        for key, own in factors.items()
    }
    scenarios = [s for s in scenarios if any((s, own) in found for own in _series(factors, lines))]
    drawn = scenarios[:MOST]
    series = _series(factors, lines)[:SERIES]
    with themed():
        picture = Picture(width, 2.6 + 0.32 * len(loops))
        upper, lower = picture.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": [2.2, 0.32 * len(loops)]}
        )
        for place, line in enumerate(series):
            look = style(place)
            own = [found.get((scenario, line)) for scenario in drawn]
            values, low, high = (
                np.array([np.nan if p is None else getattr(p, name) for p in own])
                for name in ("value", "lower", "upper")
            )
            edges = np.arange(len(drawn) + 1) - 0.5
            upper.stairs(values, edges, baseline=None, color=look.color, linestyle=look.dashes)
            shift = (place - (len(series) - 1) / 2) * 0.6 / len(series)
            upper.vlines(np.arange(len(drawn)) + shift, low, high, color=look.color, linewidth=0.7)
        target = target_of(measure, points)
        if target is not None:
            upper.axhline(target, color=INK, linewidth=0.8, linestyle="--")
        upper.set_ylabel(shown(measure.replace("_", " ")))
        upper.grid(visible=False, axis="x")
        _loops(lower, loops, levels, drawn, int(width * 12))
        keyed(picture, shown_apart(series, 28) if lines else [], lines)
        values_there = [point.value for point in found.values()]
        nesting = ", then ".join(shown(name) for name in loops)
        told = listed(f"{shown(p.condition)} {digits(p.value)}" for p in found.values())
        picture.finish(
            f"{measure.replace('_', ' ')} in {len(drawn)} scenarios, nested by {nesting}: from "
            f"{digits(min(values_there))} to {digits(max(values_there))}. {told}.",
            [point_row(result, measure, point) for point in points.values()],
            [
                "Scenarios stand side by side by the order of the loops, which was chosen.",
                first_of(len(drawn), len(scenarios), "scenarios"),
                first_of(len(series), len(_series(factors, lines)), f"levels of {shown(lines)}"),
            ],
        )
    return picture


def _series(factors: Any, lines: str | None) -> list[Any]:
    return [None] if lines is None else levels_of(factors, lines)


def _loops(
    axes: Axes,
    loops: Sequence[str],
    levels: dict[str, list[Any]],
    scenarios: Sequence[tuple[Any, ...]],
    room: int,
) -> None:
    """The levels of each factor as steps, the outermost on top."""
    edges = np.arange(len(scenarios) + 1) - 0.5
    for place, name in enumerate(loops):
        ranks = [levels[name].index(scenario[place]) for scenario in scenarios]
        height = 0.45 / max(1, len(levels[name]) - 1)
        base = -place - 0.75
        axes.stairs(
            [base + rank * height for rank in ranks], edges, baseline=None, color=INK, linewidth=0.9
        )
        levels_text = ", ".join(shown(level, 12) for level in levels[name])
        axes.text(
            -0.5, -place - 0.2, f"{shown(name, 24)}: {shown(levels_text, room)}",
            fontsize=6.5, va="center",
        )  # fmt: skip
    axes.set_ylim(-len(loops) + 0.1, 0.05)
    axes.set_xlim(-0.5, len(scenarios) - 0.5)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(visible=False)
