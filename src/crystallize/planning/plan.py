"""A pilot, and what it says of the run to be: replicates, seconds, memory, store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.contracts import Capabilities
from crystallize.description.factors import factor_columns
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import known_metric
from crystallize.planning import numbers
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.results.section_tables import sections_as_text
from crystallize.verification.certificate import CertificateRow
from crystallize.verification.runs import Runs
from crystallize.verification.ways import Way, installed_ways, own_way

Row = dict[str, Any]
Numbers = npt.NDArray[np.float64]

PROBE_SECONDS = 2.0
"""About how long each strategy beside the experiment's own is tried."""
RECORD_BYTES, ARRAY_BYTES = 400, 200
"""What a record of a store takes beside values: itself, and for each metric."""
EDGE = 2
"""How many a yes and a no are added where a share is 0 or 1 (Agresti and Coull 1998)."""


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


@dataclass(frozen=True)
class Plan:
    """What a pilot says of a run.

    Attributes
    ----------
    pilot : int
        How many replicates of each condition it had.
    failed : int
        How many of its cells failed.
    uncertainty : float
        By which share the numbers of replicates may be off.
    replicates : dict of str to int
        Condition -> how many are planned: as many as the most demanding target takes, or those
        of the experiment.
    metrics, comparisons, strategies : list of dict
    memory, store : int
        Bytes.
    """

    pilot: int
    failed: int
    uncertainty: float
    replicates: Mapping[str, int]
    metrics: Sequence[Row]
    comparisons: Sequence[Row]
    strategies: Sequence[Row]
    memory: int
    store: int
    levels: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """It as data that JSON has."""
        return {
            "pilot": self.pilot,
            "failed": self.failed,
            "uncertainty": self.uncertainty,
            "replicates": dict(self.replicates),
            "metrics": list(self.metrics),
            "comparisons": list(self.comparisons),
            "strategies": list(self.strategies),
            "memory": self.memory,
            "store": self.store,
        }

    def __str__(self) -> str:
        sizes = sorted(set(self.replicates.values()))
        planned = " to ".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1])))
        head = (
            f"A pilot of {self.pilot} replicates, of whose cells {self.failed} failed. Numbers of "
            f"replicates are good to ±{self.uncertainty:.0%} (95%, for normal values).\n"
            f"Planned: {planned} replicates of each of {len(self.replicates)} conditions; memory "
            f"{_bytes(self.memory)}, store {_bytes(self.store)}."
        )
        tables = {
            "metrics": list(self.metrics),
            "comparisons": list(self.comparisons),
            "strategies": list(self.strategies),
        }
        return head + sections_as_text(tables, self.levels)


def plan(
    experiment: ExperimentSpec,
    host: Host,
    *,
    pilot: int,
    targets: Targets,
    strategies: Sequence[str | object] | None,
) -> Plan:
    """Run a pilot; see :meth:`crystallize.Experiment.plan`."""
    own = own_way(host)
    pilots = _Pilots(experiment, host)
    row, result = pilots.timed(own, pilot)
    metrics = _chosen(result, targets.metrics)
    columns = factor_columns(experiment.factors, COLUMNS)
    rows, wanted = [], dict(experiment.replicates_of)
    if experiment.until:
        wanted = dict.fromkeys(wanted, experiment.fewest)
    for condition in result.conditions:
        for metric in metrics:
            values = _numbers(result, condition, metric)
            made = _row(experiment, condition, metric, values, targets, "mean")
            rows.append({"condition": condition, **columns[condition], **made})
    comparisons = []
    for condition in result.conditions:
        if condition == experiment.baseline:
            continue
        for metric in metrics:
            both = (_numbers(result, name, metric) for name in (condition, experiment.baseline))
            one, other = both
            difference = _row(experiment, condition, metric, one - other, targets, "difference")
            head = {"treatment": condition, "baseline": experiment.baseline}
            comparisons.append({**head, **columns[condition], **difference})
    asked = [name for name in ASKED if any(made.get(name) for made in [*rows, *comparisons])]
    if asked:
        wanted = _most(rows, comparisons, asked, wanted, bool(experiment.until))
    times = [_projected(row, wanted, len(wanted))]
    for way in _others(experiment, host, own, strategies):
        size = max(2, min(pilot, ceil(PROBE_SECONDS / max(row.per_replicate, 1e-9))))
        try:
            times.append(_projected(pilots.timed(way, size)[0], wanted, len(wanted)))
        except CouldNotRun as error:
            times.append({"strategy": _named(way), "note": str(error)})
    per_replicate = {name: _bytes_of(result, name) for name in result.conditions}
    each = Capabilities.of(host.executor).block_seconds / max(row.per_replicate, 1e-9)
    arrays = max((len(m) for m in result.metrics.values()), default=0)
    blocks = sum(ceil(n / max(1.0, min(n, each * len(wanted)))) for n in wanted.values())
    memory = sum(per_replicate[name] * n for name, n in wanted.items())
    return Plan(
        pilot=pilot,
        failed=len(result.errors),
        uncertainty=numbers.uncertainty(pilot),
        replicates=wanted,
        metrics=rows,
        comparisons=comparisons,
        strategies=times,
        memory=round(memory),
        store=round(memory + blocks * (RECORD_BYTES + arrays * ARRAY_BYTES)),
        levels=list(next(iter(columns.values()), {})),
    )
