"""Running the first replicates of an experiment in every way there is, and comparing them."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.contracts import Capabilities
from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.errors import CrystallizeError, ExecutorError, GlobalRandomWarning, PluginError
from crystallize.hookspecs import hookimpl
from crystallize.installed.catalog import Catalog
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.run import pumps
from crystallize.run.engine import check_executor
from crystallize.run.resources import contexts_of_plugins, worker_contexts
from crystallize.run.run import Run
from crystallize.verification.certificate import (
    FRESH_PROCESS,
    Certificate,
    Difference,
    NotTried,
    Trial,
)
from crystallize.verification.comparing import compared, digest
from crystallize.verification.fresh_process import run_in_fresh_process
from crystallize.verification.study import Study
from crystallize.verification.ways import Way, installed_ways, own_way

HASH_SEEDS = (1, 2)
"""What ``PYTHONHASHSEED`` is set to: with one, a small set may be in the same order by chance."""

WITH_RESULT = "What had finished is on this exception as .result."


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
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # Or else each process that an engine starts would verify too, and start others.
        raise ExecutorError(
            "This program's file is executed again by a worker process of an engine. Put what "
            "runs below if __name__ == '__main__':"
        )
    runs = _Runs(_few(experiment, replicates), host)
    own = own_way(host)
    ways: list[Way] = []
    if strategies is not None or study is None:
        ways, runs.not_tried = installed_ways(experiment, host, strategies)
    if strategies is not None and not ways:
        missing = "; ".join(f"{other.strategy}: {other.why}" for other in runs.not_tried)
        raise PluginError(f"strategies: none of them can be had. {missing}".strip())
    # Twice under one: the experiment's own way, or else the first of those that are asked for.
    first = own if strategies is None else ways[0] if ways else None
    attempts: list[tuple[Trial, Callable[[], Result]]] = []
    if first is not None:
        others = [way for way in ways if not _is_same(way, first)]
        again = [first] if study is None else []
        attempts += [runs.under(way) for way in [first, *again, *others]]
    if study is None:
        attempts += [runs.in_fresh_process(hash_seed) for hash_seed in HASH_SEEDS]
    if study is not None:
        runs.tried.append(_Tried(study.trial(replicates), study.result))
    for trial, run in attempts:
        runs.make(trial, run)
    return runs.certificate(of=experiment.replicates, tolerance=tolerance, study=study)


@dataclass(frozen=True)
class _Tried:
    trial: Trial
    result: Result


class _Runs:
    """What was run so far, and what could not be."""

    def __init__(self, experiment: ExperimentSpec, host: Host) -> None:
        self.tried: list[_Tried] = []
        self.not_tried: list[NotTried] = []
        self._experiment = experiment
        self._contexts = partial(worker_contexts, experiment, host)
        self._plugins = [_GivesToWorkers(make) for _, make in contexts_of_plugins(experiment, host)]
        self._hash_seed = _hash_seed()  # before an engine sets it for processes of its own
        self._failures: list[CrystallizeError] = []
        self._drawn: str | None = None

    def under(self, way: Way) -> tuple[Trial, Callable[[], Result]]:
        """How to run it under a strategy."""
        trial = Trial(
            strategy=way.strategy,
            options=way.options,
            distribution=way.distribution,
            version=way.version,
            hash_seed=self._hash_seed,
        )
        return trial, partial(self._run, way)

    def in_fresh_process(self, hash_seed: int) -> tuple[Trial, Callable[[], Result]]:
        """How to run it in an interpreter of its own."""
        trial = Trial(strategy=FRESH_PROCESS, workers=1, hash_seed=str(hash_seed))
        return trial, partial(self._run_afresh, hash_seed)

    def make(self, trial: Trial, run: Callable[[], Result]) -> None:
        """Run it, or note why that cannot be."""
        began = perf_counter()
        try:
            with self._warnings():
                result = run()
        except CrystallizeError as error:
            self._failures.append(error)
            why = str(error).removesuffix(WITH_RESULT).strip()
            self.not_tried.append(NotTried(trial.name, trial.distribution, trial.version, why))
            return
        seconds = perf_counter() - began
        execution = result.provenance.get("execution", {})
        made = replace(
            trial,
            workers=execution.get("workers", trial.workers),
            digest=digest(result, self._experiment.replicates),
            seconds=seconds,
        )
        self.tried.append(_Tried(made, result))

    def certificate(self, *, of: int, tolerance: float, study: Study | None) -> Certificate:
        """Compare everything with the first.

        Raises
        ------
        CrystallizeError
            If nothing could be run at all.
        """
        if len(self.tried) < 2 and self._failures:
            raise self._failures[0]
        reference, *others = self.tried
        experiment = self._experiment
        trials, differences = [reference.trial], []
        cells = len(experiment.conditions) * experiment.replicates
        for other in others:
            found = compared(reference.result, other.result, experiment.replicates, tolerance)
            cells = found.cells
            trials.append(replace(other.trial, same=found.first is None))
            if found.first is not None:
                condition, replicate, metric, *values = found.first
                ways = (reference.trial.name, self._name(other))
                place = (condition, replicate, metric, ways, tuple(values), found.differing)
                differences.append(Difference(*place))
        first = differences[0] if differences else None
        if first is not None:
            why = study.why(others[0].result) if study is not None else self._why(tolerance)
            first = replace(first, why=why)
        replicates = experiment.replicates
        failed = sum(error.replicate < replicates for error in reference.result.errors)
        return Certificate(
            experiment=experiment.name,
            seed=experiment.seed,
            replicates=replicates,
            of=of,
            conditions=tuple(experiment.conditions),
            cells=cells,
            failed=failed,
            trials=tuple(trials),
            not_tried=tuple(self.not_tried),
            difference=first,
            tolerance=tolerance,
            against=None if study is None else str(study.path),
            versions=versions(),
        )

    def _name(self, tried: _Tried) -> str:
        is_again = tried.trial.name == self.tried[0].trial.name
        return f"{tried.trial.name} again" if is_again else tried.trial.name

    def _run(self, way: Way) -> Result:
        host = Host(
            executor=way.executor,
            plugins=self._plugins,
            defaults=(_Collects(),),
            catalog=Catalog(()),
        )
        experiment = self._experiment
        capabilities = Capabilities.of(host.executor)
        if not (capabilities.can_cancel or capabilities.calls_are_async):
            experiment = replace(experiment, timeout=None)  # nobody could end a cell
        check_executor(way.strategy, capabilities, experiment)
        return pumps.run(Run(experiment, host))

    def _run_afresh(self, hash_seed: int) -> Result:
        return run_in_fresh_process(self._experiment, self._contexts(), hash_seed)

    @contextmanager
    def _warnings(self) -> Iterator[None]:
        """Keep what says why numbers differ; the rest goes where it went."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", GlobalRandomWarning)
            shown = warnings.showwarning

            def show(message: Any, category: type[Warning], *args: Any, **kwargs: Any) -> None:
                if issubclass(category, GlobalRandomWarning):
                    self._drawn = str(message)
                else:
                    shown(message, category, *args, **kwargs)

            warnings.showwarning = show
            yield

    def _why(self, tolerance: float) -> str | None:
        """Why the ways differ, found out by what agrees with what."""
        if self._drawn is not None:
            return self._drawn
        afresh = {
            tried.trial.hash_seed: tried.result
            for tried in self.tried
            if tried.trial.strategy == FRESH_PROCESS
        }
        seeds = [str(seed) for seed in HASH_SEEDS]
        if not afresh.keys() >= set(seeds):
            return None

        def same(one: Result, other: Result) -> bool:
            return compared(one, other, self._experiment.replicates, tolerance).first is None

        try:
            again = self._run_afresh(HASH_SEEDS[0])
        except CrystallizeError:
            return None
        if not same(afresh[seeds[0]], again):
            return (
                "two fresh processes differ although everything is the same there: it draws from a "
                "generator that is not seeded (ask for 'rng'), or reads the clock, a file or the "
                "network"
            )
        if not all(same(afresh[seeds[0]], afresh[seed]) for seed in seeds[1:]):
            return (
                "it depends on PYTHONHASHSEED: sets and hashes of text are in another order in "
                "another process; sort what you iterate over"
            )
        own, second = self.tried[:2]
        if own.trial.name == second.trial.name and not same(own.result, second.result):
            return (
                "run twice in one process it differs, and in fresh processes it does not: a cell "
                "changes what another one reads (a counter, a cache, an attribute of a module)"
            )
        if not same(own.result, again):
            return (
                "in another process it reaches other values than in this program: something that "
                "was set or changed here after its module was imported, or the hash seed"
            )
        return (
            "where cells run one after another it is the same: cells that run at once, or in "
            "another order, change what others read"
        )


class _GivesToWorkers:
    """What one of the experiment's plugins opens in workers: all of it that takes part."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @hookimpl
    def worker_context(self) -> Callable[[], Any]:
        return self._make


class _Collects:
    """Makes the result, as no aggregator takes part."""

    @hookimpl(trylast=True)
    def aggregate_results(self, experiment: ExperimentSpec, outcomes: Outcomes) -> Result:
        return Result.of_outcomes(outcomes, experiment.baseline)


def _few(experiment: ExperimentSpec, replicates: int) -> ExperimentSpec:
    """The experiment with few replicates, all of which are run, and nothing kept."""
    return replace(
        experiment,
        replicates=replicates,
        store=None,
        retry_failed=False,
        accept_changes=False,
        on_error="collect",
        max_failures=None,
        progress=False,
    )


def _is_same(way: Way, other: Way) -> bool:
    one, two = ((w.strategy, w.distribution, dict(w.options)) for w in (way, other))
    return one == two if other.distribution is not None else way.executor is other.executor


def _hash_seed() -> str:
    if not sys.flags.hash_randomization:
        return "0"
    return os.environ.get("PYTHONHASHSEED") or "random"
