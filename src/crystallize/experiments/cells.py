"""The worker's side: running a block of cells."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from numbers import Number
from time import perf_counter
from typing import Any, NamedTuple

import cloudpickle
import numpy as np

from crystallize.experiments.blas import BlasLimits
from crystallize.experiments.columns import PLAIN, MetricError, checked_value, packed
from crystallize.experiments.context import Arguments
from crystallize.experiments.global_random import (
    GlobalRandomWatch,
    GlobalStateKept,
    seed_global,
)
from crystallize.experiments.interruption import Interruption
from crystallize.experiments.outcomes import Block, BlockColumn, Failure
from crystallize.experiments.seeding import replicate_seed
from crystallize.plugins.execution.base import is_async

BLOCK_SECONDS = 0.3
"""When a block ends early, and the driver schedules the rest of it anew."""
ONLY_METRIC = "value"
"""The name of the metric of a function that returns one number."""


class Task(NamedTuple):
    """A block to run: replicates [start, stop) under one condition."""

    condition: int
    start: int
    stop: int


@dataclass(frozen=True)
class CellOptions:
    """What the driver asks of every cell.

    Attributes
    ----------
    stop_on_failure : bool
        End a block at its first failed cell.
    seed_globals : bool
        Seed the global generators before each cell.
    blas_threads : int or None
        How many threads BLAS and OpenMP may use in a worker; ``None`` leaves
        them alone.
    timeout : float or None
        Seconds that a cell may take.
    """

    stop_on_failure: bool = False
    seed_globals: bool = False
    blas_threads: int | None = 1
    timeout: float | None = None


class TimedOut(Exception):
    """A cell that took longer than it may."""

    def __init__(self, timeout: float | None) -> None:
        super().__init__(f"took longer than {timeout:g} s")


class BlockCall:
    """Runs blocks; the heavy thing that travels to each worker once.

    Parameters
    ----------
    function : callable
        The user's function, plain or coroutine.
    conditions : mapping of str to mapping
        Condition -> its parameters.
    root : int
        The root seed.
    injected : sequence of str
        What the function asks for by name.
    options : CellOptions
    """

    def __init__(
        self,
        function: Callable[..., Any],
        conditions: Mapping[str, Mapping[str, Any]],
        root: int,
        injected: Sequence[str],
        options: CellOptions,
    ) -> None:
        self._function = function
        self._conditions = conditions
        self._root = root
        self._injected = injected
        self._options = options
        self.leaving = False
        """Whether a cancellation is the driver's; otherwise it is the cell's own failure."""
        self._prepare()

    def _prepare(self) -> None:
        self._arguments = [
            Arguments(self._root, name, params, self._injected)
            for name, params in self._conditions.items()
        ]
        self._is_async = is_async(self._function)
        self.blas = BlasLimits(self._options.blas_threads)
        self.watch = GlobalRandomWatch()

    def __getstate__(self) -> dict[str, Any]:
        # cloudpickle's bytes inside, so that an executor's plain pickle takes lambdas too.
        heavy = (self._function, self._conditions)
        return {
            "heavy": cloudpickle.dumps(heavy),
            "root": self._root,
            "injected": self._injected,
            "options": self._options,
            "path": sys.path,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Modules that the driver could import, a worker on the same machine can too.
        sys.path.extend(entry for entry in state["path"] if entry not in sys.path)
        self._function, self._conditions = cloudpickle.loads(state["heavy"])
        self._root = state["root"]
        self._injected = state["injected"]
        self._options = state["options"]
        self.leaving = False
        self._prepare()

    def __call__(self, task: Task) -> Block:
        """Run the cells of a block one after another."""
        self.blas.hold()
        if self._options.seed_globals:
            with GlobalStateKept():
                return Context().run(self._run, task)
        before = self.watch.begin()
        # A context of its own: NumPy's error state or decimal's precision around the run
        # would not reach a worker process either.
        block = Context().run(self._run, task)
        block.touched = self.watch.end(before)
        return block

    async def run_cell(self, task: Task) -> Block:
        """Run a block of one cell of a coroutine function on the running loop."""
        rows = Rows(task)
        await self._await_cell(rows, task.condition, task.start)
        return rows.block()

    def _run(self, task: Task) -> Block:
        rows = Rows(task)
        # On Ctrl-C what finished of the block is kept; the driver knows of the signal.
        with suppress(Interruption):
            if self._is_async:
                with asyncio.Runner() as runner:
                    for replicate in self._due(task, rows):
                        runner.run(self._await_cell(rows, task.condition, replicate))
            else:
                self._call_cells(task, rows)
        return rows.block()

    def _call_cells(self, task: Task, rows: Rows) -> None:
        function, arguments, add = self._function, self._arguments[task.condition], rows.add
        if self._options.timeout is not None:
            function = self._timed
        for replicate in self._due(task, rows):
            try:
                add(replicate, function(**arguments(replicate)))
            except Interruption:
                raise
            except BaseException as error:
                rows.fail(replicate, error)

    def _timed(self, **arguments: Any) -> Any:
        """Refuse a result that came too late, but before anyone stopped the worker."""
        began = perf_counter()
        result = self._function(**arguments)
        if self._options.timeout is not None and perf_counter() - began > self._options.timeout:
            raise TimedOut(self._options.timeout)
        return result

    def _due(self, task: Task, rows: Rows) -> Iterator[int]:
        """The replicates of a block, until it takes too long or a failure ends it."""
        seeding, stopping = self._options.seed_globals, self._options.stop_on_failure
        deadline = perf_counter() + BLOCK_SECONDS
        for replicate in range(task.start, task.stop):
            if seeding:
                seed_global(replicate_seed(self._root, replicate))
            yield replicate
            if perf_counter() > deadline or (stopping and rows.failures):
                return

    async def _await_cell(self, rows: Rows, condition: int, replicate: int) -> None:
        try:
            awaitable: Awaitable[Any] = self._function(**self._arguments[condition](replicate))
            if self._options.timeout is not None:
                awaitable = _within(self._options.timeout, awaitable)
            rows.add(replicate, await awaitable)
        except BaseException as error:
            cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit))
            if isinstance(error, Interruption) or (cancelled and self.leaving):
                raise
            rows.fail(replicate, error)
        running = asyncio.current_task()
        if running is not None and running.cancelling() and not self.leaving:
            # The cell cancelled the task that others run in after it.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            while running.uncancel():
                pass


class Rows:
    """Gathers the cells of a block: rows that share metric names become columns."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._groups: dict[tuple[Any, ...], tuple[list[int], list[tuple[Any, ...]]]] = {}
        self.failures: list[Failure] = []
        self._began = perf_counter()

    def add(self, replicate: int, result: Any) -> None:
        """Keep what the function returned; it may change its own objects afterwards.

        Raises
        ------
        MetricError
            If `result` is neither a mapping of metrics nor one number.
        """
        names: tuple[Any, ...]
        if type(result) is dict:
            names, values = tuple(result), tuple(result.values())
        elif type(result) is float:
            names, values = (ONLY_METRIC,), (result,)
        else:
            names, values = _as_metrics(result)
        for value in values:
            if type(value) not in PLAIN:
                pairs = zip(names, values, strict=True)
                values = tuple(checked_value(name, value) for name, value in pairs)
                break
        group = self._groups.get(names)
        if group is None:
            for name in names:
                if not isinstance(name, str):
                    raise MetricError(f"a metric's name must be a string, got {name!r}.")
            # A string of a subclass is equal to the plain one, and may come first or later.
            names = tuple("".join((name,)) for name in names)
            group = self._groups[names] = ([], [])
        group[0].append(replicate)
        group[1].append(values)

    def fail(self, replicate: int, error: BaseException) -> None:
        """Keep an exception, as text."""
        offset = replicate - self._task.start
        name, message = type(error).__name__, _message(error)
        report = (
            f"{name}: {message}\n" if isinstance(error, (MetricError, TimedOut)) else _report(error)
        )
        self.failures.append(Failure(offset, name, message, report))

    def block(self) -> Block:
        """The cells so far, as columns."""
        seconds = perf_counter() - self._began
        condition, start = self._task.condition, self._task.start
        whole = len(self.failures) + sum(len(rows) for _, rows in self._groups.values())
        columns: list[BlockColumn] = []
        for names, (replicates, rows) in self._groups.items():
            offsets = None
            if len(rows) != whole:
                offsets = np.array(replicates[: len(rows)], dtype=np.intp) - start
            for position, (name, values) in enumerate(
                zip(names, zip(*rows, strict=True), strict=True)
            ):
                columns.append(BlockColumn(name, position, offsets, packed(values)))
        return Block(condition, start, start + whole, columns, self.failures, seconds)


async def _within(timeout: float, awaitable: Awaitable[Any]) -> Any:
    began = perf_counter()
    try:
        async with asyncio.timeout(timeout) as limit:
            result = await awaitable
    except TimeoutError:
        if limit.expired():
            raise TimedOut(timeout) from None
        raise
    if perf_counter() - began > timeout:
        raise TimedOut(timeout)
    return result


def _as_metrics(result: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    if isinstance(result, Mapping):
        metrics = dict(result)
        return tuple(metrics), tuple(metrics.values())
    if isinstance(result, (Number, np.bool_)) or (
        isinstance(result, np.ndarray) and result.ndim == 0
    ):
        return (ONLY_METRIC,), (result,)
    hint = ""
    if hasattr(result, "__await__"):
        hint = " that nobody awaited; define the function with 'async def'"
        if hasattr(result, "close"):
            result.close()
    raise MetricError(
        f"the function returned {type(result).__name__}{hint}; "
        "it must return a mapping of metrics, or one number."
    )


def _message(error: BaseException) -> str:
    try:
        return _printable(str(error))
    except BaseException as failure:
        return f"<its text could not be made: {type(failure).__name__}>"


def _report(error: BaseException) -> str:
    """The traceback from the user's function on; the frames around it are the strategy's."""
    trace = error.__traceback__
    try:
        lines = traceback.format_exception(type(error), error, trace and trace.tb_next)
        return _printable("".join(lines))
    except BaseException as failure:
        return f"{type(error).__name__}: <no traceback could be made: {type(failure).__name__}>\n"


def _printable(text: str) -> str:
    """Lone surrogates escaped, so that any stream and file takes the text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
