"""Which figures fit a result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from crystallize import Result
from crystallize_report.figures.columns import Numbers, finite, is_yes_no, number_metrics
from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.ecdf import ecdf
from crystallize_report.figures.estimates import estimates
from crystallize_report.figures.forest import compared, forest
from crystallize_report.figures.words import shown

METRICS = 3
"""Of how many metrics there are figures."""


def fitting(result: Result, *, metrics: Sequence[str] | None = None) -> list[Drawn]:
    """The figures that this result has what it takes for, none of them drawn yet.

    Parameters
    ----------
    result : Result
    metrics : sequence of str, optional
        Of which metrics.  Default: the first three that hold numbers.

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
    for metric in compared(result):
        if metric in metrics:
            yield Drawn(
                f"differences-{metric}",
                f"Differences in {shown(metric)}",
                partial(forest, result, metric),
            )
    for metric in metrics:
        yield Drawn(
            f"estimates-{metric}",
            f"{shown(metric)} by condition",
            partial(estimates, result, metric),
        )
        if result.keeps_values and not is_yes_no(_values(result, metric)):
            yield Drawn(
                f"ecdf-{metric}",
                f"Distribution of {shown(metric)}",
                partial(ecdf, result, metric),
            )


def _values(result: Result, metric: str) -> list[Numbers]:
    return [finite(result, condition, metric) for condition in result.conditions]


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
