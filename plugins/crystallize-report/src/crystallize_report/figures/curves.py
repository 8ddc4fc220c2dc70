"""A measure over a factor: one line for each method, panels for the other factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from crystallize import Result
from crystallize_report.figures.arrangement import arranged, is_number
from crystallize_report.figures.performance import (
    Point,
    Points,
    laid_out,
    point_row,
    points_of,
    target_of,
)
from crystallize_report.figures.picture import Picture, columns_for, panel_height
from crystallize_report.figures.series import keyed, names_of
from crystallize_report.figures.theme import INK, PAGE, Style, style, themed
from crystallize_report.figures.words import digits, listed, shown, shown_apart

BANDS = 4
"""Up to how many lines of a panel have bands; more have bars."""


def curves(
    result: Result,
    measure: str,
    *,
    x: str | None = None,
    lines: str | None = None,
    width: float = PAGE,
) -> Picture:
    """Coverage, power or another measure over a factor, with Monte Carlo bands.

    Parameters
    ----------
    result : Result
        With a section ``performance``, or a metric that is a yes or no.
    measure : str
        Of the section, such as ``"coverage"`` or ``"rejection"``, which is power or the type I
        error; or a metric that is a yes or no.
    x : str, optional
        The factor along the axis.  Default: the one of numbers with the most levels.
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
        If there is nothing of the kind.
    UnknownNameError
        If there is no such measure or factor.

    Notes
    -----
    Bands are 95% intervals of each point: Wilson's of proportions, else 1.96 Monte Carlo
    standard errors on both sides; bars where more than four lines would hide each other's, and
    where the axis has no more than two levels, or levels that are no numbers.

    References
    ----------
    Morris, White and Crowther (2019), "Using simulation studies to evaluate statistical
    methods", Statistics in Medicine 38, 2074-2102, on Monte Carlo errors of measures.
    """
    points = points_of(result, measure)
    layout = arranged(laid_out(result, points), x=x, lines=lines, along=True)
    numeric = len(layout.places) > 2 and all(map(is_number, layout.places))
    where = {place: place if numeric else k for k, place in enumerate(layout.places)} or {None: 0}
    target = target_of(measure, points)
    with themed():
        picture = Picture(width, panel_height(len(layout.panels), width))
        panels = picture.panels(layout.titles(), sharex=True, sharey=True)
        for axes, (_, series) in zip(panels, layout.panels, strict=True):
            for line, own in series.items():
                ordered = sorted(own, key=lambda place: where.get(place, 0))
                spots = np.array([where.get(place, 0) for place in ordered], dtype=float)
                rank = layout.series.index(line)
                banded = numeric and len(series) <= BANDS
                if not numeric:
                    spots += (rank - (len(layout.series) - 1) / 2) * 0.06
                _line(axes, spots, [points[own[p]] for p in ordered], style(rank), banded)
            if target is not None:
                axes.axhline(target, color=INK, linewidth=0.8, linestyle="--")
        _ticks(panels, layout.places, numeric, width / columns_for(len(panels), width) - 0.6)
        picture.label(panels, shown(layout.x or ""), shown(measure.replace("_", " ")))
        keyed(picture, names_of(layout), layout.lines, markers=True)
        drawn = [key for _, s in layout.panels for own in s.values() for key in own.values()]
        picture.finish(
            _told(measure, points, drawn, target, layout.x),
            [point_row(result, measure, point) for point in points.values()],
            [layout.note],
        )
    return picture


def _line(axes: Axes, spots: Any, own: Sequence[Point], look: Style, banded: bool) -> None:
    low, high = [point.lower for point in own], [point.upper for point in own]
    axes.plot(
        spots, [point.value for point in own],
        color=look.color, marker=look.marker, linestyle=look.dashes,
    )  # fmt: skip
    if banded and len(own) > 1:
        axes.fill_between(spots, low, high, color=look.color, alpha=0.18, linewidth=0)
    else:
        axes.vlines(spots, low, high, color=look.color, linewidth=0.9)


def _ticks(panels: Sequence[Axes], places: Sequence[Any], numeric: bool, room: float) -> None:
    """Ticks at the levels, as many as there is room for."""
    axes = panels[0]
    if not places:
        axes.set_xticks([])
        return
    spots = list(places) if numeric else list(range(len(places)))
    if numeric and is_geometric(places):
        for own in panels:
            own.set_xscale("log")
            own.xaxis.set_minor_locator(NullLocator())
    names = [f"{place:g}" for place in places] if numeric else shown_apart(places, 14)
    longest = max(map(len, names)) + 2
    step = -(-len(names) * longest // int(room * 15)) if numeric else 1
    axes.set_xticks(spots[::step], names[::step])
    if not numeric:
        axes.set_xlim(-0.3, len(places) - 0.7)
        if len(names) * longest > room * 15:
            for own in panels:
                own.tick_params(axis="x", labelrotation=90)


def is_geometric(places: Sequence[float]) -> bool:
    """Whether numbers are more evenly spaced on a logarithmic axis than on another.

    Examples
    --------
    >>> is_geometric([10, 20, 40, 80]), is_geometric([1, 2, 3, 4]), is_geometric([0, 1, 10])
    (True, False, False)
    """
    if min(places) <= 0:
        return False
    steps, ratios = np.diff(np.array(places, float)), np.diff(np.log(np.array(places, float)))
    return bool(np.std(ratios) / np.mean(ratios) < np.std(steps) / np.mean(steps))


def _told(
    measure: str, points: Points, drawn: Sequence[Any], target: float | None, x: str | None
) -> str:
    over = f" over {shown(x)}" if x else ""
    own = [points[key] for key in drawn]
    values = [point.value for point in own]
    text = (
        f"{measure.replace('_', ' ')}{over}, with 95% Monte Carlo intervals: from "
        f"{digits(min(values))} to {digits(max(values))}"
    )
    if target is not None:
        outside = [p for p in own if not p.lower <= target <= p.upper]
        text += f"; {len(outside)} of {len(own)} intervals exclude {digits(target)}"
    items = listed(
        f"{shown(point.condition)} {digits(point.value)}"
        f" ({digits(point.lower)} to {digits(point.upper)})"
        for point in own
    )
    return f"{text}. {items}."
