"""The contract of an executor, and the loop that every streaming executor inherits."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from crystallize.errors import (
    CrystallizeError,
    FunctionKindError,
    InvalidValueError,
    PluginError,
    described,
)
from crystallize.hookspecs import hookimpl

FunctionKind = Literal["sync", "async"]

SYNC: frozenset[FunctionKind] = frozenset({"sync"})
ASYNC: frozenset[FunctionKind] = frozenset({"async"})
SYNC_AND_ASYNC = SYNC | ASYNC

named_tuple: Any = tuple.__new__
"""Makes a named tuple in half the time of its own constructor: ``named_tuple(Row, (1, 2))``."""

TICK = 0.1
"""Seconds without a completion after which an executor yields ``None``."""


class HasReplicates(Protocol):
    """All that an executor used on its own asks of an experiment."""

    @property
    def replicates(self) -> int: ...


class Completion(NamedTuple):
    """One task that is over: its value, or what went wrong in the transport.

    Attributes
    ----------
    task : object
        What ``next_task()`` gave.
    value : object
        What ``call(task)`` returned.
    error : BaseException or None
        Why there is no value: a worker died, or the value would not travel.
    """

    task: Any
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Traits:
    """What an executor can do, read from its attributes.

    Attributes
    ----------
    functions : frozenset of {"sync", "async"}
        Which functions it takes.  Default: plain ones.
    shares_process : bool
        Whether two cells may run at once in one process (threads, an event
        loop).  Default, for an executor that does not say: true.
    workers : int
        How many tasks run at once.  Default: 1.
    single_cell : bool
        Whether a block must be one cell.  Default: false.
    can_stop : bool
        Whether ``stop(task)`` ends a running task, whose completion then comes
        with an error, and ``elapsed(task)`` tells for how many seconds it has
        been running, or ``None``.  Default: whether it has ``stop``.
    local_processes : bool
        Whether cells run in other processes of this machine, which can map a
        file: large arrays among the parameters are then one copy for all.
        Default: false.
    draws_global_random : bool
        Whether the engine itself draws from Python's global generator beside
        the cells, so that a change of it proves nothing.  Default: false.
    """

    functions: frozenset[FunctionKind]
    shares_process: bool
    workers: int
    single_cell: bool
    can_stop: bool
    local_processes: bool
    draws_global_random: bool

    @property
    def calls_are_async(self) -> bool:
        """Whether it is given a coroutine function to call: it takes no others."""
        return "sync" not in self.functions

    @classmethod
    def of(cls, executor: object) -> Traits:
        """Read the traits of `executor`.

        Raises
        ------
        PluginError
            If an attribute has a value that means nothing.
        """
        try:
            functions = frozenset(getattr(executor, "functions", SYNC))
            workers = getattr(executor, "workers", 1)
        except CrystallizeError:
            raise
        except Exception as error:
            raise PluginError(
                f"What {type(executor).__name__} can do cannot be read from its attributes: "
                f"{described(error)}"
            ) from error
        if not functions or not functions <= SYNC_AND_ASYNC:
            raise PluginError(
                f"{type(executor).__name__}.functions is {set(functions)!r}; "
                "it must hold 'sync', 'async' or both."
            )
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise PluginError(
                f"{type(executor).__name__}.workers is {workers!r}; it must be a whole number, "
                "1 or more."
            )
        return cls(
            functions=functions,
            shares_process=bool(getattr(executor, "shares_process", True)),
            workers=workers,
            single_cell=bool(getattr(executor, "single_cell", False)),
            can_stop=bool(getattr(executor, "can_stop", hasattr(executor, "stop"))),
            local_processes=bool(getattr(executor, "local_processes", False)),
            draws_global_random=bool(getattr(executor, "draws_global_random", False)),
        )


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def function_name(function: object) -> str:
    """What messages call `function`."""
    return getattr(function, "__qualname__", None) or repr(function)


def check_function(
    executor: str, functions: frozenset[FunctionKind], function: Callable[..., Any]
) -> None:
    """Refuse a function of a kind that an executor does not take.

    Raises
    ------
    FunctionKindError
        A :exc:`TypeError` that names the strategies in the box that take it.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise FunctionKindError(
            f"{function_name(function)} is a generator function; a replicate's function returns "
            "its metrics once."
        )
    if is_async(function) and "async" not in functions:
        raise FunctionKindError(
            f"{executor} takes plain functions, and {function_name(function)} is a coroutine "
            "function. AsyncExecution (strategy 'async') runs many at once; "
            "SerialExecution (strategy 'serial') runs one after another."
        )
    if not is_async(function) and "sync" not in functions:
        raise FunctionKindError(
            f"{executor} takes coroutine functions, and {function_name(function)} is a plain "
            "function. SerialExecution (strategy 'serial') and ParallelExecution "
            "(strategy 'parallel') take it; or define it with 'async def'."
        )


def positive_int(where: str, value: object) -> int:
    """Return `value` as an int of 1 or more.

    Raises
    ------
    InvalidValueError
        For anything else, booleans included.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidValueError(where, value, "a whole number, 1 or more")
    number = value.__index__()
    if number < 1:
        raise InvalidValueError(where, value, "a whole number, 1 or more")
    return int(number)


def attempt(call: Callable[[Any], Any], task: Any) -> Completion:
    """Call here and now; an exception becomes the completion's error."""
    try:
        return Completion(task, call(task))
    except Exception as error:
        return Completion(task, error=error)


class LoopResults:
    """The list that ``run_experiment_loop`` returns, filled as replicates complete."""

    def __init__(self, executor: Execution, experiment: HasReplicates) -> None:
        self.values: list[Any] = [None] * experiment.replicates
        self._indices = iter(range(experiment.replicates))
        self._bar = None
        if executor.progress:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=experiment.replicates, unit="replicate")

    def next_index(self) -> int | None:
        return next(self._indices, None)

    def add(self, completion: Completion | None) -> None:
        """Keep a value; raise an error."""
        if completion is None:
            return
        if completion.error is not None:
            raise completion.error
        self.values[completion.task] = completion.value
        if self._bar is not None:
            self._bar.update()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Execution(ABC):
    """An execution strategy that streams; override :meth:`execute`.

    Parameters
    ----------
    progress : bool
        Show a progress bar on standard error.
    """

    functions: ClassVar[frozenset[FunctionKind]] = SYNC
    shares_process: bool = True
    single_cell: ClassVar[bool] = False

    def __init__(self, progress: bool = False) -> None:
        self.progress = bool(progress)

    @property
    def workers(self) -> int:
        """How many tasks run at once."""
        return 1

    @abstractmethod
    def execute(
        self, experiment: Any, call: Callable[[Any], Any], next_task: Callable[[], Any | None]
    ) -> Iterator[Completion | None] | AsyncIterator[Completion | None]:
        """See :func:`crystallize.hookspecs.execute`; mark it with ``hookimpl``."""

    @hookimpl
    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]:
        """Call ``replicate_fn(i)`` for each replicate; return the results in index order.

        Parameters
        ----------
        experiment : object
            Anything that has ``replicates``.
        replicate_fn : callable
            Takes the index of a replicate.

        Raises
        ------
        FunctionKindError
            If `replicate_fn` is of a kind that this strategy does not take.
        Exception
            Whatever `replicate_fn` raises; nothing is retried here.
        """
        check_function(type(self).__name__, self.functions, replicate_fn)
        with closing(LoopResults(self, experiment)) as results:
            completions: Any = self.execute(experiment, replicate_fn, results.next_index)
            with closing(completions):
                for completion in completions:
                    results.add(completion)
            return results.values
