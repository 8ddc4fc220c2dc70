"""The experiment: a function, its conditions, a number of replicates, a root seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from crystallize.errors import InvalidValueError, UnknownNameError
from crystallize.experiments import loop
from crystallize.experiments.aggregation import ResultAggregator
from crystallize.experiments.conditions import (
    checked_baseline,
    checked_conditions,
    checked_name,
    injected_names,
)
from crystallize.experiments.context import Arguments
from crystallize.experiments.described import experiment_arguments
from crystallize.experiments.driver import Driver
from crystallize.experiments.outcomes import Outcome
from crystallize.experiments.result import Result
from crystallize.experiments.seeding import root_seed
from crystallize.plugins.execution.base import (
    Traits,
    check_function,
    function_name,
    is_async,
    positive_int,
)
from crystallize.plugins.execution.event_loop import without_running_loop
from crystallize.plugins.host import Host
from crystallize.store import stored_root

OnError = Literal["collect", "raise"]


class Experiment:
    """A function to be run many times, under a few conditions, from one seed.

    The function's parameters are filled by name: its condition's parameters, and
    any of ``rng``, ``seed``, ``replicate``, ``condition`` and ``ctx`` that it asks
    for.  It returns a mapping of metrics, or one number.  Everything is checked
    here, before the first replicate.

    Parameters
    ----------
    function : callable
        Plain or coroutine function.
    conditions : mapping of str to mapping, optional
        Name -> parameters; :func:`crystallize.grid` makes every combination.
    replicates : int
        How often the function is run under each condition.
    seed : int, optional
        The root of all randomness; drawn, and kept in :attr:`seed`, if not given.
    name : str, optional
        Default: the function's name.
    baseline : str, optional
        The condition that others are compared with.  Default: the first.
    execution : str or object
        An installed strategy's name, or an executor.
    execution_options : mapping, optional
        Options of the strategy that is named.
    aggregators, plugins : sequence of (str or object)
        Names of installed ones, or objects.
    aggregator_options : mapping, optional
        Name of an aggregator -> its options.
    retries : int
        How many more times a failed cell is tried, with the same seed.
    timeout : float, optional
        Seconds that a cell may take; for strategies that can stop one.
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
        the experiment runs the rest.
    retry_failed : bool
        Run the cells again that failed according to the store.
    accept_changes : bool
        Go on with a store although function or parameters changed since.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    CrystallizeError
        One of its kinds, for anything that does not fit together.

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
        replicates: int = 1,
        seed: int | None = None,
        name: str | None = None,
        baseline: str | None = None,
        execution: str | object = "serial",
        execution_options: Mapping[str, Any] | None = None,
        aggregators: Sequence[str | object] = (),
        aggregator_options: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Sequence[str | object] = (),
        retries: int = 0,
        timeout: float | None = None,
        max_failures: float | None = None,
        on_error: OnError = "collect",
        seed_globals: bool = False,
        blas_threads: int | None = 1,
        store: str | Path | None = None,
        retry_failed: bool = False,
        accept_changes: bool = False,
        progress: bool = False,
    ) -> None:
        self.function = function
        self.conditions = checked_conditions(conditions)
        self.injected = injected_names(function, self.conditions)
        self.replicates = positive_int("replicates", replicates)
        self.store = _checked_path("store", store)
        if seed is None and self.store is not None:
            seed = stored_root(self.store)
        self.seed = root_seed(seed)
        self.name = _checked_name(name, function)
        self.baseline = checked_baseline(baseline, self.conditions)
        self.retries = _checked_retries(retries)
        self.on_error = _checked_choice("on_error", on_error, ("collect", "raise"))
        self.seed_globals = _checked_flag("seed_globals", seed_globals)
        self.blas_threads = (
            None if blas_threads is None else positive_int("blas_threads", blas_threads)
        )
        self.progress = _checked_flag("progress", progress)
        self.timeout = _checked_timeout(timeout)
        self.max_failures = _checked_max_failures(max_failures)
        self.retry_failed = _checked_flag("retry_failed", retry_failed)
        self.accept_changes = _checked_flag("accept_changes", accept_changes)
        self.execution = execution
        self.execution_options = _checked_options("execution_options", execution_options)
        self._aggregators = tuple(_checked_sequence("aggregators", aggregators))
        self._aggregator_options = _checked_options("aggregator_options", aggregator_options)
        self._plugins = tuple(_checked_sequence("plugins", plugins))
        self._host = self._new_host()
        self._check_executor(self._host)

    @classmethod
    def from_config(cls, path: str | Path, **overrides: Any) -> Experiment:
        """Make the experiment that a config file describes.

        Parameters
        ----------
        path : path
            A ``.toml`` or ``.json`` file, or ``.yaml`` where PyYAML is installed.
        **overrides
            Arguments of :class:`Experiment` to use instead of the file's.

        Raises
        ------
        ConfigError
            Listing everything that is wrong with the file.
        FunctionLookupError
            If its function cannot be found.
        """
        from crystallize.config import read_config  # the validation library is slow to import
        from crystallize.functions import find_function

        config = read_config(path)
        beside = Path(path).resolve().parent
        if "function" not in overrides:
            overrides["function"] = find_function(config.experiment.function, beside)
        return cls(**{**experiment_arguments(config, beside), **overrides})

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
        return loop.run(self._driver())

    async def arun(self) -> Result:
        """:meth:`run` for use with ``await``; the event loop goes on meanwhile."""
        return await loop.arun(self._driver())

    def stream(self) -> Iterator[Outcome]:
        """Run, giving each :class:`~crystallize.experiments.Outcome` as it completes."""
        for batch in loop.stream(self._driver(streaming=True)):
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
        condition = self.baseline if condition is None else condition
        if condition not in self.conditions:
            raise UnknownNameError("condition", condition, tuple(self.conditions))
        if isinstance(replicate, bool) or not isinstance(replicate, int) or replicate < 0:
            raise InvalidValueError("replicate", replicate, "a whole number, 0 or more")
        arguments = Arguments(self.seed, condition, self.conditions[condition], self.injected)
        if not is_async(self.function):
            return self.function(**arguments(replicate))

        async def cell() -> Any:
            return await self.function(**arguments(replicate))

        return without_running_loop(lambda: asyncio.run(cell()))

    def __repr__(self) -> str:
        return (
            f"Experiment({self.name!r}: {len(self.conditions)} conditions, "
            f"{self.replicates} replicates, seed {self.seed}, "
            f"execution {self._host.executor_name!r})"
        )

    def _driver(self, *, streaming: bool = False) -> Driver:
        return Driver(self, self._host, streaming=streaming)

    def _new_host(self) -> Host:
        return Host(
            executor=self.execution,
            executor_options=self.execution_options,
            aggregators=self._aggregators,
            aggregator_options=self._aggregator_options,
            plugins=self._plugins,
            defaults=(ResultAggregator(),),
        )

    def _check_executor(self, host: Host) -> None:
        traits = Traits.of(host.executor)
        check_function(host.executor_name, traits.functions, self.function)
        if self.timeout is not None and not (traits.can_stop or traits.calls_are_async):
            raise InvalidValueError(
                "timeout",
                self.timeout,
                f"None with {host.executor_name!r}, which cannot stop a running call; processes "
                "(executor_type='process') and 'async' can",
            )
        if self.seed_globals and traits.shares_process:
            raise InvalidValueError(
                "seed_globals",
                True,
                f"False with {host.executor_name!r}, whose cells run at once in one process and "
                "would draw from each other's generator; use processes or 'serial', or ask for "
                "'rng'",
            )


def _checked_name(name: object, function: Callable[..., Any]) -> str:
    return function_name(function) if name is None else checked_name("name", name)


def _checked_retries(retries: object) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidValueError("retries", retries, "a whole number, 0 or more")
    return retries


def _checked_choice(where: str, value: Any, choices: Sequence[str]) -> Any:
    if value not in choices:
        raise InvalidValueError(where, value, " or ".join(repr(choice) for choice in choices))
    return value


def _checked_flag(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError(where, value, "True or False")
    return value


def _checked_sequence(where: str, value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidValueError(where, value, "a list of names or objects")
    return value


def _checked_options(where: str, options: Any) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise InvalidValueError(where, options, "a mapping of names to values")
    return dict(options or {})


def _checked_path(where: str, value: Any) -> Path | None:
    if value is not None and not isinstance(value, (str, Path)):
        raise InvalidValueError(where, value, "a path")
    return None if value is None else Path(value)


def _checked_timeout(timeout: Any) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise InvalidValueError("timeout", timeout, "a number of seconds above 0")
    return float(timeout)


def _checked_max_failures(allowed: Any) -> int | float | None:
    expected = "a whole number, 0 or more, or a share of the cells between 0 and 1"
    if allowed is None or (type(allowed) is int and allowed >= 0):
        return allowed
    if not isinstance(allowed, float) or not 0 <= allowed < 1:
        raise InvalidValueError("max_failures", allowed, expected)
    return allowed
