"""A pilot under one strategy: what came of it, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from crystallize.description.spec import ExperimentSpec
from crystallize.errors import CrystallizeError
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.verification.certificate import CertificateRow
from crystallize.verification.runs import Runs
from crystallize.verification.ways import Way, installed_ways, own_way

PROBE_SECONDS, MOST = 1.0, 20_000
"""How long each strategy is timed, more or less, and with how many replicates at the most."""
SHORTEST_SECONDS = 0.2
"""A pilot that took less is too short to say how long a replicate takes."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Timed:
    """What came of some replicates, and how long they took.

    Attributes
    ----------
    way : Way
    workers : int or None
    result : Result
    first : float
        Seconds that one replicate of each condition took, with all that there is to begin with.
    each : float
        Seconds for each further one.
    """

    way: Way
    workers: int | None
    result: Result
    first: float
    each: float

    @property
    def for_a_probe(self) -> int:
        """How many replicates are enough to say how long each takes."""
        return min(MOST, max(2, ceil(PROBE_SECONDS / max(self.each, 1e-9))))

    def row(self, replicates: Mapping[str, int]) -> Row:
        """How long so many replicates would take."""
        rounds = sum(replicates.values()) / len(replicates)
        return {
            **_named(self.way.strategy, self.way.options, self.way.distribution),
            "workers": self.workers,
            "start": self.first,
            "seconds": self.first + self.each * (rounds - 1),
            "note": None,
        }


def pilot(experiment: ExperimentSpec, host: Host, replicates: int) -> Timed:
    """Run the first replicates under the experiment's own strategy.

    Raises
    ------
    CrystallizeError
        If it cannot run them.
    """
    way = own_way(host)
    _run(experiment, host, way, 1)  # what is loaded and built once is not to be timed
    made, result = _run(experiment, host, way, replicates)
    own = _timed(experiment, host, way, (made, result))
    if own.each * replicates >= SHORTEST_SECONDS:
        return own
    again = _timed(experiment, host, way, _run(experiment, host, way, own.for_a_probe))
    return replace(again, result=result)


def others(
    experiment: ExperimentSpec,
    host: Host,
    own: Timed,
    replicates: Mapping[str, int],
    only: Sequence[str | object] | None,
) -> Iterator[Row]:
    """How long so many replicates would take under the other strategies that are installed."""
    ways, not_tried = installed_ways(experiment, host, only, workers=())
    for way in ways:
        if way.is_same(own.way):
            continue
        try:
            probe = _run(experiment, host, way, own.for_a_probe)
            yield _timed(experiment, host, way, probe).row(replicates)
        except CrystallizeError as error:
            yield _not_had(way.strategy, way.options, way.distribution, str(error))
    for other in not_tried:
        yield _not_had(other.strategy, {}, other.distribution, other.why)


def _run(
    experiment: ExperimentSpec, host: Host, way: Way, replicates: int
) -> tuple[CertificateRow, Result]:
    """Run the first replicates, without anything that is done with what comes of them."""
    runs = Runs(
        replace(experiment, replicates=replicates, own_replicates={}, until=(), shard=None), host
    )
    runs.under(way)
    if runs.failures:
        raise runs.failures[0]
    return runs.made[0]


def _timed(
    experiment: ExperimentSpec, host: Host, way: Way, made: tuple[CertificateRow, Result]
) -> Timed:
    """Say of some replicates that were run how long each takes, by what a single one does."""
    row, result = made
    first = _run(experiment, host, way, 1)[0].seconds or 0.0
    more = max(0.0, (row.seconds or 0.0) - first)
    return Timed(way, row.workers, result, first, more / max(1, result.replicates - 1))


def _named(strategy: str, options: Mapping[str, Any], distribution: str | None) -> Row:
    chosen = ", ".join(f"{name}={value}" for name, value in options.items())
    return {"strategy": strategy, "options": chosen or None, "distribution": distribution}


def _not_had(strategy: str, options: Mapping[str, Any], distribution: str | None, why: str) -> Row:
    unknown = dict.fromkeys(("workers", "start", "seconds"))
    return {**_named(strategy, options, distribution), **unknown, "note": why}
