"""A result as one long table: a row for each cell, as files of tables have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.description.factors import factor_columns

INDEX_COLUMNS = ("condition", "replicate")


class LongForm(NamedTuple):
    """The columns of the table: those that say which cell a row is of, then the metrics.

    Attributes
    ----------
    sizes : dict of str to int
        Condition -> how many rows it has, in the order of the rows.
    levels : dict of str to dict
        Condition -> column of a factor -> level.
    metrics : dict of str to dict
        Column -> condition -> its values, of those that have the metric.
    done : dict of str to array of bool
        Condition -> which cells finished.
    """

    sizes: Mapping[str, int]
    levels: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Array]]
    done: Mapping[str, npt.NDArray[np.bool_]]

    @property
    def factors(self) -> list[str]:
        """The columns of factors."""
        return list(dict.fromkeys(name for levels in self.levels.values() for name in levels))


def long_form(
    metrics: Mapping[str, Mapping[str, Array]],
    done: Mapping[str, npt.NDArray[np.bool_]],
    factors: Mapping[str, Mapping[str, Any]],
) -> LongForm:
    """The columns of a result.

    A metric that is named like one of the index columns, or a factor, has ``metric.`` before its
    name.
    """
    levels, named = metric_columns(metrics, factors)
    columns = {
        name: {condition: metrics[condition][metric] for condition, metric in of.items()}
        for name, of in named.items()
    }
    sizes = {condition: len(flags) for condition, flags in done.items()}
    return LongForm(sizes, levels, columns, done)


def metric_columns(
    metrics: Mapping[str, Iterable[str]], factors: Mapping[str, Mapping[str, Any]]
) -> tuple[Mapping[str, Mapping[str, Any]], dict[str, dict[str, str]]]:
    """The names of the columns.

    Parameters
    ----------
    metrics : mapping of str to iterable of str
        Condition -> the names of its metrics.
    factors : mapping
        Condition -> factor -> level.

    Returns
    -------
    (dict, dict)
        Condition -> column of a factor -> level, and column -> condition -> metric.
    """
    levels = factor_columns(factors, INDEX_COLUMNS)
    index = {*INDEX_COLUMNS, *(name for columns in levels.values() for name in columns)}
    columns: dict[str, dict[str, str]] = {}
    for condition, own in metrics.items():
        for metric in own:
            name = f"metric.{metric}" if metric in index else metric
            columns.setdefault(name, {})[condition] = metric
    return levels, columns
