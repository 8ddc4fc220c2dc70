"""A pilot, and what it says of the run to be: replicates, seconds, memory, store."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from crystallize.contracts import Capabilities
from crystallize.description.spec import ExperimentSpec
from crystallize.planning import numbers
from crystallize.planning.needs import Needs, Targets
from crystallize.planning.pilot import others
from crystallize.planning.pilot import pilot as run_pilot
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.results.section_tables import section_tables

Row = dict[str, Any]

RECORD_BYTES, ARRAY_BYTES, LONGEST = 400, 200, 2**16
"""What a record of a store takes beside its values: itself, each metric; cells in it at most."""


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
        By which share the numbers of replicates may be off: at 95%, for normal values.
    replicates : dict of str to int
        Condition -> how many the most demanding target needs, or those of the experiment.
    metrics, comparisons : list of dict
        What it takes for each metric of each condition, and for each comparison with the
        baseline; :class:`~crystallize.planning.needs.Needs` says what is in them.
    strategies : list of dict
        How long it takes here, under each strategy that is installed: ``seconds``, of which
        ``start`` is for the first replicate and all that there is to begin with.
    memory, store : int
        Bytes, about.
    levels : list of str
        The columns of factors.
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
    levels: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """It as data that JSON has."""
        return asdict(self)

    def __str__(self) -> str:
        least, most = min(self.replicates.values()), max(self.replicates.values())
        planned = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        head = (
            f"pilot       {self.pilot} replicates, {self.failed} cells failed; what it says of "
            f"replicates is good to ±{self.uncertainty:.0%}\n"
            f"replicates  {planned} of each of {len(self.replicates)} conditions\n"
            f"memory      {_size(self.memory)}\n"
            f"store       {_size(self.store)}"
        )
        tables = {name: getattr(self, name) for name in ("metrics", "comparisons", "strategies")}
        shown = [table.text() for table in section_tables(tables, self.levels)]
        return "\n\n".join([head, *shown])


def plan(
    experiment: ExperimentSpec,
    host: Host,
    *,
    pilot: int,
    targets: Targets,
    strategies: Sequence[str | object] | None,
) -> Plan:
    """Run a pilot; see :meth:`crystallize.Experiment.plan`."""
    own = run_pilot(experiment, host, pilot)
    needs = Needs(experiment, own.result, targets)
    replicates = needs.replicates()
    rows = [own.row(replicates), *others(experiment, host, own, replicates, strategies)]
    values = {name: _bytes_of(own.result, name) * n for name, n in replicates.items()}
    cell_seconds = max(own.each / len(replicates), 1e-9)
    together = min(LONGEST, max(1, Capabilities.of(host.executor).block_seconds / cell_seconds))
    arrays = max(map(len, own.result.metrics.values()))
    records = sum(ceil(n / together) for n in replicates.values())
    return Plan(
        pilot=pilot,
        failed=len(own.result.errors),
        uncertainty=numbers.uncertainty(pilot),
        replicates=replicates,
        metrics=needs.metrics,
        comparisons=needs.comparisons,
        strategies=rows,
        memory=round(sum(values.values())),
        store=round(sum(values.values()) + records * (RECORD_BYTES + arrays * ARRAY_BYTES)),
        levels=list(next(iter(needs.columns.values()))),
    )


def _bytes_of(result: Result, condition: str) -> float:
    """What one replicate of a condition takes."""
    done = result.done[condition]
    total = 0.0
    for values in result.metrics[condition].values():
        total += values.nbytes
        if values.dtype == object:
            total += sum(map(sys.getsizeof, values.tolist()))
    return 1 + total / len(done)


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
