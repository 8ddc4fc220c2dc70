"""The cells that a thread is running, which others may have to end or to name.

A signal's handler runs in the main thread in the middle of a cell, and a fork leaves
a child in the middle of one.  Both must end the block after the present cell.  What
a cell warns of and logs is that cell's, wherever in the code it does so.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from operator import length_hint
from typing import Any, NoReturn

from crystallize.cells.block import CellByCell
from crystallize.cells.warned import Given
from crystallize.contracts import Task, Trip

CELL: ContextVar[Any] = ContextVar("crystallize-cell", default=None)
"""In which cell of a coroutine function code runs, tasks that the cell started included: the
:class:`Awaiting`, the condition and the replicate, in a tuple that is this cell's alone."""


class RunningCells:
    """A block that is being run, or a trip's cells as one.

    Parameters
    ----------
    task : Task or Trip
    conditions : sequence of str
        The names of the experiment's conditions.

    Attributes
    ----------
    start, stop : int
        The cells by number: replicates, or those of a trip counted from 0.
    width : int
        How many of them each condition has.
    struck : int or None
        The cell in which the driver's own signal landed: what it came to is
        no result, whatever the function made of the exception.
    outer : RunningCells or None
        The block in one of whose cells this one is run: a nested experiment.
    warned : dict or None
        Cell -> what it warned of, and how often; ``None`` while none did.
    logged : list of dict or None
        What the cells logged that is to travel with the block.
    points : list of (int, float)
        Before which cells the clock was read, and what it said.
    """

    __slots__ = (
        "_conditions", "_first", "_following", "_forked", "_stretch", "_task", "logged", "outer",
        "points", "start", "stop", "struck", "warned", "width",
    )  # fmt: skip

    def __init__(self, task: Task | Trip, conditions: Sequence[str]) -> None:
        self._task = task
        self._conditions = conditions
        self.start, self.stop = task.start, task.stop
        self.width = task.stop - task.start
        if isinstance(task, Trip):
            self.start, self.stop = 0, self.width * task.conditions
        self.warned: dict[int, Counter[Given]] | None = None
        self.logged: list[dict[str, Any]] | None = None
        self.outer = _here.cells
        self.points: list[tuple[int, float]] = []
        self.struck: int | None = None
        self._stretch: Iterator[int] = iter(())
        self._first, self._following = self.start, self.start + 1
        self._forked = False

    def begin(self) -> None:
        """Say that this thread runs the block now."""
        _here.cells = self

    def end(self) -> None:
        """Say that it does no longer; once more does no harm."""
        _here.cells = self.outer

    def stretch(self, first: int, following: int) -> Iterator[int]:
        """The cells [first, following), one after another, unless it is to end before."""
        cells = iter(range(first, following))
        # No call in between, so no signal comes where only some of these are said.
        self._first, self._following, self._stretch = first, following, cells
        return cells

    @property
    def present(self) -> int:
        """The cell that is running."""
        return max(self._first, self._following - length_hint(self._stretch) - 1)

    @property
    def place(self) -> tuple[int, int]:
        """The condition and the replicate of the cell that is running."""
        if not isinstance(self._task, Trip):
            return self._task.condition, self.present
        further, offset = divmod(self.present, self.width)
        return self._task.condition + further, self._task.start + offset

    @property
    def labels(self) -> tuple[str, int]:
        """The same, with the name of the condition."""
        condition, replicate = self.place
        return self._conditions[condition], replicate

    def warn(self, given: Given) -> None:
        """Keep what the present cell warned of."""
        if self.warned is None:
            self.warned = {}
        self.warned.setdefault(self.present, Counter())[given] += 1

    def log(self, record: dict[str, Any]) -> None:
        """Keep what the present cell logged."""
        if self.logged is None:
            self.logged = []
        self.logged.append(record)

    @property
    def have_ended(self) -> bool:
        """Whether no further cell of the block may begin."""
        return self._forked or self.struck is not None

    def strike(self) -> None:
        """End this block, and those around it, after the present cell, which does not count."""
        cells: RunningCells | None = self
        while cells is not None:
            if cells.struck is None:
                cells.struck = cells.present
            cells._end_stretch()
            cells = cells.outer

    def leave_if_forked(self, error: BaseException | None = None) -> None:
        """End the process if it is a child that a cell forked: it is not to go on as its parent."""
        if self._forked:
            leave_child(error)

    def _forget(self) -> None:
        cells: RunningCells | None = self
        while cells is not None:
            cells._forked = True
            cells._end_stretch()
            cells = cells.outer

    def _end_stretch(self) -> None:
        """Have the present cell be the last: whoever goes through the stretch finds it empty."""
        self._following = self.present + 1
        for _ in self._stretch:
            pass


class Awaiting:
    """The cells that are awaited at once for one call.

    Attributes
    ----------
    conditions : tuple of str
        The names of the conditions.
    blocks : dict
        asyncio's task -> the block that it runs.
    """

    def __init__(self, conditions: tuple[str, ...]) -> None:
        self.conditions = conditions
        self.blocks: dict[Any, CellByCell] = {}
        self.warned: dict[int, Counter[Given]] = {}
        self.logged: list[dict[str, Any]] = []

    def under_way(self) -> list[tuple[Any, int, int]]:
        """The cells that are awaited now."""
        cells = [block.cell for block in list(self.blocks.values())]
        return [cell for cell in cells if cell is not None]

    def has(self, cell: tuple[Any, int, int]) -> bool:
        """Whether that very cell is under way; what it started may go on after its end."""
        return id(cell) in self.warned or any(found is cell for found in self.under_way())

    def taken(self) -> list[dict[str, Any]]:
        """Take what they logged."""
        logged, self.logged = self.logged, []
        return logged


class AwaitedCell:
    """One of them, for as long as something is said about it."""

    def __init__(self, cell: tuple[Awaiting, int, int]) -> None:
        self._cell = cell
        self._awaiting, self._condition, self._replicate = cell

    @property
    def labels(self) -> tuple[str, int]:
        """The name of its condition, and its replicate."""
        return self._awaiting.conditions[self._condition], self._replicate

    def warn(self, given: Given) -> None:
        """Keep what it warned of; who awaits it takes that when it ends."""
        self._awaiting.warned.setdefault(id(self._cell), Counter())[given] += 1

    def log(self, record: dict[str, Any]) -> None:
        """Keep what it logged."""
        self._awaiting.logged.append(record)


def present_cell() -> RunningCells | AwaitedCell | None:
    """The cell in which this code runs, if it does."""
    awaited = CELL.get()
    if awaited is None:
        return _here.cells
    return AwaitedCell(awaited) if awaited[0].has(awaited) else None


class _Here(threading.local):
    """What this thread is running."""

    cells: RunningCells | None = None


_here = _Here()


def strike_here() -> bool:
    """Strike the cell that this thread is running; whether there is one that was not struck yet."""
    cells = _here.cells
    if cells is None or cells.struck is not None:
        return False
    cells.strike()
    return True


def leave_child(error: BaseException | None) -> NoReturn:
    """End a forked child as it would have ended without a driver around it."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        with suppress(Exception):
            sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


class _Process:
    """This process; asking the system for its number takes longer than many a cell.

    Attributes
    ----------
    forks : int
        How many forks it is away from the one that imported this module.
    """

    forks = 0


process = _Process()


def _in_child() -> None:
    process.forks += 1
    if _here.cells is not None:
        _here.cells._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
