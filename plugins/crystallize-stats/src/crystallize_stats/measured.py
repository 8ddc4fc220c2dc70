"""Every measure of one estimator under one condition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crystallize_stats import measures
from crystallize_stats.estimators import Cells
from crystallize_stats.measures import Measured
from crystallize_stats.study import Numbers

MEASURES = (
    "convergence", "bias", "relative_bias", "empirical_se", "mse", "rmse", "model_se",
    "relative_error", "relative_precision", "coverage", "bias_eliminated_coverage", "rejection",
    "ci_width",
)  # fmt: skip
"""In the order of their rows: what failed or is missing comes first."""


def measured(
    cells: Cells, ran: int, *, alpha: float, null: float, jackknife: bool
) -> dict[str, Measured]:
    """The measures that can be computed from what is given, by name; not those that compare.

    Parameters
    ----------
    cells : Cells
    ran : int
        How many cells were run, failed ones among them.
    alpha, null : float
    jackknife : bool
        See :mod:`crystallize_stats.measures`.
    """
    converged = np.zeros(ran)
    converged[: int(np.isfinite(cells.estimate).sum())] = 1
    found = {"convergence": measures.proportion(converged, alpha)}
    kept = present(cells.error)
    errors = cells.error[kept]
    found["empirical_se"] = measures.empirical_se(errors, jackknife)
    if cells.truth is not None:
        found["bias"] = measures.mean(errors)
        found["relative_bias"] = measures.relative_bias(errors, cells.truth[kept])
        found["mse"] = measures.mse(errors)
        found["rmse"] = measures.rmse(errors, jackknife)
    if cells.se is not None:
        both = present(cells.error, cells.se)
        found["model_se"] = measures.model_se(cells.se[both], jackknife)
        found["relative_error"] = measures.relative_error(
            cells.error[both], cells.se[both], jackknife
        )
    if cells.p is not None:
        known = ~np.isnan(cells.p)
        found["rejection"] = measures.proportion(cells.p[known] <= alpha, alpha)
    if cells.lower is not None and cells.upper is not None:
        lower, upper = cells.lower, cells.upper
        bounded = ~(np.isnan(lower) | np.isnan(upper))
        if cells.p is None:
            outside = (lower > null) | (upper < null)
            found["rejection"] = measures.proportion(outside[bounded], alpha)
        found["ci_width"] = measures.mean((upper - lower)[bounded])
        if cells.truth is not None:
            with_truth = bounded & ~np.isnan(cells.truth)
            hits = (lower <= cells.truth) & (cells.truth <= upper)
            found["coverage"] = measures.proportion(hits[with_truth], alpha)
        center = np.mean(errors) if len(errors) else np.nan
        target = center if cells.truth is None else cells.truth + center
        hits = (lower <= target) & (target <= upper)
        usable = bounded & ~np.isnan(target + np.zeros(len(lower)))
        found["bias_eliminated_coverage"] = measures.proportion(hits[usable], alpha)
    return found


def present(*columns: Numbers) -> npt.NDArray[np.bool_]:
    """The replicates in which every column has a finite value."""
    return np.asarray(np.all([np.isfinite(column) for column in columns], axis=0))
