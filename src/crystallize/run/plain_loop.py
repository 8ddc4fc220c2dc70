"""Streaming over an executor that has only ``run_experiment_loop``."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import sleep
from typing import Any, Protocol

from crystallize.callables import is_async
from crystallize.cells.block import Block, Row
from crystallize.contracts import ActiveRun, Call, Completion, NextTask, Pause, Task
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import PluginError


class LandingRun(Protocol):
    """A run that takes completions while a loop is under way."""

    @property
    def handle(self) -> ActiveRun: ...

    @property
    def ends_early(self) -> bool: ...

    def take(self, completion: Completion) -> None: ...


class EndOfLoop(BaseException):
    """Raised in a loop that is to end before all of its replicates were run."""


class PlainLoop:
    """Gives the cells that are to be run to a loop, and keeps them as they finish.

    The loop is told of as many replicates as have cells to be run: all of them, or
    what a store or an earlier round left.

    Parameters
    ----------
    executor : str
        What messages call it.
    run_loop : callable
        The hook.
    experiment : ExperimentSpec
    call : callable
        Runs a task; a coroutine function for executors of coroutines.
    run : LandingRun
    """

    def __init__(
        self,
        executor: str,
        run_loop: Callable[..., Any],
        experiment: ExperimentSpec,
        call: Call,
        run: LandingRun,
    ) -> None:
        self._executor = executor
        self._run_loop = run_loop
        self._experiment = experiment
        self._call = call
        self._run = run

    def completions(self, next_task: NextTask) -> Iterator[Completion]:
        """Run the loop for all tasks there are, and again while there are more.

        Raises
        ------
        PluginError
            If it did not return one result for each replicate, in order.
        """
        while tasks := list(iter(next_task, None)):
            if type(pause := tasks[0]) is Pause:
                sleep(pause.seconds)  # here: a loop may take long to begin
                yield Completion(pause)
                del tasks[0]
                if not tasks:
                    continue
            by_replicate: dict[int, list[Task]] = defaultdict(list)
            for task in tasks:
                by_replicate[task.start].append(task)
            rounds = [by_replicate[replicate] for replicate in sorted(by_replicate)]
            landing = _Landing(self._run)
            function: Any = _AsyncCells if is_async(self._call) else _Cells
            try:
                results = self._run_loop(
                    experiment=replace(self._experiment, replicates=len(rounds)),
                    replicate_fn=function(self._call, rounds, landing),
                )
            except EndOfLoop:
                return
            yield from self._rest(rounds, results, landing)

    def _rest(
        self, rounds: list[list[Task]], results: Any, landing: _Landing
    ) -> Iterator[Completion]:
        """What did not land during the loop: it ran in other processes."""
        for index, blocks in enumerate(self._checked(results, len(rounds))):
            tasks = rounds[index]
            if not _belong(blocks, tasks):
                raise PluginError(
                    f"{self._executor}.run_experiment_loop returned something else than "
                    f"replicate_fn({index}) at index {index}; it must return the results "
                    "in index order."
                )
            for task, block in zip(tasks, blocks, strict=True):
                if task not in landing.landed:
                    yield Completion(task, block)

    def _checked(self, results: Any, replicates: int) -> Sequence[Any]:
        if not isinstance(results, Sequence) or len(results) != replicates:
            got = (
                f"{len(results)} results"
                if isinstance(results, Sequence)
                else type(results).__name__
            )
            raise PluginError(
                f"{self._executor}.run_experiment_loop must return a list of {replicates} "
                f"results, one for each replicate; it returned {got}."
            )
        return results


class _Landing:
    """Where cells land that a loop runs in the driver's process, in whichever thread."""

    def __init__(self, run: LandingRun) -> None:
        self.landed: set[Task] = set()
        self._run: LandingRun | None = run
        self._process = os.getpid()
        self._lock = threading.Lock()

    @property
    def is_here(self) -> bool:
        return self._run is not None and os.getpid() == self._process

    def begin(self) -> None:
        """End the loop if the run is over."""
        if self._run is not None and self.is_here and self._run.ends_early:
            raise EndOfLoop

    def land(self, task: Task, block: Block | Row) -> None:
        if self._run is None or not self.is_here:
            return
        with self._lock:
            if task not in self.landed:
                self.landed.add(task)
                self._run.take(Completion(task, block))

    def __getstate__(self) -> dict[str, Any]:
        return {"landed": set(), "_run": None, "_process": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class _Cells:
    """What such an executor calls: all cells of one replicate that are to be run."""

    def __init__(self, call: Call, rounds: list[list[Task]], landing: _Landing) -> None:
        self._call = call
        self._rounds = rounds
        self._landing = landing

    def __call__(self, index: int) -> list[Block | Row]:
        blocks: list[Block | Row] = []
        for task in self._rounds[index]:
            self._landing.begin()
            block = self._call(task)
            self._landing.land(task, block)
            blocks.append(block)
        self._landing.begin()
        return blocks


class _AsyncCells(_Cells):
    """The same for an executor of coroutine functions."""

    async def __call__(self, index: int) -> list[Block | Row]:  # type: ignore[override]
        blocks: list[Block | Row] = []
        for task in self._rounds[index]:
            self._landing.begin()
            block = await self._call(task)
            self._landing.land(task, block)
            blocks.append(block)
        self._landing.begin()
        return blocks


def _belong(blocks: Any, tasks: Sequence[Task]) -> bool:
    return (
        isinstance(blocks, list)
        and len(blocks) == len(tasks)
        and all(
            isinstance(block, (Block, Row)) and (block.condition, block.start) == (task[0], task[1])
            for block, task in zip(blocks, tasks, strict=True)
        )
    )
