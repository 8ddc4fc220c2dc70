"""The zip plot: every interval, by how far it is from the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.columns import CONFIDENCE, Numbers, column_of, labels, wilson
from crystallize_report.figures.intervals import Intervals, found_out, intervals
from crystallize_report.figures.performance import measures, nominal
from crystallize_report.figures.picture import Picture, Row, panel_height
from crystallize_report.figures.series import keyed_by
from crystallize_report.figures.theme import ALARM, COLOURS, INK, PAGE, themed
from crystallize_report.figures.words import digits, listed, shown_apart

PANELS = 12
INTERVALS = 1600
"""How many intervals a figure has at most, all panels together."""

Truth = float | str | Mapping[str, float]
Named = dict[tuple[str, str], Intervals]


def zip_plot(
    result: Result,
    *,
    lower: str | None = None,
    upper: str | None = None,
    estimate: str | None = None,
    se: str | None = None,
    truth: Truth | None = None,
    confidence: float | None = None,
    width: float = PAGE,
) -> Picture:
    """Intervals of every replicate, sorted by how far their centre is from the truth.

    Those that cover are blue, those that miss are vermillion and on top; the height at which the
    colour changes is the coverage, and a band shows how sure that is.

    Parameters
    ----------
    result : Result
        With values.  With a section ``performance`` that states coverage, the
        options are not needed: which metrics are meant is found out from its numbers.
    lower, upper : str, optional
        Metrics: the bounds of the interval.
    estimate : str, optional
        The metric of the estimate; of an interval without one its middle is taken.
    se : str, optional
        The metric of its standard error, for the interval estimate ± z SE, instead of bounds.
    truth : float, str or mapping, optional
        A number, a metric, a factor, or condition -> number.
    confidence : float, optional
        Of the intervals; for a line, and for `se`.  Default: that of the section, else 0.95.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If there are no intervals, or the options name only a part of what it takes.
    UnknownNameError, InvalidValueError
        If an option names what is not there, or no numbers.

    Notes
    -----
    The vertical axis is the centile of |z|, z = (estimate - truth) / SE, with the mean rank for
    ties; where an interval is not symmetric it is the distance in units of the half on the
    truth's side, which for symmetric ones has the same order.  So those that miss are on top.
    The band is Wilson's 95% Monte Carlo interval of the coverage.  Of more than 1,600 intervals
    evenly spaced centiles are drawn.

    References
    ----------
    Morris, White and Crowther (2019), Statistics in Medicine 38, 2074-2102; ``siman zipplot``
    (Marley-Zagar, White and Morris).
    """
    told = {"lower": lower, "upper": upper, "estimate": estimate, "se": se, "truth": truth}
    if any(value is not None for value in told.values()):
        chosen = confidence or CONFIDENCE
        found = _named(result, lower, upper, estimate, se, truth, chosen)
        line: float | None = chosen
    else:
        found = dict(zippable(result))
        line = confidence or nominal(result.sections.get("performance", ()))
    found = {key: own for key, own in found.items() if len(own.covers)}
    if not found:
        raise CrystallizeError(
            "There are no intervals to draw. Name truth and either lower and upper or estimate and "
            "se, or run with aggregators = ['performance'], which states coverage."
        )
    drawn = dict(list(found.items())[:PANELS])
    several = len({name for _, name in found}) > 1
    titles = shown_apart([f"{c}, {name}" if several else c for c, name in drawn], 56)
    constant = all(np.ptp(own.truth) == 0 for own in drawn.values())
    most = INTERVALS // len(drawn)
    data: list[Row] = []
    words = []
    with themed():
        picture = Picture(width, 0.35 + panel_height(len(drawn), width))
        panels = picture.panels(titles, sharey=True)
        for axes, title, ((condition, name), own) in zip(
            panels, titles, drawn.items(), strict=True
        ):
            centiles = 100 * stats.rankdata(own.distance) / len(own.distance)
            share = float(own.covers.mean())
            low, high = wilson(share, len(own.covers))
            _panel(axes, own, centiles, most, constant)
            axes.axhspan(100 * low, 100 * high, color=INK, alpha=0.25, linewidth=0)
            if line is not None:
                axes.axhline(100 * line, color=INK, linewidth=0.7, linestyle=":")
            words.append(f"{title} {digits(100 * share)}% ({digits(100 * low)} to "
                         f"{digits(100 * high)})")  # fmt: skip
            data += [
                {**labels(result, condition), "estimator": name, "replicate": int(r),
                 "estimate": float(e), "lower": float(lo), "upper": float(up), "truth": float(t),
                 "centile": float(c), "covers": bool(k)}
                for r, e, lo, up, t, c, k in _thinned(own, centiles, most)
            ]  # fmt: skip
        for axes in panels:
            axes.set_ylim(0, 100.5)
            axes.locator_params(axis="x", nbins=4 if width > 5 else 3)
        picture.label(
            panels, "interval" if constant else "interval less the truth", "centile of |z|"
        )
        for axes in panels:  # each has its own horizontal axis
            axes.tick_params(labelbottom=True)
        keyed_by(picture, [("covers", COLOURS[0]), ("misses", ALARM)])
        thinned = any(len(own.covers) > most for own in drawn.values())
        aims = f" of {digits(100 * line)}%" if line is not None else ""
        picture.finish(
            f"Intervals by centile of |z|. Coverage{aims}, with 95% Monte Carlo intervals "
            f"(bands): {listed(words)}.",
            data,
            [
                f"At most {most} intervals a panel are drawn, at evenly spaced centiles."
                if thinned else "",
                f"The first {len(drawn)} of {len(found)} panels are drawn."
                if len(drawn) < len(found) else "",
            ],
        )  # fmt: skip
    return picture


def zippable(result: Result) -> Iterator[tuple[tuple[str, str], Intervals]]:
    """(condition, estimator) and intervals, where coverage is stated and can be retraced."""
    if not result.keeps_values:
        return
    for condition, estimator in measures(result).get("coverage", {}):
        own = None if estimator is None else found_out(result, condition, estimator)
        if own is not None:
            yield (condition, str(estimator)), own


def _named(
    result: Result,
    lower: str | None,
    upper: str | None,
    estimate: str | None,
    se: str | None,
    truth: Truth | None,
    confidence: float,
) -> Named:
    if truth is None or not ((lower and upper) or (estimate and se)):
        raise CrystallizeError(
            "An interval takes truth, and either lower and upper or estimate and se."
        )
    half = stats.norm.ppf((1 + confidence) / 2)
    found: Named = {}
    for condition in result.conditions:
        if lower and upper:
            low, high = (column_of(result, condition, name) for name in (lower, upper))
            centre = (
                (low + high) / 2 if estimate is None else column_of(result, condition, estimate)
            )
        else:
            centre = column_of(result, condition, str(estimate))
            error = column_of(result, condition, str(se))
            low, high = centre - half * error, centre + half * error
        own = intervals(centre, low, high, _truth(result, condition, truth))
        found[condition, estimate or f"{lower} to {upper}"] = own
    return found


def _truth(result: Result, condition: str, truth: Truth) -> Numbers | float:
    if isinstance(truth, Mapping):
        if condition not in truth:
            raise UnknownNameError("condition", condition, list(truth), where="truth")
        return float(truth[condition])
    if not isinstance(truth, str):
        return float(truth)
    level = result.factors[condition].get(truth)
    if isinstance(level, (int, float)):
        return float(level)
    return column_of(result, condition, truth)


def _panel(axes: Axes, own: Intervals, centiles: Numbers, most: int, constant: bool) -> None:
    rows = list(_thinned(own, centiles, most))
    for covers, color in ((True, COLOURS[0]), (False, ALARM)):
        x: list[float] = []
        y: list[float] = []
        for _, _, low, high, truth, centile, hit in rows:
            if bool(hit) == covers:
                shift = 0.0 if constant else truth
                x += [low - shift, high - shift, np.nan]
                y += [centile, centile, np.nan]
        axes.plot(x, y, color=color, linewidth=0.6)
    axes.axvline(float(own.truth[0]) if constant else 0.0, color=INK, linewidth=0.8, linestyle="--")


def _thinned(own: Intervals, centiles: Numbers, most: int) -> list[tuple[float, ...]]:
    """The intervals that are drawn, by centile: all, or evenly spaced ones with both ends."""
    order = np.argsort(centiles, kind="stable")
    if len(order) > most:
        order = order[np.round(np.linspace(0, len(order) - 1, most)).astype(int)]
    columns = (own.replicate, own.estimate, own.lower, own.upper, own.truth, centiles, own.covers)
    return [tuple(row) for row in np.column_stack([column[order] for column in columns]).tolist()]
