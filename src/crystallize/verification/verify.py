"""Running the first replicates of an experiment in every way there is, and comparing them."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Sequence
from dataclasses import replace

from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.errors import ExecutorError, PluginError
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.verification.certificate import Certificate, CertificateRow, Difference
from crystallize.verification.comparing import Comparison, compared
from crystallize.verification.runs import Runs
from crystallize.verification.study import Study
from crystallize.verification.ways import installed_ways, own_way
from crystallize.verification.why import why_not_the_same

HASH_SEEDS = (1, 2)
"""What ``PYTHONHASHSEED`` is set to: with one, a small set may be in the same order by chance."""


def verify(
    experiment: ExperimentSpec,
    host: Host,
    *,
    strategies: Sequence[str | object] | None,
    replicates: int,
    tolerance: float = 0.0,
    study: Study | None = None,
) -> Certificate:
    """Run the first replicates in several ways; see :meth:`crystallize.Experiment.verify`.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins, of which only what they give to workers takes part.
    strategies : sequence of (str or object) or None
    replicates : int
    tolerance : float
    study : Study, optional
        What somebody else has, which all ways are compared with.

    Raises
    ------
    CrystallizeError
        If nothing could be run at all.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # Or else each process that an engine starts would verify too, and start others.
        raise ExecutorError(
            "This program's file is executed again by a worker process of an engine. Put what "
            "runs below if __name__ == '__main__':"
        )
    runs = Runs(
        replace(experiment, replicates=replicates, own_replicates={}, until=(), shard=None), host
    )
    if study is None:
        _run_everywhere(runs, experiment, host, strategies)
    else:
        runs.made.append((study.row(replicates), study.result))
        _run_again(runs, experiment, host, strategies)
    if len(runs.made) < 2 and runs.failures:
        raise runs.failures[0]
    whole = max(experiment.replicates_of.values()) if study is None else study.replicates
    certificate = _certificate(runs, of=whole, tolerance=tolerance, study=study)
    if certificate.difference is None:
        for category, message in runs.told.items():
            warnings.warn(message, category, stacklevel=3)  # the line that calls Experiment.verify
    return certificate


def _run_everywhere(
    runs: Runs, experiment: ExperimentSpec, host: Host, strategies: Sequence[str | object] | None
) -> None:
    """Twice under the experiment's own strategy, or the first that is named, then the others."""
    ways, runs.not_tried = installed_ways(experiment, host, strategies)
    if strategies is not None and not ways:
        raise _none_of_them(runs)
    first = own_way(host) if strategies is None else ways[0]
    for way in [first, first, *(way for way in ways if not way.is_same(first))]:
        runs.under(way)
    for hash_seed in HASH_SEEDS:
        runs.in_fresh_process(hash_seed)


def _run_again(
    runs: Runs, experiment: ExperimentSpec, host: Host, strategies: Sequence[str | object] | None
) -> None:
    """Once under the experiment's own strategy, or under those that are named."""
    if strategies is None:
        runs.under(own_way(host))
        return
    ways, runs.not_tried = installed_ways(experiment, host, strategies)
    if not ways:
        raise _none_of_them(runs)
    for way in ways:
        runs.under(way)


def _none_of_them(runs: Runs) -> PluginError:
    why = "; ".join(f"{other.strategy}: {other.why}" for other in runs.not_tried)
    return PluginError(f"strategies: none of them can be had. {why}".strip())


def _certificate(runs: Runs, *, of: int, tolerance: float, study: Study | None) -> Certificate:
    """Compare everything with the first."""
    experiment = runs.experiment
    (reference, expected), *others = runs.made
    rows, difference = [reference], None
    cells = len(experiment.conditions) * experiment.replicates
    for row, result in others:
        found = compared(expected, result, experiment.replicates, tolerance)
        cells = found.cells
        rows.append(replace(row, same=found.first is None))
        if difference is None and found.first is not None:
            difference = _difference(reference, row, found)
            why = (
                why_not_the_same(runs, tolerance)
                if study is None
                else study.why(experiment, result)
            )
            difference = replace(difference, why=why)
    return Certificate(
        experiment=experiment.name,
        seed=experiment.seed,
        replicates=experiment.replicates,
        of=of,
        conditions=tuple(experiment.conditions),
        cells=cells,
        failed=_failed(expected, experiment.replicates),
        rows=tuple(rows),
        not_tried=tuple(dict.fromkeys(runs.not_tried)),
        difference=difference,
        tolerance=tolerance,
        against=None if study is None else str(study.path),
        versions=versions(),
    )


def _difference(reference: CertificateRow, row: CertificateRow, found: Comparison) -> Difference:
    assert found.first is not None
    condition, replicate, metric, one, other = found.first
    name = f"{row.name} again" if row.name == reference.name else row.name
    ways = (reference.name, name)
    return Difference(condition, replicate, metric, ways, (one, other), found.differing)


def _failed(result: Result, replicates: int) -> int:
    return sum(error.replicate < replicates for error in result.errors)
