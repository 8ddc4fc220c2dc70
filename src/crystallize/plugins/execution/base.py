"""What every streaming executor builds on: the loop that it inherits."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from crystallize.callables import function_name, is_async
from crystallize.checks import flag
from crystallize.contracts import (
    TICK,
    ActiveRun,
    Call,
    Capabilities,
    Completion,
    FunctionKind,
    HasReplicates,
    NextTask,
)
from crystallize.errors import FunctionKindError, ResourceError
from crystallize.hookspecs import hookimpl

T = TypeVar("T")


def check_function(
    executor: str, functions: Collection[FunctionKind], function: Callable[..., Any]
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


def attempt(call: Call, task: Any) -> Completion:
    """Call here and now; an exception becomes the completion's error."""
    try:
        return Completion(task, call(task))
    except ResourceError:
        raise
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


class AloneRun:
    """The run of an executor that is used on its own: nobody cancels its tasks."""

    id = "alone"

    def register_control(
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """Nothing is done with it."""

    def register_shortening(
        self, shorten: Callable[[Any], None], running: Callable[[], Iterable[tuple[Any, float]]]
    ) -> None:
        """Nothing is done with it."""

    def register_hand_over(self, hand_over: Callable[[], Iterable[Completion]]) -> None:
        """Nothing is done with it."""

    def tick(self) -> float:
        """All may begin at once."""
        return TICK


def method_of(run: ActiveRun, name: str) -> Callable[..., Any]:
    """What a run has under a name; who drives an executor by hand may not have all of it."""
    method: Callable[..., Any] = getattr(run, name, None) or getattr(AloneRun(), name)
    return method


class Awaited:
    """A coroutine function as a plain one: each call has an event loop of its own."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self._function = function

    def __call__(self, index: int) -> Any:
        import asyncio

        return asyncio.run(self._function(index))


class Option(Generic[T]):
    """An attribute of an executor that is checked whenever it is assigned.

    Parameters
    ----------
    check : callable
        A rule of :mod:`crystallize.checks`: takes the attribute's name and the
        value, and returns the value to keep.  An option of that name in a config
        is held against it too.

    Examples
    --------
    >>> from crystallize.checks import whole_number
    >>> class Mine(Execution):
    ...     size = Option(whole_number)
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.size = size
    ...     def execute(self, experiment, call, next_task, run):
    ...         yield None
    >>> Mine(3)
    Mine(progress=False, size=3)
    >>> Mine(3) == Mine(3), Mine(3) == Mine(4)
    (True, False)
    >>> Mine(3).size = "three"
    Traceback (most recent call last):
    crystallize.errors.InvalidValueError: size: expected a whole number, 0 or more, got 'three'.
    """

    def __init__(self, check: Callable[[str, Any], T]) -> None:
        self.rule = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, executor: None, owner: type) -> Option[T]: ...

    @overload
    def __get__(self, executor: object, owner: type) -> T: ...

    def __get__(self, executor: object | None, owner: type) -> Option[T] | T:
        if executor is None:
            return self
        try:
            value: T = vars(executor)[self._name]
        except KeyError:
            raise AttributeError(
                f"{owner.__name__} has no {self._name!r} yet; its __init__ must set it"
            ) from None
        return value

    def __set__(self, executor: object, value: object) -> None:
        vars(executor)[self._name] = self.rule(self._name, value)


if TYPE_CHECKING:
    default = property
else:

    class default:
        """A property that an object may have an attribute of its own instead of."""

        def __init__(self, read: Callable[[Any], Any]) -> None:
            self._read = read
            self.__doc__ = read.__doc__

        def __get__(self, executor: object | None, owner: type) -> Any:
            return self if executor is None else self._read(executor)


class Execution(ABC):
    """An execution strategy that streams; override :meth:`execute`.

    A plain value: what it has are its options, by which it is compared and shown;
    what it does for a run is kept in that run, so that it may have any number at once.

    Parameters
    ----------
    progress : bool
        Show a progress bar on standard error.
    """

    progress = Option(flag)

    def __init__(self, progress: bool = False) -> None:
        self.progress = progress

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._options() == other._options()

    def __hash__(self) -> int:
        return hash(type(self))  # options may be assigned, and equal executors must hash alike

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._options().items())
        return f"{type(self).__name__}({options})"

    def _options(self) -> dict[str, Any]:
        own = sorted(vars(self).items())
        return {name: value for name, value in own if name[0] != "_" and name != "capabilities"}

    @default
    def capabilities(self) -> Capabilities:
        """What it can do; a class or an object of its own may have a plain attribute instead."""
        return Capabilities.unsaid(self)

    @abstractmethod
    def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
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
        check_function(type(self).__name__, self.capabilities.functions, replicate_fn)
        if is_async(replicate_fn):
            replicate_fn = Awaited(replicate_fn)
        with closing(LoopResults(self, experiment)) as results:
            completions: Any = self.execute(
                experiment, replicate_fn, results.next_index, AloneRun()
            )
            with closing(completions):
                for completion in completions:
                    results.add(completion)
            return results.values
