"""Monte Carlo errors of differences, from values where there are some."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize import Result

Numbers = npt.NDArray[np.float64]


def error_of_difference(result: Result, row: Mapping[str, Any]) -> float | None:
    """The Monte Carlo standard error of a row of `compare`.

    That of paired differences, s / sqrt(n), where the row is of pairs; else that of two
    independent means, sqrt(s²/n + t²/m), as Welch's test has it.

    Parameters
    ----------
    result : Result
    row : mapping
        With ``treatment``, ``baseline``, ``metric`` and ``n``.

    Returns
    -------
    float or None
        ``None`` where no values were kept, or there are too few.
    """
    if not result.keeps_values:
        return None
    treatment, baseline = (
        _numbers(result, row.get(side), row.get("metric")) for side in ("treatment", "baseline")
    )
    if treatment is None or baseline is None:
        return None
    both = min(len(treatment), len(baseline))
    differences = _finite(treatment[:both] - baseline[:both])
    samples = [differences]
    if len(differences) != row.get("n"):
        samples = [_finite(treatment), _finite(baseline)]
    if any(len(sample) < 2 for sample in samples):
        return None
    return math.sqrt(sum(float(np.var(sample, ddof=1)) / len(sample) for sample in samples))


def _numbers(result: Result, condition: object, metric: object) -> Numbers | None:
    """The values of a metric, NaN where there is none; ``None`` where they are no numbers."""
    if not isinstance(condition, str) or not isinstance(metric, str):
        return None
    values = result.metrics.get(condition, {}).get(metric)
    if values is None or values.ndim != 1:
        return None
    if values.dtype.kind in "biuf":
        return np.where(result.done[condition], values.astype(np.float64), np.nan)
    if not all(v is None or isinstance(v, (bool, int, float)) for v in values.tolist()):
        return None
    return np.array([np.nan if v is None else v for v in values.tolist()], np.float64)


def _finite(values: Numbers) -> Numbers:
    finite: Numbers = values[np.isfinite(values)]
    return finite
