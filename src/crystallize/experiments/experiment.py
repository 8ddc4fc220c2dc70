"""The experiment: a function, its conditions, a number of replicates, a root seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crystallize.callables import function_name
from crystallize.cells.outcome import Outcome
from crystallize.checks import (
    Faults,
    above_zero,
    each,
    factory,
    known,
    names,
    not_negative,
    optional,
    path,
    sequence,
    share,
    table,
    whole_number,
)
from crystallize.contracts import Capabilities
from crystallize.description.conditions import (
    check_generators,
    checked_baseline,
    checked_conditions,
    filled_parameters,
    read_only,
)
from crystallize.description.replicates import Replicates, given_replicates
from crystallize.description.retry import Retry
from crystallize.description.seeding import root_seed
from crystallize.description.shard import check_seeded, check_shard, filled_in
from crystallize.description.spec import RULES, ExperimentSpec, Keep, OnError, Progress, SeedRule
from crystallize.description.stream_keys import stream_keys
from crystallize.description.until import Until, check_compared
from crystallize.errors import ExecutorError
from crystallize.experiments.aggregation import ResultAggregator
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.run import pumps
from crystallize.run.engine import check_executor, check_with_plugins
from crystallize.run.replay import run_cell
from crystallize.run.resources import worker_contexts
from crystallize.run.run import Run
from crystallize.store.sqlite import stored_root
from crystallize.worker.shared_arrays import with_shared_arrays

if TYPE_CHECKING:
    from crystallize.planning.dry_run import DryRun
    from crystallize.planning.plan import Plan
    from crystallize.verification.certificate import Certificate


class Experiment:
    """A function to be run many times, under a few conditions, from one seed.

    The function's parameters are filled by name: its condition's parameters, and
    any of ``rng``, ``seed``, ``seed32``, ``replicate``, ``condition`` and ``ctx``
    that it asks for.  It returns a mapping of metrics, a dataclass or named tuple of
    them, or one number.  Everything is checked
    here, before the first replicate.

    Parameters
    ----------
    function : callable
        Plain or coroutine function.
    conditions : mapping of str to mapping, optional
        Name -> parameters; :func:`crystallize.grid` makes every combination.
    replicates : int or Until or sequence of Until or mapping
        How often the function is run under each condition; or what is to be known, and how
        precisely, for a condition to have enough of them.  A mapping gives conditions numbers
        of their own, by name or pattern, and all others what stands under ``"*"``:
        ``{"slow": 50, "*": 1000}``.
    seed : int, optional
        The root of all randomness; drawn, and kept in :attr:`seed`, if not given.
    seed_rule : {"numpy", "crystallize-ml"}
        How the stream of a replicate follows from the root: by NumPy's
        ``SeedSequence``, or with the seed ``(seed + 31337 * replicate) % 2**32`` that
        crystallize-ml 0.27 gave, for studies that began there.
    streams : sequence of str
        Factors: conditions that differ in one of them have independent streams, those that
        agree in all share theirs.  By default all conditions share them.
    name : str, optional
        Default: the function's name.
    baseline : str, optional
        The condition that others are compared with.  Default: the first.
    execution : str or object
        An installed strategy's name, ``module:attribute``, or an executor.
    execution_options : mapping, optional
        Options of the strategy that is named.
    aggregators, plugins : sequence of (str or object)
        Names of installed ones, ``module:attribute``, or objects.
    aggregator_options, plugin_options : mapping, optional
        Name of an aggregator, or of an observer among the plugins -> its options.
    block : sequence of str
        Installed plugins that are not to be used here, by name or by
        ``distribution:name``.
    resources : mapping of str to callable, optional
        Parameter of the function -> what is called once in each worker to make its
        value: a database connection, a client, a loaded model.  A context manager,
        plain or (for coroutine functions) asynchronous, is entered, and left when the
        run ends.  A worker is a thread that runs cells, or an event loop.
    retries : int, Retry or mapping
        How many more times a failed cell is tried, with the same seed; or that, after which
        time, and which exceptions.
    rate_limit : float, optional
        How many cells may begin in a second, over all workers; each try of a cell counts.
    timeout : float, optional
        Seconds that a cell may take; for strategies that can stop one.
    time_limit : float or str, optional
        For how long a run may begin cells: seconds, or text as in ``"1h30m"``.  After it a run
        ends with what there is, as :attr:`Result.provenance` says under ``"stopped"``; a run
        on its store does the rest.  Cells that run then end first where nothing can stop them;
        in processes and on an event loop they are stopped after a second.
    max_failures : int or float, optional
        How many failed cells end the run: a number, or below 1 a share of all.
    on_error : {"collect", "raise"}
        Whether failed cells are recorded, or end the run.
    seed_globals : bool
        Seed ``random`` and ``numpy.random`` before each cell; refused where
        cells run at once in one process.
    blas_threads : int, optional
        How many threads BLAS and OpenMP may use for one cell; ``None`` leaves
        them alone.  One by default, so that workers do not fight for CPUs, and
        because the number can change the last bits of a sum.
    store : path, optional
        A file in which finished cells are kept; a run on one that holds part of
        the experiment runs the rest.  ``{shard}`` in it becomes the shard's name, such as
        ``3of10``.
    shard : str, optional
        Run a part of every condition's replicates, ``"3/10"`` the third of ten, which are
        alike in size; ``"auto"`` reads which one from ``CRYSTALLIZE_SHARD``, or from the array
        job of Slurm, PBS, SGE or LSF that this process is a task of.  The stores of all shards
        are merged into one.
    retry_failed : bool
        Run the cells again that failed according to the store.
    accept_changes : bool
        Go on with a store although function or parameters changed since.
    keep_secrets : bool
        Write parameters that are named like secrets (``token``, ``api_key``, ``password``) to
        store, result and tables as they are, not as digests.
    progress : bool or "long"
        Show progress on standard error: a bar on a terminal and in a notebook, elsewhere a line
        a minute and one at the end.  With ``"long"``, only of a run that takes longer than a
        minute.
    log : path, optional
        A file to which lines with time stamps are added, made where there is none: what begins,
        how far it is each minute, the first failure of each kind, warnings, how it ended.
    keep : {"values", "summary"}
        ``"summary"`` keeps no values, but what :meth:`Result.summary` needs of them, so that
        memory does not grow with the number of replicates.  A store keeps values all the same.
    summary : mapping, optional
        What summaries say: ``statistics``, a list of names, and ``elements``, the metrics whose
        arrays are summarised element by element; see :meth:`Result.summary`.

    Raises
    ------
    CrystallizeError
        One of its kinds, for anything that does not fit together; an
        :exc:`InvalidValuesError` that lists all of it where there is more.

    Examples
    --------
    >>> from crystallize import Experiment
    >>> def trial(rng, shift):
    ...     return {"x": rng.normal() + shift}
    >>> experiment = Experiment(
    ...     trial, {"control": {"shift": 0}, "treated": {"shift": 1}}, replicates=3, seed=1
    ... )
    >>> metrics = experiment.run().metrics
    >>> (metrics["treated"]["x"] - metrics["control"]["x"]).round(6).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        conditions: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        replicates: int | Until | Sequence[Until] | Mapping[str, Any] = 1,
        seed: int | None = None,
        seed_rule: SeedRule = "numpy",
        streams: Sequence[str] = (),
        name: str | None = None,
        baseline: str | None = None,
        execution: str | object = "serial",
        execution_options: Mapping[str, Any] | None = None,
        aggregators: Sequence[str | object] = (),
        aggregator_options: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Sequence[str | object] = (),
        plugin_options: Mapping[str, Mapping[str, Any]] | None = None,
        block: Sequence[str] = (),
        resources: Mapping[str, Callable[[], Any]] | None = None,
        retries: int | Retry | Mapping[str, Any] = 0,
        rate_limit: float | None = None,
        timeout: float | None = None,
        time_limit: float | str | None = None,
        max_failures: float | None = None,
        on_error: OnError = "collect",
        seed_globals: bool = False,
        blas_threads: int | None = 1,
        store: str | Path | None = None,
        shard: str | None = None,
        retry_failed: bool = False,
        accept_changes: bool = False,
        keep_secrets: bool = False,
        progress: Progress = False,
        log: str | Path | None = None,
        keep: Keep = "values",
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        faults = Faults()
        options = faults(optional(table), "execution_options", execution_options)
        named = faults(sequence, "aggregators", aggregators)
        named_options = faults(optional(each(table)), "aggregator_options", aggregator_options)
        observers = faults(sequence, "plugins", plugins)
        observer_options = faults(optional(each(table)), "plugin_options", plugin_options)
        blocked = faults(names, "block", block)
        if not faults.found:
            self._host = faults(
                Host,
                executor=execution,
                executor_options=options,
                aggregators=named,
                aggregator_options=named_options,
                plugins=observers,
                plugin_options=observer_options,
                block=blocked,
                defaults=(ResultAggregator(),),
            )
        given = {
            "name": name,
            "seed": seed,
            "seed_rule": seed_rule,
            "streams": streams,
            "retries": retries,
            "rate_limit": rate_limit,
            "timeout": timeout,
            "time_limit": time_limit,
            "max_failures": max_failures,
            "on_error": on_error,
            "seed_globals": seed_globals,
            "blas_threads": blas_threads,
            "store": store,
            "shard": shard,
            "retry_failed": retry_failed,
            "accept_changes": accept_changes,
            "keep_secrets": keep_secrets,
            "progress": progress,
            "log": log,
            "keep": keep,
            "summary": summary,
        }
        checked = {key: faults(RULES[key], key, value) for key, value in given.items()}
        if (retry := checked.pop("retries")) is not None:
            checked["retry"] = faults(retry.imported)
        sets = faults(checked_conditions, conditions)
        numbers = Replicates()
        if sets is not None or not isinstance(replicates, Mapping):
            numbers = faults(given_replicates, replicates, sets or ()) or numbers
        made_in_workers = faults(optional(each(factory)), "resources", resources) or {}
        filled = faults(
            filled_parameters,
            function,
            sets or {},
            made_in_workers,
            plugins_offer=bool(faults.found) or self._host.implements("worker_context"),
        )
        if sets is not None:
            baseline = faults(checked_baseline, baseline, sets)
            faults(check_compared, numbers.until, sets)
        keys = {}
        if sets is not None and checked["streams"]:
            keys = faults(stream_keys, checked["streams"], sets, checked["seed_rule"])
        faults.raise_any()
        if checked["name"] is None:
            checked["name"] = function_name(function)
        for name in ("store", "log"):
            if (place := checked[name]) is not None:
                checked[name] = Path(filled_in(str(place), checked["shard"]))
        if checked["seed"] is None and checked["store"] is not None:
            checked["seed"] = stored_root(checked["store"])
        if checked["shard"] is not None:
            check_seeded(checked["shard"], checked["seed"])
        checked["seed"] = root_seed(checked["seed"])
        capabilities = Capabilities.of(self._host.executor)
        if capabilities.local_processes:
            with suppress(ExecutorError):  # no room for them: the run says so
                sets = with_shared_arrays(sets)
        self.spec = ExperimentSpec(
            function=function,
            conditions=read_only(sets),
            baseline=baseline,
            resources=made_in_workers,
            injected=filled.injected,
            offered=filled.offered,
            takes=filled.takes,
            replicates=numbers.others,
            own_replicates=MappingProxyType(numbers.own),
            until=numbers.until,
            stream_keys=keys,
            **checked,
        )
        if self.spec.shard is not None:
            check_shard(self.spec.shard, self.spec.replicates_of, numbers.until)
        check_generators(self.spec)
        check_executor(self._host.executor_name, capabilities, self.spec)
        check_with_plugins(self._host, self.spec)

    @property
    def function(self) -> Callable[..., Any]:
        """What is run."""
        return self.spec.function

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> parameters; read-only."""
        return self.spec.conditions

    @property
    def replicates(self) -> int:
        """How often the function is run under the condition that has the most replicates.

        With ``Until``, at the most.
        """
        return max(self.spec.replicates_of.values())

    @property
    def seed(self) -> int:
        """The root of all randomness."""
        return self.spec.seed

    @property
    def name(self) -> str:
        """What results, stores and messages call it."""
        return self.spec.name

    @property
    def baseline(self) -> str:
        """The condition that others are compared with."""
        return self.spec.baseline

    @classmethod
    def from_config(cls, path: str | Path, **overrides: Any) -> Experiment:
        """Make the experiment that a config file describes.

        Parameters
        ----------
        path : path
            A ``.toml`` or ``.json`` file, or ``.yaml`` where PyYAML is installed.
        **overrides
            Arguments of :class:`Experiment` to use instead of the file's.  Another
            strategy than the file's has none of the options that the file gives.

        Raises
        ------
        ConfigError
            Listing everything that is wrong with the file.
        UnknownNameError
            If there is no such argument.
        FunctionLookupError
            If its function cannot be found.
        """
        from crystallize.description.config import read_config
        from crystallize.description.from_config import all_arguments

        for name in overrides:
            known("from_config", name, "argument", list(inspect.signature(cls).parameters))
        config = read_config(path)
        beside = Path(path).resolve().parent
        return cls(**all_arguments(config, beside, overrides))

    def run(self) -> Result:
        """Run every cell and aggregate; works inside a running event loop too.

        Raises
        ------
        CellFailedError
            At the first failed cell, with ``on_error="raise"``.
        ExecutorError
            If the strategy itself fails.
        Interrupted
            After Ctrl-C.  All three have ``.result``: what had finished.
        """
        return pumps.run(self._new_run())

    async def arun(self) -> Result:
        """:meth:`run` for use with ``await``; the event loop goes on meanwhile."""
        return await pumps.arun(self._new_run())

    def stream(self) -> Generator[Outcome, None, None]:
        """Run, giving each :class:`~crystallize.experiments.Outcome` as it completes.

        Closing it ends the run; what was given is in the store, if there is one.
        """
        for batch in pumps.stream(self._new_run(streaming=True)):
            yield from batch

    def replay(self, replicate: int, condition: str | None = None) -> Any:
        """Run one cell here, with nothing caught: for a debugger.

        Parameters
        ----------
        replicate : int
            Any index, also beyond :attr:`replicates`.
        condition : str, optional
            Default: the baseline.

        Returns
        -------
        object
            What the function returns.

        Raises
        ------
        Exception
            Whatever the function raises.
        """
        spec = self.spec
        condition = spec.baseline if condition is None else condition
        known("condition", condition, "condition", spec.conditions)
        replicate = whole_number("replicate", replicate)
        return run_cell(spec, worker_contexts(spec, self._host), condition, replicate)

    def verify(
        self,
        strategies: Sequence[str | object] | None = None,
        replicates: int | None = 10,
        *,
        against: str | Path | None = None,
        tolerance: float = 0.0,
    ) -> Certificate:
        """Run the first replicates in every way there is here, and compare every byte.

        That is twice under the experiment's own strategy, then under every installed one that
        takes the function, with other options and numbers of workers, and in new
        interpreters with other values of ``PYTHONHASHSEED``.  What plugins observe, the
        store and the other things that an experiment does with its outcomes are left out.

        Parameters
        ----------
        strategies : sequence of (str or object), optional
            Names of strategies, or executors, instead of all; the first is run twice.
        replicates : int or None
            How many; ``None`` for all.
        against : path, optional
            A saved result or a store of the same experiment, which is run again, under
            its own strategy if no others are named, and compared with it.
        tolerance : float
            Two numbers are the same if they differ by at most this, or by at most this
            times the larger of the two.

        Returns
        -------
        Certificate
            Whether it is the ``same``, what was tried, what was not and why, and the
            first cell that differs; a table as text, data by ``to_dict``.

        Raises
        ------
        CrystallizeError
            For anything that does not fit, or if it cannot be run at all.

        Examples
        --------
        >>> certificate = Experiment(lambda rng: rng.normal(), seed=1).verify(["serial"])
        >>> certificate.same, certificate.cells, len(certificate.rows)
        (True, 1, 4)
        """
        from crystallize.verification.study import Study
        from crystallize.verification.verify import verify

        faults = Faults()
        faults(optional(partial(whole_number, least=1)), "replicates", replicates)
        faults(not_negative, "tolerance", tolerance)
        names = faults(optional(sequence), "strategies", strategies)
        place = faults(optional(path), "against", against)
        faults.raise_any()
        study = None if place is None else Study(place)
        if study is not None:
            study.check_same(self.spec)
        there = self.spec.fewest if study is None else study.replicates
        return verify(
            self.spec,
            self._host,
            strategies=names,
            replicates=there if replicates is None else min(replicates, there),
            tolerance=tolerance,
            study=study,
        )

    def plan(
        self,
        pilot: int = 50,
        *,
        mcse: float | None = None,
        half_width: float | None = None,
        difference: float | None = None,
        power: float = 0.8,
        alpha: float = 0.05,
        metrics: Sequence[str] = (),
        strategies: Sequence[str | object] | None = None,
    ) -> Plan:
        """Run a pilot, and say how many replicates it takes to know enough.

        The pilot's replicates are the first ones.  Without a target, it says what the
        experiment's replicates will tell.

        Parameters
        ----------
        pilot : int
            Replicates of each condition.
        mcse, half_width : float, optional
            The Monte Carlo standard error of each mean, and half the width of its interval,
            that are wanted, in the metric's unit.
        difference : float, optional
            The difference from the baseline, paired by replicate, that a two-sided t test at
            `alpha` is to find with `power`.
        metrics : sequence of str
            Those that count; all that are numbers, if there are none.
        strategies : sequence of (str or object), optional
            What is timed beside the experiment's own, instead of all that are installed: the
            first replicates are run under each, for some two seconds.

        Returns
        -------
        Plan
            As text, data by ``to_dict``.

        Raises
        ------
        CrystallizeError
            For anything that does not fit, or if the pilot cannot be run.
        """
        from crystallize.planning.needs import Targets
        from crystallize.planning.plan import plan

        faults = Faults()
        faults(partial(whole_number, least=2), "pilot", pilot)
        wanted = {"mcse": mcse, "half_width": half_width, "difference": difference}
        for key, value in wanted.items():
            faults(optional(above_zero), key, value)
        faults(share, "power", power)
        faults(share, "alpha", alpha)
        chosen = faults(names, "metrics", metrics)
        timed = faults(optional(sequence), "strategies", strategies)
        faults.raise_any()
        targets = Targets(**wanted, power=power, alpha=alpha, metrics=chosen)
        return plan(self.spec, self._host, pilot=pilot, targets=targets, strategies=timed)

    def dry_run(self) -> DryRun:
        """Say what :meth:`run` would run; nothing runs, and no file is written.

        Returns
        -------
        DryRun
            Conditions with their replicates, cells, strategy and workers, plugins, and what
            is in the store; as text, data by ``to_dict``.
        """
        from crystallize.planning.dry_run import dry_run

        return dry_run(self.spec, self._host)

    def __repr__(self) -> str:
        return (
            f"Experiment({self.name!r}: {len(self.conditions)} conditions, "
            f"{self.replicates} replicates, seed {self.seed}, "
            f"execution {self._host.executor_name!r})"
        )

    def _repr_html_(self) -> str:
        from crystallize.experiments import notebook

        return notebook.page(self.spec, self._host.executor_name)

    def _new_run(self, *, streaming: bool = False) -> Run:
        return Run(self.spec, self._host, streaming=streaming)
