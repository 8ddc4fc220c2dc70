"""Empirical distribution functions."""

from __future__ import annotations

import numpy as np

from crystallize import Result
from crystallize_report.figures.arrangement import arranged
from crystallize_report.figures.columns import (
    CONFIDENCE,
    Numbers,
    chosen_metric,
    finite,
    labels,
    span,
    unusable,
)
from crystallize_report.figures.picture import Picture, Row, panel_height
from crystallize_report.figures.series import keyed, names_of
from crystallize_report.figures.theme import PAGE, style, themed
from crystallize_report.figures.words import digits, listed, shown

STEPS = 600
"""At how many quantiles all curves of a figure are drawn; each at 24 at least, 400 at most."""
BANDS = 3
"""Up to how many curves of a panel have their bands."""


def ecdf(
    result: Result, metric: str | None = None, *, lines: str | None = None, width: float = PAGE
) -> Picture:
    """The share of a metric's values at or below each value, by condition.

    Parameters
    ----------
    result : Result
        With values.
    metric : str, optional
        Default: the first that holds numbers.
    lines : str, optional
        The factor whose levels are the curves of a panel; others make panels.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    ValuesNotKeptError
        If the run kept no values.
    CrystallizeError
        If no metric holds numbers.
    UnknownNameError, InvalidValueError
        If the metric is not there or holds no numbers.

    Notes
    -----
    Bands hold for the whole curve at once: F ± sqrt(log(2/0.05) / (2n)).  They are drawn
    where a panel has at most three curves.

    References
    ----------
    Dvoretzky, Kiefer and Wolfowitz (1956), Annals of Mathematical Statistics 27, 642-669;
    Massart (1990), "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", Annals of
    Probability 18, 1269-1283.
    """
    metric = chosen_metric(result, metric)
    layout = arranged(result.factors, lines=lines)
    data: list[Row] = []
    told: list[str] = []
    thinned = False
    curves = sum(len(series) for _, series in layout.panels)
    most = min(400, max(24, STEPS // max(1, curves)))
    with themed():
        picture = Picture(width, panel_height(len(layout.panels), width))
        panels = picture.panels(layout.titles(), sharex=True, sharey=True)
        every: list[Numbers] = []
        for axes, (_, series) in zip(panels, layout.panels, strict=True):
            for line, places in series.items():
                look = style(layout.series.index(line))
                (condition,) = places.values()
                values = np.sort(finite(result, condition, metric))
                if not len(values):
                    continue
                every.append(values)
                x, shares = steps(values, most)
                thinned = thinned or len(values) > most
                axes.step(x, shares, where="post", color=look.color, linestyle=look.dashes)
                if len(series) <= BANDS:
                    half = np.sqrt(np.log(2 / (1 - CONFIDENCE)) / (2 * len(values)))
                    axes.fill_between(
                        x, np.clip(shares - half, 0, 1), np.clip(shares + half, 0, 1),
                        step="post", color=look.color, alpha=0.15, linewidth=0,
                    )  # fmt: skip
                own = labels(result, condition)
                data += [
                    {**own, "metric": metric, "value": float(v), "share": float(s)}
                    for v, s in zip(x, shares, strict=True)
                ]
                told.append(f"{shown(condition)} {digits(float(np.median(values)))}")
        low, high, outside = span(every)
        if outside:
            panels[0].set_xlim(low, high)
        for axes in panels:
            axes.set_ylim(-0.02, 1.02)
        picture.label(panels, shown(metric), "share at or below")
        keyed(picture, names_of(layout), layout.lines)
        picture.finish(
            f"Empirical distribution functions of {shown(metric)}; medians: {listed(told)}.",
            data,
            [
                f"Of more than {most} values, a curve is drawn at {most} quantiles."
                if thinned else "",
                f"{outside} values lie outside of the axis, which shows the middle 99%."
                if outside else "",
                unusable(result, result.conditions, metric),
                layout.note,
            ],
        )  # fmt: skip
    return picture


def steps(values: Numbers, most: int) -> tuple[Numbers, Numbers]:
    """Where a curve steps and how high, of sorted values: at all of them, or at some quantiles.

    A quantile is a value itself, so every point is one of the whole curve.  The first is where
    it leaves 0.

    Examples
    --------
    >>> steps(np.array([1.0, 2.0, 2.0, 5.0]), 400)
    (array([1., 1., 2., 5.]), array([0.  , 0.25, 0.75, 1.  ]))
    """
    n = len(values)
    ranks = np.arange(n)
    if n > most:
        ranks = np.round(np.linspace(0, n - 1, most)).astype(int)
    x = np.unique(values[ranks])
    shares = np.searchsorted(values, x, side="right") / n
    return np.concatenate((x[:1], x)), np.concatenate(([0.0], shares))
