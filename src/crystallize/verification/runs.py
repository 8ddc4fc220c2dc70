"""One way to run an experiment's cells, without anything that is done with what comes of them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.contracts import Capabilities
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import (
    CrystallizeError,
    CrystallizeWarning,
    GlobalRandomWarning,
    SharedStateWarning,
    WorkerDiffersError,
)
from crystallize.hookspecs import hookimpl
from crystallize.installed.catalog import Catalog
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.run import pumps
from crystallize.run.engine import check_executor
from crystallize.run.resources import contexts_of_plugins, worker_contexts
from crystallize.run.run import Run
from crystallize.verification.certificate import FRESH_PROCESS, CertificateRow, NotTried
from crystallize.verification.comparing import digest
from crystallize.verification.fresh_process import run_in_fresh_process
from crystallize.verification.ways import Way

WITH_RESULT = "What had finished is on this exception as .result."

REASONS = (GlobalRandomWarning, SharedStateWarning)
"""What there is a warning of that explains why numbers differ."""


class Runs:
    """What was run so far, and what could not be.

    Parameters
    ----------
    experiment : ExperimentSpec
        Of as many replicates as are to be run.
    host : Host
        Its plugins, of which only what they give to workers takes part.

    Attributes
    ----------
    experiment : ExperimentSpec
    made : list of (CertificateRow, Result)
    not_tried : list of NotTried
    failures : list of CrystallizeError
        Why what could not be run was not.
    told : dict of type to str
        The warnings that say why numbers can differ.
    """

    def __init__(self, experiment: ExperimentSpec, host: Host) -> None:
        self.experiment = replace(
            experiment,
            keep="values",
            store=None,
            retry_failed=False,
            accept_changes=False,
            on_error="collect",
            max_failures=None,
            time_limit=None,
            progress=False,
            log=None,
        )
        self.made: list[tuple[CertificateRow, Result]] = []
        self.not_tried: list[NotTried] = []
        self.failures: list[CrystallizeError] = []
        self.told: dict[type[Warning], str] = {}
        self._contexts = partial(worker_contexts, experiment, host)
        self._plugins = [_GivesToWorkers(make) for _, make in contexts_of_plugins(experiment, host)]
        self._hash_seed = _hash_seed()  # before an engine sets it for processes of its own

    def under(self, way: Way) -> None:
        """Run it under a strategy."""
        row = CertificateRow(
            strategy=way.strategy,
            options=way.options,
            distribution=way.distribution,
            version=way.version,
            hash_seed=self._hash_seed,
        )
        self._make(row, partial(self._run, way))

    def in_fresh_process(self, hash_seed: int) -> None:
        """Run it in an interpreter of its own."""
        row = CertificateRow(strategy=FRESH_PROCESS, workers=1, hash_seed=str(hash_seed))
        self._make(row, partial(self.afresh, hash_seed))

    def afresh(self, hash_seed: int) -> Result:
        """What comes of it in an interpreter of its own.

        Raises
        ------
        CrystallizeError
        """
        return run_in_fresh_process(self.experiment, self._contexts(), hash_seed)

    def _make(self, row: CertificateRow, run: Callable[[], Result]) -> None:
        began = perf_counter()
        try:
            with self._watched():
                result = run()
        except CrystallizeError as error:
            self.failures.append(error)
            why = str(error).removesuffix(WITH_RESULT).strip(" .")
            differs = isinstance(error, WorkerDiffersError)
            self.not_tried.append(NotTried(row.name, row.distribution, row.version, why, differs))
            return
        row = replace(
            row,
            workers=result.provenance.get("execution", {}).get("workers", row.workers),
            digest=digest(result, self.experiment.replicates),
            seconds=perf_counter() - began,
        )
        self.made.append((row, result))

    def _run(self, way: Way) -> Result:
        host = Host(
            executor=way.executor,
            plugins=self._plugins,
            defaults=(_Collects(),),
            catalog=Catalog(()),
        )
        host.executor_name = way.strategy  # an object has the name of its class
        experiment = self.experiment
        capabilities = Capabilities.of(host.executor)
        if not (capabilities.can_cancel or capabilities.calls_are_async):
            experiment = replace(experiment, timeout=None)  # nobody could end a cell
        check_executor(way.strategy, capabilities, experiment)
        return pumps.run(Run(experiment, host))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Keep the warnings that say why numbers differ; others go where they went."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", CrystallizeWarning)  # also where they are errors
            shown = warnings.showwarning

            def show(message: Any, category: type[Warning], *args: Any, **kwargs: Any) -> None:
                if issubclass(category, REASONS):
                    self.told[category] = str(message)
                else:
                    shown(message, category, *args, **kwargs)

            warnings.showwarning = show
            yield


class _GivesToWorkers:
    """What one of the experiment's plugins opens in workers."""

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


def _hash_seed() -> str:
    if not sys.flags.hash_randomization:
        return "0"
    return os.environ.get("PYTHONHASHSEED") or "random"
