"""Two conditions replicate by replicate: scatter, and differences."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from scipy import stats

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.columns import LARGEST, Numbers, chosen_metric, column_of, unusable
from crystallize_report.figures.picture import Picture, wrapped
from crystallize_report.figures.theme import COLOURS, INK, PAGE, themed
from crystallize_report.figures.words import digits, shown

POINTS = 500
"""Up to how many pairs are points; more are counted in hexagons."""
CELLS = 18
"""How many hexagons the axis has."""
SHADES = LinearSegmentedColormap.from_list(
    "blues", [to_rgba(COLOURS[0], 0.18), to_rgba(COLOURS[0], 1.0)]
)
"""From few to many: of one hue, more opaque the more, so that it does on any background."""
ROWS = 2000
"""How many pairs are in the data of a figure."""


def paired(
    result: Result,
    treatment: str | None = None,
    metric: str | None = None,
    *,
    baseline: str | None = None,
    width: float = PAGE,
) -> Picture:
    """One condition against another, a point for each replicate, and their differences.

    Parameters
    ----------
    result : Result
        With values.
    treatment : str, optional
        Default: the first condition that is not the baseline.
    metric : str, optional
        Default: the first that holds numbers.
    baseline : str, optional
        Default: the experiment's.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    ValuesNotKeptError
        If the run kept no values.
    UnknownNameError, InvalidValueError
        If a condition or metric is not there, or holds no numbers.
    CrystallizeError
        If there are no pairs: one condition, streams of their own, or no replicate with both.

    Notes
    -----
    Points on the line are equal under both.  More than 500 pairs are counted in hexagons, the
    darker the more.  On the right is a histogram of the differences, with their mean and its 95%
    t interval below; its bins are Freedman and Diaconis's, at least 8 and at most 40.

    References
    ----------
    Carr, Littlefield, Nicholson and Littlefield (1987), "Scatterplot matrix techniques for large
    N", JASA 82, 424-436; Freedman and Diaconis (1981), Zeitschrift für
    Wahrscheinlichkeitstheorie 57, 453-476; ``siman comparemethodsscatter``.
    """
    metric = chosen_metric(result, metric)
    baseline = result.baseline if baseline is None else baseline
    others = [name for name in result.conditions if name != baseline]
    if treatment is None and not others:
        raise CrystallizeError("There are no pairs to draw: the experiment has one condition.")
    treatment = others[0] if treatment is None else treatment
    for name in (treatment, baseline):
        if name not in result.conditions:
            raise UnknownNameError("condition", name, result.conditions)
    if not are_paired(result, treatment, baseline):
        raise CrystallizeError(
            f"There are no pairs to draw: {treatment!r} and {baseline!r} have streams of their "
            "own, so that replicates of one number have nothing in common."
        )
    x, y, places = pairs(result, treatment, baseline, metric)
    if not len(x):
        raise CrystallizeError(
            f"There are no pairs to draw: no replicate has {metric!r} under {treatment!r} and "
            f"{baseline!r}."
        )
    differences = y - x
    mean = float(differences.mean())
    half = 0.0
    if len(differences) > 1:
        t = float(stats.t.ppf(0.975, len(differences) - 1))
        half = t * float(differences.std(ddof=1)) / len(differences) ** 0.5
    with themed():
        picture = Picture(width, max(2.4, width * 0.42))
        left, right = picture.subplots(1, 2)
        _scatter(left, x, y)
        left.set_xlabel(wrapped(shown(baseline, 56), width * 5))
        left.set_ylabel(wrapped(shown(treatment, 56), width * 5))
        left.set_title(shown(metric))
        right.hist(differences, bins=_edges(differences), color=COLOURS[0], alpha=0.45)
        top = right.get_ylim()[1]
        right.hlines(-0.06 * top, mean - half, mean + half, color=INK, linewidth=1.6)
        right.plot(mean, -0.06 * top, "o", color=INK, markersize=3.5)
        right.set_ylim(-0.12 * top, top)
        right.axvline(0, color=INK, linewidth=0.8, linestyle="--")
        right.set_xlabel(wrapped(f"difference in {shown(metric)}", width * 5))
        right.set_ylabel("replicates")
        right.grid(visible=False, axis="x")
        higher = int((differences > 0).sum())
        ties = int((differences == 0).sum())
        shown_rows = np.unique(np.round(np.linspace(0, len(x) - 1, min(len(x), ROWS))).astype(int))
        picture.finish(
            f"{shown(metric)} under {shown(treatment)} against {shown(baseline)} in {len(x)} "
            f"pairs: higher in {higher}, equal in {ties}; mean difference {digits(mean)} "
            f"({digits(mean - half)} to {digits(mean + half)}).",
            [
                {"replicate": int(places[k]), "metric": metric, "baseline": float(x[k]),
                 "treatment": float(y[k]), "difference": float(differences[k])}
                for k in shown_rows
            ],
            [
                f"{len(x)} pairs are counted in hexagons, the darker the more."
                if len(x) > POINTS else "",
                unusable(result, [baseline, treatment], metric),
            ],
        )  # fmt: skip
    return picture


def are_paired(result: Result, one: str, other: str) -> bool:
    """Whether a replicate has the same stream under both conditions."""
    return result.stream_keys.get(one) == result.stream_keys.get(other)


def pairs(
    result: Result, treatment: str, baseline: str, metric: str
) -> tuple[Numbers, Numbers, Numbers]:
    """The baseline's values, the treatment's, and the replicates, where an axis can have both."""
    x, y = (column_of(result, name, metric) for name in (baseline, treatment))
    n = min(len(x), len(y))
    both = (np.abs(x[:n]) <= LARGEST) & (np.abs(y[:n]) <= LARGEST)
    return x[:n][both], y[:n][both], np.flatnonzero(both).astype(np.float64)


def _scatter(axes: Axes, x: Numbers, y: Numbers) -> None:
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = (high - low) / 20 or 0.5
    ends = (low - margin, high + margin)
    if len(x) > POINTS:
        axes.hexbin(
            x, y, gridsize=CELLS, extent=(*ends, *ends), mincnt=1, bins="log", cmap=SHADES,
            linewidths=0,
        )  # fmt: skip
    else:
        axes.plot(x, y, ".", color=COLOURS[0], markersize=4, alpha=0.6, markeredgewidth=0)
    axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")


def _edges(values: Numbers) -> Numbers:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    quartiles = np.quantile(values, [0.25, 0.75])
    width = 2 * float(quartiles[1] - quartiles[0]) * len(values) ** (-1 / 3)
    bins = int(np.clip((high - low) / width if width > 0 else 8, 8, 40))
    return np.linspace(low, high, bins + 1)
