"""What crosses the seam between the driver and an executor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from crystallize.errors import CrystallizeError, PluginError, described

FunctionKind = Literal["sync", "async"]


SYNC: frozenset[FunctionKind] = frozenset({"sync"})
ASYNC: frozenset[FunctionKind] = frozenset({"async"})
SYNC_AND_ASYNC = SYNC | ASYNC

Call = Callable[[Any], Any]
"""Runs a task and gives its value; a coroutine function for executors of coroutines alone."""
NextTask = Callable[[], Any | None]
"""Where an executor asks for work: a task, or ``None`` where there is nothing now."""

named_tuple: Any = tuple.__new__
"""Makes a named tuple in half the time of its own constructor: ``named_tuple(Row, (1, 2))``."""

TICK = 0.1
"""Seconds without a completion after which an executor yields ``None``."""


class HasReplicates(Protocol):
    """All that an executor used on its own asks of an experiment."""

    @property
    def replicates(self) -> int: ...


class Task(NamedTuple):
    """A block to run: replicates [start, stop) under one condition."""

    condition: int
    start: int
    stop: int


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


Completions = Iterator[Completion | None] | AsyncIterator[Completion | None]
"""What ``execute`` gives: completions as they happen, and ``None`` where none did for a tick."""


class ActiveRun(Protocol):
    """A run that is under way, as executors know it.

    Attributes
    ----------
    id : str
        No other run has it.
    """

    @property
    def id(self) -> str: ...

    def register_control(
        self, stop: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """Say what the executor can do to a task of this run that is running.

        Parameters
        ----------
        stop : callable
            Ends a task, whose completion then has an error; does nothing where
            the task is not running.
        elapsed : callable
            For how many seconds a task has been able to run; ``None`` while it
            waits, or where it is over.
        """


class StreamingExecutor(Protocol):
    """An executor that reports completions as they happen."""

    def execute(
        self, experiment: HasReplicates, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Completions: ...


class LoopExecutor(Protocol):
    """An executor that has the plain loop."""

    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]: ...


@dataclass(frozen=True)
class Capabilities:
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
        Whether ``execute`` registers with its run how to stop a running task
        (:meth:`ActiveRun.register_control`).  Default: false.
    local_processes : bool
        Whether cells run in other processes of this machine, which can map a
        file: large arrays among the parameters are then one copy for all.
        Default: false.
    draws_global_random : bool
        Whether the engine itself draws from Python's global generator beside
        the cells, so that a change of it proves nothing.  Default: false.
    loss_is_the_tasks : bool
        Whether a task that is lost while it runs alone was always its own doing,
        never the engine's.  Default: false.
    """

    functions: frozenset[FunctionKind]
    shares_process: bool
    workers: int
    single_cell: bool
    can_stop: bool
    local_processes: bool
    draws_global_random: bool
    loss_is_the_tasks: bool

    @property
    def calls_are_async(self) -> bool:
        """Whether it is given a coroutine function to call: it takes no others."""
        return "sync" not in self.functions

    @classmethod
    def of(cls, executor: object) -> Capabilities:
        """Read what `executor` says of itself.

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
            can_stop=bool(getattr(executor, "can_stop", False)),
            local_processes=bool(getattr(executor, "local_processes", False)),
            draws_global_random=bool(getattr(executor, "draws_global_random", False)),
            loss_is_the_tasks=bool(getattr(executor, "loss_is_the_tasks", False)),
        )
