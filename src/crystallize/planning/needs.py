"""How many replicates each metric and comparison takes, by what a pilot made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.checks import known
from crystallize.description.factors import factor_columns
from crystallize.description.spec import ExperimentSpec
from crystallize.planning import numbers
from crystallize.results.result import Result
from crystallize.sequences.means import ROUNDING

Row = dict[str, Any]
Numbers = npt.NDArray[np.float64]

MEASURED = ("metric", "n", "mean", "sd")
AS_PLANNED = ("mcse", "half_width", "detectable")
NEEDED = ("for_mcse", "for_half_width", "for_until", "for_power")
COLUMNS = ("condition", "treatment", "baseline", *MEASURED, *AS_PLANNED, *NEEDED)
ADDED = 2
"""How many yes are added to a pilot's, and how many no (Agresti and Coull 1998)."""


@dataclass(frozen=True)
class Targets:
    """What is to be known.

    Attributes
    ----------
    mcse, half_width, difference : float or None
        A Monte Carlo standard error; half the width of an interval; a difference from the
        baseline that is to be found.
    power, alpha : float
    metrics : sequence of str
        Of these alone; of all that are numbers, if there are none.
    """

    mcse: float | None = None
    half_width: float | None = None
    difference: float | None = None
    power: float = 0.8
    alpha: float = 0.05
    metrics: Sequence[str] = ()


class Needs:
    """What a pilot says of each metric and comparison.

    Parameters
    ----------
    experiment : ExperimentSpec
    pilot : Result
    targets : Targets

    Attributes
    ----------
    metrics, comparisons : list of dict
        Rows: what the pilot measured; what the experiment's replicates would make of it
        (``mcse``, ``half_width``, and the difference that they would find with the power that
        is wanted, ``detectable``); and how many replicates the targets need (``for_mcse``,
        ``for_half_width``, ``for_until``, ``for_power``).
    """

    def __init__(self, experiment: ExperimentSpec, pilot: Result, targets: Targets) -> None:
        self._experiment = experiment
        self._pilot = pilot
        self._targets = targets
        self.columns = factor_columns(experiment.factors, COLUMNS)
        metrics, baseline = self._chosen(), experiment.baseline
        self.metrics = [
            {"condition": name, **self.columns[name], **self._row(metric, name)}
            for name in pilot.conditions
            for metric in metrics
        ]
        self.comparisons = [
            {
                "treatment": name,
                "baseline": baseline,
                **self.columns[name],
                **self._row(metric, name, baseline),
            }
            for name in pilot.conditions
            for metric in metrics
            if name != baseline
        ]

    def replicates(self) -> dict[str, int]:
        """Condition -> how many replicates the targets need; the experiment's, without any.

        With ``Until`` conditions end apart; otherwise all have as many as the most demanding.
        """
        experiment = self._experiment
        needed = dict.fromkeys(experiment.conditions, 0)
        for row in [*self.metrics, *self.comparisons]:
            wanted = ("for_until",) if experiment.until else NEEDED[:2] + NEEDED[3:]
            most = max((row[name] or 0 for name in wanted), default=0)
            for name in (row.get("condition"), row.get("treatment"), row.get("baseline")):
                if name is not None:
                    needed[name] = max(needed[name], most)
        if experiment.until:
            least, limit = experiment.fewest, experiment.replicates_of
            return {name: min(limit[name], max(least, n)) for name, n in needed.items()}
        most = max(needed.values())
        return dict.fromkeys(needed, most) if most else dict(experiment.replicates_of)

    def _chosen(self) -> list[str]:
        pilot = self._pilot
        all_of_them = list(dict.fromkeys(n for m in pilot.metrics.values() for n in m))
        for metric in self._targets.metrics:
            known("metrics", metric, "metric", all_of_them)
        named = self._targets.metrics or all_of_them
        return [
            name
            for name in named
            if all(_numbers(pilot, condition, name) is not None for condition in pilot.conditions)
        ]

    def _row(self, metric: str, condition: str, baseline: str | None = None) -> Row:
        values = _numbers(self._pilot, condition, metric)
        assert values is not None
        yes_no = _is_yes_no(values)
        if baseline is not None:
            others = _numbers(self._pilot, baseline, metric)
            assert others is not None
            yes_no = yes_no and _is_yes_no(others)
            with np.errstate(invalid="ignore"):
                values = values - others
        values = values[np.isfinite(values)]
        row: Row = dict.fromkeys((*MEASURED, *AS_PLANNED, *NEEDED))
        row |= {"metric": metric, "n": len(values)}
        if len(values) < 2:
            return row
        row["mean"] = mean = float(values.mean())
        row["sd"] = sd = (
            _sd_of_yes_no(values, pairs=baseline is not None) if yes_no else _sd(values)
        )
        replicates, targets = self._experiment.replicates_of[condition], self._targets
        if not self._experiment.until:
            row["mcse"] = sd / replicates**0.5
            row["half_width"] = numbers.half_width(sd, replicates, targets.alpha)
            if baseline is not None:
                row["detectable"] = numbers.detectable(sd, replicates, targets.power, targets.alpha)
        if not sd:
            return row
        if targets.mcse is not None:
            row["for_mcse"] = numbers.for_mcse(sd, targets.mcse)
        if targets.half_width is not None:
            row["for_half_width"] = numbers.for_half_width(sd, targets.half_width, targets.alpha)
        if targets.difference is not None and baseline is not None:
            row["for_power"] = numbers.for_power(
                sd, targets.difference, targets.power, targets.alpha
            )
        wanted = ("difference",) if baseline is not None else ("mean", "proportion")
        for goal in self._experiment.until:
            if goal.metric == metric and goal.of in wanted and goal.target(mean):
                needed = numbers.for_until(sd, goal.target(mean), 1 - goal.confidence)
                row["for_until"] = max(row["for_until"] or 0, needed)
        return row


def _numbers(result: Result, condition: str, metric: str) -> Numbers | None:
    """A metric as numbers, NaN where there is none; ``None`` where it holds anything else."""
    values = result.metrics[condition].get(metric)
    if values is None:
        return np.full(len(result.done[condition]), np.nan)
    if values.ndim == 1 and values.dtype.kind in "biuf":
        filled: Numbers = np.ma.filled(values.astype(np.float64), np.nan)
        return filled
    kept: list[Any] = values.tolist()
    if values.ndim == 1 and all(v is None or isinstance(v, (bool, int, float)) for v in kept):
        return np.array([np.nan if v is None else v for v in kept], dtype=np.float64)
    return None


def _is_yes_no(values: Numbers) -> bool:
    return bool(((values == 0) | (values == 1) | np.isnan(values)).all())


def _sd_of_yes_no(values: Numbers, *, pairs: bool) -> float:
    """The standard deviation, with answers added: it is not 0 where all that there are agree.

    To pairs, half a one of each of the four kinds (Agresti and Min 2005).
    """
    n = len(values)
    if pairs:
        apart = (np.abs(values).sum() + 1) / (n + 2)
        return float((apart - (values.sum() / (n + 2)) ** 2) ** 0.5)
    share = (values.sum() + ADDED) / (n + 2 * ADDED)
    return float((share * (1 - share)) ** 0.5)


def _sd(values: Numbers) -> float:
    """The standard deviation, 0 where values vary by rounding alone."""
    if np.ptp(values) <= ROUNDING * float(np.spacing(np.abs(values).max())):
        return 0.0
    return float(values.std(ddof=1))
