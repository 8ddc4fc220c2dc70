"""Measures of performance as lollipops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.performance import (
    Point,
    Points,
    measures,
    point_row,
    target_of,
)
from crystallize_report.figures.picture import Picture, columns_for
from crystallize_report.figures.theme import COLOURS, INK, PAGE, themed
from crystallize_report.figures.words import digits, first_of, listed, shown, shown_apart

USUAL = ("bias", "empirical_se", "model_se", "relative_error", "coverage", "rejection")
"""The measures that are drawn where none are named."""
MOST = 40
"""How many conditions, or estimators of them, are drawn."""
PANELS = 8


def lolly(
    result: Result, measures_drawn: Sequence[str] | None = None, *, width: float = PAGE
) -> Picture:
    """Each measure of performance by condition, on a stick from what it should be.

    Parameters
    ----------
    result : Result
        With a section ``performance``.
    measures_drawn : sequence of str, optional
        A panel each, eight at most.  Default: bias, empirical and model standard error, relative
        error of the latter, coverage and rejection, those of them that there are.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If there is no performance.
    UnknownNameError
        If a measure is not there.

    Notes
    -----
    Bars in ink are 95% Monte Carlo intervals: Wilson's of proportions, else 1.96 standard errors on
    both sides.  Bias and relative errors should be 0, coverage the confidence of the intervals
    (the dashed line); the rest has no stick.

    References
    ----------
    Morris, White and Crowther (2019), Statistics in Medicine 38, 2074-2102; the lollipop plots
    of siman (Marley-Zagar, White and Morris) and rsimsum (Gasparini, JOSS 2018).
    """
    there = measures(result)
    if not there:
        raise CrystallizeError(
            "There is nothing to draw: no section 'performance'. Run with "
            "aggregators = ['performance'] and its options."
        )
    names = [name for name in USUAL if name in there] if measures_drawn is None else measures_drawn
    for name in names:
        if name not in there:
            raise UnknownNameError("measure", name, list(there))
    names = list(names)[:PANELS] or list(there)[:PANELS]
    keys = list(dict.fromkeys(key for name in names for key in there[name]))
    drawn = keys[:MOST]
    several = len({estimator for _, estimator in keys}) > 1
    with themed():
        down = -(-len(names) // columns_for(len(names), width))
        picture = Picture(width, 0.4 + down * (0.55 + 0.19 * len(drawn)))
        panels = picture.panels([name.replace("_", " ") for name in names], sharey=True)
        for axes, name in zip(panels, names, strict=True):
            _panel(axes, there[name], drawn, target_of(name, there[name]))
        labels = shown_apart([f"{c}, {e}" if several else c for c, e in drawn], picture.room)
        panels[0].set_yticks(np.arange(len(drawn)), labels)
        panels[0].set_ylim(len(drawn) - 0.4, -0.6)
        for axes in panels:
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=4 if width > 5 else 2)
        picture.finish(
            "Performance by condition, with 95% Monte Carlo intervals. "
            + " ".join(_told(name, there[name], drawn) for name in names),
            [point_row(result, name, point) for name in names for point in there[name].values()],
            [first_of(len(drawn), len(keys), "conditions")],
        )
    return picture


def _panel(
    axes: Axes, points: Points, keys: Sequence[tuple[str, str | None]], target: float | None
) -> None:
    own = [(place, points[key]) for place, key in enumerate(keys) if key in points]
    places = [place for place, _ in own]
    if target is not None:
        sticks = [(target, point.value, np.nan) for _, point in own]
        axes.plot(np.ravel(sticks), np.repeat(places, 3), color=COLOURS[0], linewidth=1.2)
    axes.plot([point.value for _, point in own], places, "o", color=COLOURS[0], markersize=4)
    bars = [(point.lower, point.upper, np.nan) for _, point in own]
    axes.plot(
        np.ravel(bars), np.repeat(places, 3),
        color=INK, marker="|", markersize=6, markeredgewidth=0.8, linewidth=0.5, zorder=1.5,
    )  # fmt: skip
    if target is not None:
        axes.axvline(target, color=INK, linewidth=0.8, linestyle="--")
    axes.grid(visible=False, axis="y")


def _told(name: str, points: Points, keys: Sequence[tuple[str, str | None]]) -> str:
    own: list[Point] = [points[key] for key in keys if key in points]
    return f"{name.replace('_', ' ')}: " + (
        listed(
            (
                f"{shown(point.condition)} {digits(point.value)}"
                f" ({digits(point.lower)} to {digits(point.upper)})"
                for point in own
            ),
            6,
        )
        + "."
    )
