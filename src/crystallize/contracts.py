"""What crosses the seam between the driver and an executor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

from crystallize.checks import Rule, flag, seconds, whole_number
from crystallize.errors import (
    CrystallizeError,
    InvalidValueError,
    PluginError,
    described,
    listing,
)

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

RunStatus = Literal["finished", "stopped", "interrupted", "failed", "left"]
"""How a run ended."""

API_VERSION = 1
"""Which hooks and contracts there are.

It grows by one when a plugin that keeps to the documented names could break: a hook,
an argument of a hook or a field of a contract is taken away or means something else.
What is added changes nothing for who does not use it, and leaves the number as it is.
"""

TICK = 0.1
"""Seconds without a completion after which an executor yields ``None``."""
HAND_OVER_SECONDS = 0.5
"""How long tasks that are running may take to give what has finished of them, on Ctrl-C."""


class HasReplicates(Protocol):
    """All that an executor used on its own asks of an experiment."""

    @property
    def replicates(self) -> int: ...


class Task(NamedTuple):
    """A block to run: replicates [start, stop) under one condition."""

    condition: int
    start: int
    stop: int


class Trip(NamedTuple):
    """A task of several blocks: replicates [start, stop) under each of some conditions.

    Handing out one block may cost more than it does to run it, where conditions have few
    replicates each.  An executor passes it on like every task.

    Attributes
    ----------
    condition : int
        The first condition.
    start, stop : int
    conditions : int
        How many conditions there are, one after another.
    """

    condition: int
    start: int
    stop: int
    conditions: int


class Pause(NamedTuple):
    """A task of no cell: its call returns after some seconds.

    It is handed out while nothing is in flight and the next cell may begin only later, so
    that an executor goes on, and the driver sees what else happens.

    Attributes
    ----------
    condition, start, stop : int
        No cell has these.
    seconds : float
        At most :data:`TICK`.
    """

    condition: int
    start: int
    stop: int
    seconds: float

    @classmethod
    def of(cls, seconds: float) -> Pause:
        """One of so many seconds; there is never more than one of a run."""
        return cls(-1, -1, -1, seconds)


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
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """Say what the executor can do to a task of this run that is running.

        Parameters
        ----------
        cancel : callable
            Ends a task, whose completion then has an error; does nothing where
            the task is not running.
        elapsed : callable
            For how many seconds a task has been able to run; ``None`` while it
            waits, or where it is over.
        """

    def register_shortening(
        self, shorten: Callable[[Any], None], running: Callable[[], Iterable[tuple[Any, float]]]
    ) -> None:
        """Say how the executor has a task of this run that is running end early.

        Then blocks are larger, since one that takes longer than others is shortened when a
        worker has nothing to do.  To be said before the first task is asked for, by an executor
        of plain functions whose call runs one task at a time in each place.

        Parameters
        ----------
        shorten : callable
            Has a task come back with the cells that it has by then, of which there is one at
            the least, unless little of it is left; does nothing where it is not running.  Where
            its call runs, ``call.is_to_end`` is to be set to a function that says whether that
            was asked for.
        running : callable
            The tasks that are running, each with the seconds that it has been.  It is asked
            often, and need not notice that a task has just ended.
        """

    def register_hand_over(self, hand_over: Callable[[], Iterable[Completion]]) -> None:
        """Say how the executor gives what has finished of tasks of this run that are running.

        Parameters
        ----------
        hand_over : callable
            Has the tasks that are running end early, and gives the completions of those that do
            so within half a second.  It is called at most once, when the run was interrupted and
            before the iterator of completions is closed; by then no further task is to begin.
        """

    def tick(self) -> float:
        """Seconds without a completion after which to yield ``None``.

        That is :data:`TICK`, or less where a cell may begin before that which may not yet, or
        where a worker that has nothing to do may soon take of what another has.
        """


class FutureLike(Protocol):
    """What is asked of a future: :class:`concurrent.futures.Future` has it, Dask's too."""

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> Any: ...

    def result(self) -> Any: ...


class StreamingExecutor(Protocol):
    """An executor that reports completions as they happen."""

    @property
    def capabilities(self) -> Capabilities: ...

    def execute(
        self, experiment: HasReplicates, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Completions: ...


class LoopExecutor(Protocol):
    """An executor that has the plain loop."""

    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]: ...


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an executor can do; it says so in its attribute ``capabilities``.

    Attributes
    ----------
    functions : frozenset of {"sync", "async"}
        Which functions it takes; any collection of these words is taken.
    workers : int
        How many tasks run at once.
    shares_process : bool
        Whether two cells may run at once in one process (threads, an event
        loop).  True for an executor that does not say.
    single_cell : bool
        Whether a block must be one cell.
    block_seconds : float
        How long a block should take.  An engine with latency asks for longer
        blocks: some ten times of what it takes to hand one out.
    can_cancel : bool
        Whether ``execute`` registers with its run how to cancel a running task
        (:meth:`ActiveRun.register_control`).
    local_processes : bool
        Whether cells run in other processes of this machine, which can map a
        file: large arrays among the parameters are then one copy for all.
    draws_global_random : bool
        Whether the engine itself draws from Python's global generator beside
        the cells, so that a change of it proves nothing.
    loss_is_the_tasks : bool
        Whether a task that is lost while it runs alone was always its own doing,
        never the engine's.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, if a field has a value that means nothing.
    TypeError
        If there is no such field.

    Examples
    --------
    >>> Capabilities(workers=8, shares_process=False).single_cell
    False
    >>> Capabilities(functions="sync")
    Traceback (most recent call last):
    crystallize.errors.InvalidValueError: Capabilities.functions: expected {'sync'}, {'async'} or \
both, got 'sync'.
    """

    functions: Collection[FunctionKind] = SYNC
    workers: int = 1
    shares_process: bool = True
    single_cell: bool = False
    block_seconds: float = 0.1
    can_cancel: bool = False
    local_processes: bool = False
    draws_global_random: bool = False
    loss_is_the_tasks: bool = False

    def __post_init__(self) -> None:
        for field, rule in _CAPABILITY_RULES.items():
            checked = rule(f"Capabilities.{field}", getattr(self, field))
            object.__setattr__(self, field, checked)

    @property
    def calls_are_async(self) -> bool:
        """Whether it is given a coroutine function to call: it takes no others."""
        return "sync" not in self.functions

    @classmethod
    def of(cls, executor: object) -> Capabilities:
        """Read what `executor` says of itself; the defaults, where it says nothing.

        Raises
        ------
        PluginError
            If it says it in another way than with an object of this class.
        """
        kind = type(executor).__name__
        try:
            found = getattr(executor, "capabilities", None)
        except CrystallizeError:
            raise
        except Exception as error:
            raise PluginError(f"{kind}.capabilities cannot be read: {described(error)}") from error
        if isinstance(found, cls):
            return found
        if found is not None:
            raise PluginError(
                f"{kind}.capabilities is {found!r:.80}; it must be a Capabilities(…) of "
                "crystallize.plugins."
            )
        return cls.unsaid(executor)

    @classmethod
    def unsaid(cls, executor: object) -> Capabilities:
        """The defaults, for an executor that has nothing else of the kind.

        Raises
        ------
        PluginError
            If it has an attribute that is named like a field, and nobody would look at.
        """
        misplaced = [field.name for field in fields(cls) if hasattr(executor, field.name)]
        if misplaced:
            raise PluginError(
                f"{type(executor).__name__} has {listing(misplaced)} but no 'capabilities': say "
                f"what it can do there, as in capabilities = Capabilities({misplaced[0]}=…)."
            )
        return cls()


def _function_kinds(where: str, value: object) -> frozenset[str]:
    kinds = frozenset(value) if isinstance(value, Collection) and not isinstance(value, str) else ()
    if not kinds or not SYNC_AND_ASYNC.issuperset(kinds):
        raise InvalidValueError(where, value, "{'sync'}, {'async'} or both")
    return frozenset(kinds)


_CAPABILITY_RULES: Mapping[str, Rule[object]] = {
    "functions": _function_kinds,
    "workers": partial(whole_number, least=1),
    "shares_process": flag,
    "single_cell": flag,
    "block_seconds": seconds,
    "can_cancel": flag,
    "local_processes": flag,
    "draws_global_random": flag,
    "loss_is_the_tasks": flag,
}
