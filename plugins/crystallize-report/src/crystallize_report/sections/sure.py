"""How sure it is: how many replicates an error takes, and a difference to be told from 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from crystallize_report.sections.results import WITHIN, compared
from crystallize_report.study import ReportedStudy
from crystallize_report.tables import Table, laid_out

PROPORTIONS = ("convergence", "coverage", "bias_eliminated_coverage", "rejection")
OF_PROPORTIONS = 0.005
PER_CENT = ("relative_bias", "relative_error", "relative_precision")
OF_PER_CENT = 1.0
SHARE = 0.01
"""What part of other numbers their error is to be."""
QUANTILE, POWER = 1.959964, 0.841621
"""Of the normal: 97.5%, and the 80% of the power."""


@dataclass(frozen=True)
class Sure:
    """The section.

    Attributes
    ----------
    says : str
    tables : list of Table
    """

    says: str
    tables: list[Table]


def sure(study: ReportedStudy, mcse: float | None = None) -> Sure:
    """Gather it.

    Parameters
    ----------
    study : ReportedStudy
    mcse : float, optional
        The Monte Carlo standard error that is wanted of every number.
    """
    tables = [_metrics(study, mcse)]
    if "performance" in study.tables:
        tables.insert(0, _performance(study, mcse))
    if "compare" in study.tables:
        tables.insert(0, _differences(study))
    return Sure(_says(mcse), [table for table in tables if table.rows])


def replicates_for(n: int, error: float, target: float) -> int | None:
    """How many replicates give an error of `target`, where n gave `error`: n (error/target)².

    Examples
    --------
    >>> replicates_for(1600, 0.0055, 0.005)
    1936
    """
    if not target or not error or not math.isfinite(n * (error / target) ** 2):
        return None
    return math.ceil(round(n * (error / target) ** 2, 6))


def target(measure: str | None, value: float, error: float, mcse: float | None) -> float | None:
    """The error that is wanted of a number; ``None`` where it is too near to 0 to say."""
    if mcse is not None:
        return mcse
    if measure in PROPORTIONS:
        return OF_PROPORTIONS
    if measure in PER_CENT:
        return OF_PER_CENT
    return SHARE * abs(value) if abs(value) > 2 * error else None


def _says(mcse: float | None) -> str:
    if mcse is not None:
        return f"How many replicates it takes for a Monte Carlo standard error (MCSE) of {mcse:g}."
    return (
        "How many replicates it takes for a Monte Carlo standard error (MCSE) of "
        f"{OF_PROPORTIONS:g} for proportions, of one per cent point for relative measures, and of "
        "one per cent of any other number that is more than two MCSEs from 0. Half an MCSE takes "
        "four times as many."
    )


def _metrics(study: ReportedStudy, mcse: float | None) -> Table:
    rows: list[dict[str, Any]] = []
    for row in study.summary:
        mean, error, n = row["mean"], row["mcse"], row["n"]
        if mean is None or not error or not math.isfinite(mean) or not math.isfinite(error):
            continue
        is_share = row["min"] == 0 and row["max"] == 1 and _is_yes_no(row)
        wanted = target("coverage" if is_share else None, mean, error, mcse)
        labels = {k: v for k, v in row.items() if k in study.levels or k in ("condition", "metric")}
        rows.append(labels | _needed(n, mean, error, wanted))
    return laid_out(
        "replicates-for-metrics", "Metrics: replicates for a target", rows, study.names,
        study.levels, leave_out=study.needless,
    )  # fmt: skip


def _is_yes_no(row: dict[str, Any]) -> bool:
    """Whether values between 0 and 1 are 0 and 1 alone: no others have that deviation."""
    n, mean, sd = row["n"], row["mean"], row["sd"]
    return n > 1 and math.isclose(sd**2, mean * (1 - mean) * n / (n - 1), rel_tol=1e-9)


def _performance(study: ReportedStudy, mcse: float | None) -> Table:
    rows: list[dict[str, Any]] = []
    kept = ("condition", "measure", "estimator")
    for row in study.tables["performance"]:
        value, error, n = row.get("value"), row.get("mcse"), row.get("n")
        if isinstance(value, float) and isinstance(error, float) and error and isinstance(n, int):
            measure = row.get("measure")
            wanted = target(measure if isinstance(measure, str) else None, value, error, mcse)
            labels = {k: v for k, v in row.items() if k in study.levels or k in kept}
            rows.append(labels | _needed(n, value, error, wanted))
    return laid_out(
        "replicates-for-performance", "Performance: replicates for a target", rows, study.names,
        study.levels, leave_out=study.needless,
    )  # fmt: skip


def _differences(study: ReportedStudy) -> Table:
    rows: list[dict[str, Any]] = []
    kept = ("treatment", "baseline", "metric", "difference", "mcse")
    for row in compared(study):
        difference, error, n = row.get("difference"), row.get("mcse"), row.get("n")
        if isinstance(difference, float) and isinstance(error, float) and isinstance(n, int):
            needed = None
            if difference and error:
                needed = replicates_for(n, (QUANTILE + POWER) * error, abs(difference))
            within = bool(row.get("remark"))
            rows.append(
                {key: row.get(key) for key in kept}
                | {
                    "n": n,
                    "told from 0": None
                    if within
                    else "yes"
                    if abs(difference) > QUANTILE * error
                    else "no",
                    "replicates to tell": needed,
                    "remark": f"{WITHIN} 0" if within else None,
                }
            )
    notes = [
        "Replicates to tell: so many find a difference as large as this one with a probability "
        "of 80%, at 5%, unadjusted."
    ]
    caption = "Differences: replicates to tell them from 0"
    return laid_out("replicates-for-differences", caption, rows, study.names, notes=notes)


def _needed(n: int, value: float, error: float, wanted: float | None) -> dict[str, Any]:
    needed = None if wanted is None else replicates_for(n, error, wanted)
    enough = None if needed is None else "yes" if needed <= n else "no"
    return {"value": value, "mcse": error, "n": n, "target": wanted, "replicates": needed,
            "enough": enough}  # fmt: skip
