"""What each condition gave: every value where there are few, a density where there are many."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage

from crystallize import InvalidValueError, Result, UnknownNameError
from crystallize_report.figures.columns import (
    Numbers,
    drawable,
    finite,
    labels,
    looks_yes_no,
    number_metrics,
    span,
    summary,
    unusable,
    wilson,
)
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.theme import COLOURS, INK, PAGE, themed
from crystallize_report.figures.words import digits, first_of, listed, shown, shown_apart

Kind = Literal["swarm", "density", "means"]
MOST = 40
"""How many conditions are drawn."""
SWARM = 200
"""Up to how many values of a condition are points."""
POINTS = 1000
"""Up to how many points a figure has."""
BINS = 2400
"""At how many places all densities of a figure are drawn; each at 50 at least, 120 at most."""


def estimates(
    result: Result,
    metric: str | None = None,
    *,
    kind: Kind | None = None,
    truth: float | None = None,
    width: float = PAGE,
) -> Picture:
    """The values of one metric by condition, with the mean and its Monte Carlo interval.

    Parameters
    ----------
    result : Result
    metric : str, optional
        Default: the first that holds numbers.
    kind : {"swarm", "density", "means"}, optional
        Every value as a point, a density, or only means with 95% intervals.  Default: points
        for at most 200 values a condition and 1,000 altogether, else a density; means for a yes
        or no, and of a run that kept no values.
    truth : float, optional
        Drawn as a line.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    UnknownNameError
        If no metric of that name has numbers.
    InvalidValueError
        If values are to be drawn of a run that kept none.

    Notes
    -----
    Points of one row that would lie on each other are moved apart.  A density is that of values
    counted in 120 bins (fewer, at least 50, of more than 20 conditions), smoothed by a normal of
    Silverman's width; all have the same height.  Means have 1.96 Monte Carlo standard errors on
    both sides, proportions Wilson's interval.

    References
    ----------
    Silverman (1986), "Density estimation", equation 3.31; Wand (1994), "Fast computation of
    multivariate kernel estimators", JCGS 3, 433-445, on binning.  Swarms: Marley-Zagar, White
    and Morris, siman.
    """
    known = number_metrics(result)
    metric = known[0] if metric is None and known else metric
    if metric not in known:
        raise UnknownNameError("metric that holds numbers", str(metric), known)
    if kind in ("swarm", "density") and not result.keeps_values:
        raise InvalidValueError("kind", kind, "'means', as the run kept no values")
    rows = [row for row in summary(result) if row["metric"] == metric]
    rows = [row for row in rows if drawable(row["mean"])]
    drawn = rows[:MOST]
    values: list[Numbers] = []
    if result.keeps_values:
        values = [finite(result, row["condition"], metric) for row in drawn]
    yes_no = looks_yes_no(drawn)
    if kind is None:
        kind = _kind(values) if values and not yes_no else "means"
    bounds = [_interval(row, yes_no) for row in drawn]
    with themed():
        picture = Picture(width, 0.8 + (0.2 if kind == "means" else 0.32) * len(drawn))
        (axes,) = picture.panels([""])
        notes = _values(axes, kind, values)
        for place, (row, (low, high)) in enumerate(zip(drawn, bounds, strict=True)):
            axes.hlines(place, low, high, color=INK, linewidth=1.6, zorder=3)
            axes.plot(row["mean"], place, "o", color=INK, markersize=3.5, zorder=4)
        if truth is not None:
            axes.axvline(truth, color=INK, linewidth=0.8, linestyle="--")
        axes.set_yticks(
            np.arange(len(drawn)), shown_apart([row["condition"] for row in drawn], picture.room)
        )
        axes.set_ylim(len(drawn) - 0.4, -0.9 if kind == "density" else -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        picture.label_values(axes, shown(metric))
        told = listed(
            f"{shown(row['condition'])} {digits(row['mean'])} ({digits(low)} to {digits(high)})"
            for row, (low, high) in zip(drawn, bounds, strict=True)
        )
        what = {"swarm": "Every value", "density": "The density", "means": "The mean"}[kind]
        picture.finish(
            f"{what} of {shown(metric)} by condition; means with 95% intervals: {told}.",
            [
                {**labels(result, row["condition"]), "metric": metric, "n": row["n"],
                 "mean": row["mean"], "lower": low, "upper": high, "sd": row.get("sd")}
                for row, (low, high) in zip(drawn, bounds, strict=True)
            ],
            [
                *notes,
                unusable(result, [row["condition"] for row in drawn], metric),
                first_of(len(drawn), len(rows), "conditions"),
            ],
        )  # fmt: skip
    return picture


def _kind(values: list[Numbers]) -> Kind:
    sizes = [len(own) for own in values]
    return "swarm" if max(sizes) <= SWARM and sum(sizes) <= POINTS else "density"


def _interval(row: Any, yes_no: bool) -> tuple[float, float]:
    if yes_no:
        return wilson(row["mean"], row["n"])
    half = 1.96 * (row["mcse"] or 0.0)
    return row["mean"] - half, row["mean"] + half


def _values(axes: Axes, kind: Kind, values: list[Numbers]) -> list[str]:
    """Draw the values; what is to be said of them."""
    if kind == "means":
        return []
    low, high, outside = span(values)
    bins = min(120, max(50, BINS // max(1, len(values))))
    for place, own in enumerate(values):
        if kind == "swarm":
            heights = place + swarmed(own, low, high)
            axes.plot(
                own, heights, ".", color=COLOURS[0], markersize=4, alpha=0.6, markeredgewidth=0
            )
            continue
        where, height = density(own, low, high, bins)
        if len(where):
            top = place - 0.75 * height
            axes.fill_between(
                where, np.full(len(where), place), top, color=COLOURS[0], alpha=0.45, linewidth=0
            )
    if outside:
        margin = (high - low) / 20
        axes.set_xlim(low - margin, high + margin)
        return [f"{outside} values lie outside of the axis, which shows the middle 99%."]
    return []


def swarmed(values: Numbers, low: float, high: float) -> Numbers:
    """How far each point is moved from the middle of its row, at most 0.4, so that none hides.

    Points that fall into one of 60 bins are moved down and up in turn, in their own order.
    """
    offsets = np.zeros(len(values))
    width = (high - low) / 60 or 1.0
    bins = np.floor((np.clip(values, low, high) - low) / width).astype(int)
    most = int(np.bincount(bins).max(initial=1)) if len(values) else 1
    step = min(0.09, 0.8 / max(1, most - 1))
    seen: dict[int, int] = {}
    for place, own in enumerate(bins.tolist()):
        count = seen[own] = seen.get(own, 0) + 1
        offsets[place] = step * (count // 2) * (-1 if count % 2 else 1)
    return offsets


def density(values: Numbers, low: float, high: float, bins: int) -> tuple[Numbers, Numbers]:
    """Where a density is drawn, and its height relative to the highest; nothing without values."""
    if not len(values):
        return np.empty(0), np.empty(0)
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(
        values.std()
    )
    bandwidth = 0.9 * spread * len(values) ** -0.2
    margin = 3 * bandwidth if bandwidth > 0 else (high - low) / 50 or 0.5
    edges = np.linspace(
        max(low, float(values.min())) - margin, min(high, float(values.max())) + margin, bins + 1
    )
    counts = np.histogram(values, edges)[0].astype(np.float64)
    sigma = bandwidth / (edges[1] - edges[0])
    heights = ndimage.gaussian_filter1d(counts, sigma, mode="constant") if sigma > 0 else counts
    middles = (edges[1:] + edges[:-1]) / 2
    return middles, heights / (heights.max() or 1.0)
