"""Any executor of the :mod:`concurrent.futures` kind, by name."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from crystallize.callables import function_name
from crystallize.checks import choice, optional, seconds, table, whole_number
from crystallize.contracts import Call, Capabilities, FutureLike
from crystallize.description.lookup import find_object, is_module_attribute
from crystallize.errors import (
    CrystallizeError,
    ExecutorError,
    FunctionLookupError,
    InvalidValueError,
    described,
)
from crystallize.installed.options import Declaration, checked_options, declaration
from crystallize.located import folder_of
from crystallize.plugins.execution.base import Option
from crystallize.plugins.execution.futures import FuturesExecution
from crystallize.plugins.execution.leases import leases
from crystallize.plugins.execution.left_threads import leave_behind, submit
from crystallize.plugins.execution.shipping import Shipped

WORKER_TYPES = ("thread", "process", "remote")
MAX_WORKERS = "max_workers"
"""What executors call the number of their workers."""


def _factory(where: str, value: Any) -> Any:
    """What makes an executor, or one; looked up, where it is a name."""
    if isinstance(value, str):
        expected = "'module:attribute' of what makes a concurrent.futures.Executor"
        if not is_module_attribute(value):
            raise InvalidValueError(where, value, expected)
        try:
            value = find_object(value, folder_of(value))
        except FunctionLookupError as error:
            raise InvalidValueError(where, str(value), expected, hint=f" {error}") from error
    if callable(value) or _is_executor(value):
        return value
    raise InvalidValueError(
        where, value, "what makes a concurrent.futures.Executor, or its name, 'module:attribute'"
    )


def _is_executor(value: Any) -> bool:
    return callable(getattr(value, "submit", None)) and not isinstance(value, type)


class FactoryExecution(FuturesExecution):
    """Run replicates on any executor of the concurrent.futures kind; takes plain functions.

    Parameters
    ----------
    factory : str or callable
        What makes the executor: ``module:attribute``, looked up beside the config
        first, or the object itself.  The executor is opened for a run and shut down
        after it; one that the factory gives to several runs at once, after the last.
        An executor itself is used as it is, and left open.
    factory_options : mapping, optional
        What the factory is called with.
    workers : int, optional
        How many calls run at once.  Default: the ``max_workers`` among
        `factory_options`, or the CPUs that this process may use.  A factory that takes
        ``max_workers`` is given it.
    worker_type : {"thread", "process", "remote"}, optional
        Where calls run: in threads of this process; in other processes of this machine;
        in processes anywhere.  A process runs one call at a time.  With ``"process"``
        large arrays are shared, and ``timeout`` works: what takes too long is killed.
        Default: what is known of the standard library's executors and loky's; of any
        other nothing is, so that what cannot be right everywhere is refused.
    block_seconds : float
        How long a block of cells should take: for an engine with latency, some ten
        times of it.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, for a `factory` that is none, or a value that means nothing.
    OptionError
        If the factory does not take `factory_options`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> pool = FactoryExecution("concurrent.futures:ThreadPoolExecutor", workers=2)
    >>> pool.run_experiment_loop(SimpleNamespace(replicates=3), lambda i: i * i)
    [0, 1, 4]
    """

    factory = Option(_factory)
    factory_options: Option[Any] = Option(optional(table))
    workers = Option(optional(partial(whole_number, least=1)))
    worker_type: Option[str | None] = Option(optional(partial(choice, choices=WORKER_TYPES)))
    block_seconds = Option(seconds)

    def __init__(
        self,
        factory: str | Callable[..., Any],
        factory_options: Mapping[str, Any] | None = None,
        workers: int | None = None,
        worker_type: str | None = None,
        block_seconds: float = 0.1,
        progress: bool = False,
    ) -> None:
        super().__init__(progress)
        self.factory = factory
        self.factory_options = {} if factory_options is None else factory_options
        self.workers = workers
        self.worker_type = worker_type
        self.block_seconds = block_seconds
        self._check_options()

    @property
    def capabilities(self) -> Capabilities:
        kind = self._kind
        return Capabilities(
            workers=self._workers,
            shares_process=kind not in ("process", "remote"),
            block_seconds=self.block_seconds,
            can_cancel=kind == "process",
            local_processes=kind == "process",
        )

    @contextmanager
    def submitter(self, call: Call, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        with self._executor() as executor:
            if self.calls_run_here:
                with _EndedWhenLeft(partial(submit, executor, call)) as ending:
                    yield ending.submit
                return
            through = Shipped(call).through(
                executor.submit, self._workers, local_processes=self._kind == "process"
            )
            with _EndedWhenLeft(through) as ending:
                yield ending.submit

    def cancel_running(self, future: Any) -> bool:
        return bool(future.kill())

    def running_seconds(self, future: Any) -> float | None:
        return future.running_seconds()  # type: ignore[no-any-return]

    @property
    def calls_run_here(self) -> bool:
        """Whether its workers are threads."""
        return self._kind == "thread"

    @property
    def _kind(self) -> str | None:
        return self.worker_type or _known_type(self.factory)

    @property
    def _workers(self) -> int:
        if self.workers is not None:
            return self.workers
        given = self.factory_options.get(MAX_WORKERS)
        if given is not None:
            return int(given)
        from loky import cpu_count

        return int(cpu_count())

    def _check_options(self) -> None:
        """Hold the options against each other, and against what the factory takes.

        Raises
        ------
        InvalidValueError, OptionError
        """
        given = self.factory_options.get(MAX_WORKERS)
        if given is not None:
            whole_number(f"factory_options.{MAX_WORKERS}", given, least=1)
            if self.workers not in (None, given):
                raise InvalidValueError(
                    "workers", self.workers, f"{given}, as factory_options.{MAX_WORKERS} has it"
                )
        if _is_executor(self.factory):
            if self.factory_options:
                raise InvalidValueError(
                    "factory_options", self.factory_options, "none: the executor is there already"
                )
        else:
            checked_options(f"factory {self._factory_name}", self._declared(), self._arguments())
        knows_workers = self.workers is not None or given is not None
        if not knows_workers and MAX_WORKERS not in self._declared().options:
            raise InvalidValueError(
                "workers",
                None,
                f"how many calls {self._factory_name} runs at once, which takes no max_workers",
            )

    def _declared(self) -> Declaration:
        if _is_executor(self.factory):
            return Declaration({})
        return declaration(self.factory)

    def _arguments(self) -> dict[str, Any]:
        given: dict[str, Any] = dict(self.factory_options)
        if MAX_WORKERS in self._declared().options:
            given.setdefault(MAX_WORKERS, self._workers)
        return given

    @property
    def _factory_name(self) -> str:
        made = self.factory
        if isinstance(made, functools.partial):
            made = made.func
        return function_name(made) if callable(made) else type(made).__name__

    @contextmanager
    def _executor(self) -> Iterator[Any]:
        """The executor for a run, shut down when it is left."""
        if _is_executor(self.factory):
            yield self.factory
            return
        executor = leases.take(self._made, self._factory_name)
        try:
            yield executor
        except BaseException:
            leases.give_back(executor, hurry=True)
            leave_behind(executor)
            raise
        leases.give_back(executor, hurry=False)

    def _made(self) -> Any:
        try:
            executor = self.factory(**self._arguments())
        except CrystallizeError:
            raise
        except Exception as error:
            raise ExecutorError(
                f"The factory {self._factory_name} could not make an executor: {described(error)}"
            ) from error
        if not (_is_executor(executor) and callable(getattr(executor, "shutdown", None))):
            raise ExecutorError(
                f"The factory {self._factory_name} gave {type(executor).__name__}, which is no "
                "concurrent.futures.Executor: it has no submit and shutdown. Name another."
            )
        return executor


class _EndedWhenLeft:
    """Submits tasks; those that are not over when it is left are cancelled, or killed.

    Parameters
    ----------
    submit : callable
    """

    def __init__(self, submit: Callable[[Any], Any]) -> None:
        self._submit = submit
        self._futures: weakref.WeakSet[Any] = weakref.WeakSet()

    def __enter__(self) -> _EndedWhenLeft:
        return self

    def __exit__(self, *error: object) -> None:
        # All of them first: what waits must not take the place of what is killed.
        for future in [future for future in self._futures if not future.done()]:
            future.cancel()
        for future in self._futures:
            if not future.done() and hasattr(future, "kill"):
                future.kill()

    def submit(self, task: Any) -> Any:
        """Submit a task."""
        future = self._submit(task)
        self._futures.add(future)
        return future


def _known_type(factory: Any) -> str | None:
    """What is known of the workers of an executor, without opening one."""
    if isinstance(factory, functools.partial):
        factory = factory.func
    kind = factory if isinstance(factory, type) else type(factory)
    if issubclass(kind, ProcessPoolExecutor) or _is_lokys(factory) or _is_lokys(kind):
        return "process"
    # That with an interpreter for each thread is a subclass, and pickles what it is given.
    return "thread" if kind is ThreadPoolExecutor else None


def _is_lokys(factory: Any) -> bool:
    return str(getattr(factory, "__module__", "")).partition(".")[0] == "loky"
