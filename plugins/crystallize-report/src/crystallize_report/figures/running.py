"""How the mean settled: after every number of replicates, with what may be said at any time."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from crystallize import Result
from crystallize.sequences import MeanSequence, ProportionSequence
from crystallize_report.figures.arrangement import arranged
from crystallize_report.figures.columns import Numbers, chosen_metric, finite, labels, unusable
from crystallize_report.figures.picture import Picture, Row, panel_height
from crystallize_report.figures.series import keyed, names_of
from crystallize_report.figures.theme import PAGE, style, themed
from crystallize_report.figures.words import digits, listed, shown

LOOKS = 1200
"""At how many numbers of replicates all lines are drawn; each at 25 at least, 120 at most."""
FIRST = 10
"""From how many replicates on."""
BANDS = 3
"""Up to how many lines of a panel have their bands."""
CONFIDENCE = 0.95


def running_mean(
    result: Result, metric: str | None = None, *, lines: str | None = None, width: float = PAGE
) -> Picture:
    """The mean after so many replicates, with a 95% confidence sequence.

    Parameters
    ----------
    result : Result
        With values.
    metric : str, optional
        Default: the first that holds numbers.
    lines : str, optional
        The factor whose levels are the lines of a panel; others make panels.
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
    A confidence sequence holds after all numbers of replicates at once, with 95% probability for
    each line, so one may stop when one likes what one sees; it is wider than an interval for one
    look.  Of a yes or no it is the beta-binomial one, which holds from the start, else the
    asymptotic one, from 100 values on.  The axis is logarithmic; lines are drawn at 120 numbers of
    replicates, evenly spaced on it, or fewer where there are more than 10 lines.

    References
    ----------
    Howard, Ramdas, McAuliffe and Sekhon (2021), Annals of Statistics 49, 1055-1080; Waudby-Smith,
    Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52.
    """
    metric = chosen_metric(result, metric)
    layout = arranged(result.factors, lines=lines)
    data: list[Row] = []
    told = []
    looks = min(120, max(25, LOOKS // max(1, sum(len(series) for _, series in layout.panels))))
    with themed():
        picture = Picture(width, panel_height(len(layout.panels), width))
        panels = picture.panels(layout.titles(), sharex=True, sharey=True)
        for axes, (_, series) in zip(panels, layout.panels, strict=True):
            for line, places in series.items():
                (condition,) = places.values()
                values = finite(result, condition, metric)
                if not len(values):
                    continue
                look = style(layout.series.index(line))
                n, means, low, high = sequence(values, looks)
                axes.plot(n, means, color=look.color, linestyle=look.dashes)
                if len(series) <= BANDS:
                    axes.fill_between(n, low, high, color=look.color, alpha=0.15, linewidth=0)
                own = labels(result, condition)
                data += [
                    {**own, "metric": metric, "n": int(k), "mean": m, "lower": lo, "upper": up}
                    for k, m, lo, up in np.column_stack((n, means, low, high)).tolist()
                ]
                told.append(
                    f"{shown(condition)} {digits(means[-1])} after {len(values)}"
                    f" ({digits(low[-1])} to {digits(high[-1])})"
                )
        for axes in panels:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        picture.label(panels, "replicates", f"mean of {shown(metric, 24)}")
        keyed(picture, names_of(layout), layout.lines)
        picture.finish(
            f"Mean of {shown(metric)} after so many replicates, with 95% confidence sequences: "
            f"{listed(told)}.",
            data,
            [
                "" if any(len(series) <= BANDS for _, series in layout.panels)
                else f"Bands are left out where a panel has more than {BANDS} lines.",
                unusable(result, result.conditions, metric),
                layout.note,
            ],
        )  # fmt: skip
    return picture


def sequence(values: Numbers, looks: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """After how many values, their mean, and the bounds then; NaN where there are none yet."""
    least = min(FIRST, len(values))
    stops = np.unique(np.round(np.geomspace(least, len(values), looks)).astype(int))
    yes_no = bool(((values == 0) | (values == 1)).all())
    alpha = 1 - CONFIDENCE
    known = ProportionSequence(alpha) if yes_no else MeanSequence(alpha)
    rows = []
    start = 0
    total = 0.0
    for look in stops.tolist():
        known.add(values[start:look])
        total += float(values[start:look].sum())
        found = known.interval()
        bounds = (np.nan, np.nan) if found is None else (found.lower, found.upper)
        rows.append((float(look), total / look, *bounds))
        start = look
    n, means, low, high = np.array(rows).T
    return n, means, low, high
