"""The critical-difference diagram: mean ranks of methods over data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.arrangement import names_in
from crystallize_report.figures.columns import chosen_metric, summary
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.theme import INK, PAGE, themed
from crystallize_report.figures.words import digits, levels_shown, listed, shown, shown_apart

MOST = 20
"""How many methods are drawn."""


@dataclass(frozen=True)
class Ranked:
    """Methods over data sets.

    Attributes
    ----------
    methods : list of str
    ranks : list of float
        The mean ranks; 1 is the best.
    datasets : int
    distance : float
        Nemenyi's critical difference.
    p : float or None
        Of Iman and Davenport's form of Friedman's test.
    left_out : int
        Data sets that lack a method.
    """

    methods: list[str]
    ranks: list[float]
    datasets: int
    distance: float
    p: float | None
    left_out: int


def critical_difference(
    result: Result,
    metric: str | None = None,
    *,
    datasets: str | None = None,
    better: Literal["higher", "lower"] = "higher",
    alpha: float = 0.05,
    width: float = PAGE,
) -> Picture:
    """Mean ranks of methods over data sets; a bar joins those that are not told apart.

    Parameters
    ----------
    result : Result
        With a section ``ranks``, or means by two factors; values need not be kept.
    metric : str, optional
        Default: the first that is ranked, or holds numbers.
    datasets : str, optional
        The factor that says which data set it is.  Default: the ranks are those of the section.
    better : {"higher", "lower"}
        Which means have rank 1, where `datasets` is given.
    alpha : float
        Of Nemenyi's test, where `datasets` is given.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If there are not two methods on two data sets.
    UnknownNameError
        If there is no such factor.

    Notes
    -----
    Two methods differ where their mean ranks are further apart than the critical difference,
    ``q sqrt(k(k+1) / (6n))`` for k methods on n data sets, q of the studentised range.  It is
    valid for data sets that are independent of each other, and only after Friedman's test has
    rejected, which the note below the axis says where it has not; the approximation is good
    for more than 10 data sets and 5 methods.  Whether two methods are told apart depends on which
    others there are (Benavoli and others 2016), so report differences and their intervals too.

    References
    ----------
    Demšar (2006), "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
    1-30; Nemenyi (1963); Iman and Davenport (1980), Communications in Statistics A9, 571-595;
    Benavoli, Corani and Mangili (2016), "Should we really use post-hoc tests based on
    mean-ranks?", JMLR 17(5), 1-10.
    """
    found, metric = (
        _of_section(result, metric)
        if datasets is None
        else _of_means(result, chosen_metric(result, metric), datasets, better, alpha)
    )
    order = np.argsort(found.ranks, kind="stable")[:MOST]
    ranks = [found.ranks[k] for k in order]
    names = shown_apart([found.methods[k] for k in order], 30)
    bars = cliques(ranks, found.distance)
    k = len(found.ranks)
    with themed():
        half = -(-len(ranks) // 2)
        picture = Picture(width, 0.9 + 0.11 * len(bars) + 0.2 * half)
        (axes,) = picture.panels([""])
        low = -0.35 - 0.16 * len(bars)
        _ranks(axes, ranks, names, low, k)
        for place, (first, last) in enumerate(bars):
            axes.hlines(-0.22 - 0.16 * place, ranks[first] - 0.03, ranks[last] + 0.03,
                        color=INK, linewidth=2.6)  # fmt: skip
        axes.hlines(0.42, 1, 1 + found.distance, color=INK, linewidth=1.2)
        axes.plot([1, 1 + found.distance], [0.42, 0.42], "|", color=INK, markersize=6)
        axes.text(1 + found.distance / 2, 0.5, f"critical difference {digits(found.distance)}",
                  ha="center", va="bottom", fontsize=7)  # fmt: skip
        rejects = found.p is not None and found.p < alpha
        joined = listed(f"{names[first]} to {names[last]}" for first, last in bars)
        picture.finish(
            f"Mean ranks by {shown(metric)} over {found.datasets} data sets: "
            f"{listed(f'{n} {digits(r)}' for n, r in zip(names, ranks, strict=True))}. Critical "
            f"difference {digits(found.distance)}; Friedman's test has p = {digits(found.p)}. "
            f"Not told apart: {joined or 'none'}.",
            [
                {"method": found.methods[j], "metric": metric, "rank": found.ranks[j],
                 "datasets": found.datasets, "critical_difference": found.distance,
                 "p": found.p}
                for j in np.argsort(found.ranks, kind="stable")
            ],
            [
                "" if rejects else f"Friedman's test does not reject (p = {digits(found.p)}): "
                "the differences are not to be read.",
                f"Approximate: {found.datasets} data sets and {k} methods are few."
                if found.datasets <= 10 or k <= 5 else "",
                f"{found.left_out} data sets that lack a method are left out."
                if found.left_out else "",
                f"The best {MOST} of {k} methods are drawn." if k > MOST else "",
            ],
        )  # fmt: skip
    return picture


def cliques(ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """First and last of each longest run of methods, by rank, that are not told apart.

    Examples
    --------
    >>> cliques([1.0, 1.5, 2.4, 4.0], 1.0)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(k for k, other in enumerate(ranks) if other - rank <= distance)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def is_ranked(result: Result) -> bool:
    """Whether there is a section of ranks to draw."""
    return any(
        row["rank"] is not None and row["critical_difference"] is not None
        for row in result.sections.get("ranks", ())
    )


def _of_section(result: Result, metric: str | None) -> tuple[Ranked, str]:
    every = [row for row in result.sections.get("ranks", ()) if row["rank"] is not None]
    if not every:
        raise CrystallizeError(
            "There are no ranks to draw: name the factor that says which data set it is, "
            "critical_difference(result, datasets=…), or run with the aggregator 'compare' and its "
            "option datasets."
        )
    metrics = list(dict.fromkeys(row["metric"] for row in every))
    metric = metrics[0] if metric is None else metric
    if metric not in metrics:
        raise UnknownNameError("metric", metric, metrics)
    rows = [row for row in every if row["metric"] == metric]
    factors = [name for name in names_in(result.factors) if name in rows[0]]
    methods = [_method({name: row[name] for name in factors}) for row in rows]
    note = str(rows[0].get("note") or "0").split()[0]
    return Ranked(
        methods,
        [row["rank"] for row in rows],
        rows[0]["datasets"],
        rows[0]["critical_difference"],
        rows[0]["p"],
        int(note) if note.isdecimal() else 0,
    ), metric


def _of_means(
    result: Result, metric: str, datasets: str, better: str, alpha: float
) -> tuple[Ranked, str]:
    names = names_in(result.factors)
    if datasets not in names:
        raise UnknownNameError("factor", datasets, names, where="datasets")
    means: dict[str, dict[Any, float]] = {}
    for row in summary(result):
        if row["metric"] == metric and row["mean"] is not None:
            levels = dict(result.factors[row["condition"]])
            place = levels.pop(datasets, None)
            means.setdefault(_method(levels), {})[place] = row["mean"]
    sets = list(dict.fromkeys(place for own in means.values() for place in own))
    complete = [place for place in sets if all(place in own for own in means.values())]
    n, k = len(complete), len(means)
    if k < 2 or n < 2:
        raise CrystallizeError(
            f"There are no ranks to draw: {k} methods on {n} data sets that all of them have; two "
            "of each are needed."
        )
    sign = -1 if better == "higher" else 1
    ranks = np.array(
        [stats.rankdata([sign * own[place] for own in means.values()]) for place in complete]
    )
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / 2**0.5
    return Ranked(
        list(means),
        ranks.mean(axis=0).tolist(),
        n,
        q * (k * (k + 1) / (6 * n)) ** 0.5,
        _friedman(ranks),
        len(sets) - n,
    ), metric


def _friedman(ranks: Any) -> float | None:
    """The p value in Iman and Davenport's form, of Friedman's chi² corrected for ties."""
    n, k = ranks.shape
    if (ranks == ranks[:, :1]).all():
        return None
    # The chi² is the share of the ranks' variation that is between methods, times n (k - 1).
    between = n * float(((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum())
    chi2 = n * (k - 1) * between / float(((ranks - (k + 1) / 2) ** 2).sum())
    rest = n * (k - 1) - chi2
    if rest <= 1e-12 * n * k:  # every data set has one order
        return 0.0
    return float(stats.f.sf((n - 1) * chi2 / rest, k - 1, (k - 1) * (n - 1)))


def _method(levels: dict[str, Any]) -> str:
    return str(next(iter(levels.values()))) if len(levels) == 1 else levels_shown(levels, 60)


def _ranks(axes: Axes, ranks: Sequence[float], names: Sequence[str], low: float, most: int) -> None:
    """The axis of ranks, and a line from each to its name: better half left, others right."""
    half = -(-len(ranks) // 2)
    axes.hlines(0, 1, most, color=INK, linewidth=0.8)
    for tick in range(1, most + 1):
        axes.vlines(tick, 0, 0.08, color=INK, linewidth=0.8)
        axes.text(tick, 0.12, str(tick), ha="center", va="bottom", fontsize=7)
    for place, (rank, name) in enumerate(zip(ranks, names, strict=True)):
        is_left = place < half
        height = low - 0.3 * (place if is_left else len(ranks) - 1 - place)
        edge = 1 - 0.02 * (most - 1) if is_left else most + 0.02 * (most - 1)
        axes.plot([rank, rank, edge], [0, height, height], color=INK, linewidth=0.8)
        axes.text(edge, height, f" {name} ", ha="right" if is_left else "left", va="center")
    axes.set_ylim(low - 0.3 * (half - 1) - 0.2, 0.75)
    axes.set_xlim(1 - 0.35 * (most - 1), most + 0.35 * (most - 1))
    axes.set_axis_off()
