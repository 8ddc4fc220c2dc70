"""Which figures fit a result."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from crystallize import Result
from crystallize_report.figures.arrangement import is_number, levels_of, names_in
from crystallize_report.figures.columns import number_metrics
from crystallize_report.figures.critical import critical_difference, is_ranked
from crystallize_report.figures.curves import curves
from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.ecdf import ecdf
from crystallize_report.figures.estimates import estimates
from crystallize_report.figures.failures import failures
from crystallize_report.figures.forest import compared, forest
from crystallize_report.figures.lolly import lolly
from crystallize_report.figures.paired import are_paired, paired, pairs
from crystallize_report.figures.performance import measures, proportions
from crystallize_report.figures.running import running_mean
from crystallize_report.figures.words import shown
from crystallize_report.figures.zips import zip_plot, zippable

METRICS = 3
"""Of how many metrics there are figures."""
PAIRS = 3
"""Of how many treatments there are pairs, of the first metric."""


TITLES = {
    "coverage": "Coverage over a factor",
    "rejection": "Power, or type I error, over a factor",
    "bias": "Bias over a factor",
}


def fitting(result: Result, *, metrics: Sequence[str] | None = None) -> list[Drawn]:
    """The figures that this result has what it takes for, none of them drawn yet.

    Parameters
    ----------
    result : Result
    metrics : sequence of str, optional
        Of which metrics.  Default: the first three that hold numbers.  There are pairs of the
        first that is no yes or no, for three treatments.

    Returns
    -------
    list of Drawn
        Of a run that kept no values, those that need none; none where every cell failed but
        that of the failures.
    """
    chosen = number_metrics(result)
    chosen = chosen[:METRICS] if metrics is None else [m for m in metrics if m in chosen]
    return _named_apart(_fitting(result, chosen))


def _fitting(result: Result, metrics: Sequence[str]) -> Iterator[Drawn]:
    if result.errors:
        yield Drawn("failures", "Cells that failed", partial(failures, result))
    yes_no = proportions(result)
    yield from _of_sections(result, metrics, yes_no)
    for metric in metrics:
        yield Drawn(
            f"estimates-{metric}",
            f"{shown(metric)} by condition",
            partial(estimates, result, metric),
        )
        if result.keeps_values and metric not in yes_no:
            yield Drawn(
                f"ecdf-{metric}", f"Distribution of {shown(metric)}", partial(ecdf, result, metric)
            )
        if result.keeps_values:
            yield Drawn(
                f"running-{metric}",
                f"{shown(metric)} after so many replicates",
                partial(running_mean, result, metric),
            )
    yield from _of_pairs(result, [metric for metric in metrics if metric not in yes_no][:1])


def _of_pairs(result: Result, metrics: Sequence[str]) -> Iterator[Drawn]:
    if not result.keeps_values:
        return
    for metric in metrics:
        drawable = [
            name
            for name in result.conditions
            if name != result.baseline
            and are_paired(result, name, result.baseline)
            and len(pairs(result, name, result.baseline, metric)[0])
        ]
        for name in drawable[:PAIRS]:
            yield Drawn(
                f"pairs-{metric}-{name}",
                f"{shown(metric)}: {shown(name)} against {shown(result.baseline)}",
                partial(paired, result, name, metric),
            )


def _of_sections(
    result: Result, metrics: Sequence[str], yes_no: Collection[str]
) -> Iterator[Drawn]:
    for metric in compared(result):
        if metric in metrics:
            yield Drawn(
                f"differences-{metric}",
                f"Differences in {shown(metric)}",
                partial(forest, result, metric),
            )
    if there := measures(result):
        yield Drawn("performance", "Measures of performance", partial(lolly, result))
    drawable = {name: TITLES[name] for name in TITLES if name in there}
    drawable |= {m: f"{shown(m)} over a factor" for m in metrics if m in yes_no}
    for measure, title in drawable.items() if _has_axis(result) else ():
        yield Drawn(f"curve-{measure}", title, partial(curves, result, measure))
    if is_ranked(result):
        yield Drawn("ranks", "Ranks over data sets", partial(critical_difference, result))
    if next(zippable(result), None) is not None:
        yield Drawn("zip", "Intervals of every replicate", partial(zip_plot, result))


def _has_axis(result: Result) -> bool:
    """Whether there are two factors, or one whose levels are numbers: something to go along."""
    names = names_in(result.factors)
    sizes = [len(levels_of(result.factors, name)) for name in names]
    return len(result.conditions) > 2 and any(
        size > 1 and (len(names) > 1 or all(map(is_number, levels_of(result.factors, name))))
        for name, size in zip(names, sizes, strict=True)
    )


def _named_apart(figures: Iterator[Drawn]) -> list[Drawn]:
    """With names that files can have, also where file systems take no notice of capitals."""
    found: dict[str, Drawn] = {}
    for figure in figures:
        name = re.sub(r"[^a-z0-9]+", "-", figure.name.lower()).strip("-")[:48].strip("-")
        figure.name, count = name, 1
        while figure.name in found:
            count += 1
            figure.name = f"{name}-{count}"
        found[figure.name] = figure
    return list(found.values())
