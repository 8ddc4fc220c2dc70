"""Streaming over an executor that has only ``run_experiment_loop``."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from crystallize.cells.block import Block, Row
from crystallize.contracts import Completion, Task
from crystallize.errors import PluginError
from crystallize.worker.block_runner import BlockCall


class ReplicateFunction:
    """What such an executor calls: all cells of one replicate that are to be run.

    Called in the driver's process it also leaves each block behind there, so
    that a loop which fails later loses nothing that finished.
    """

    def __init__(self, call: BlockCall, tasks: dict[int, list[Task]]) -> None:
        self._call = call
        self._tasks = tasks
        self._driver = os.getpid()
        self.landed: deque[Block | Row] = deque()

    def __call__(self, replicate: int) -> list[Block | Row]:
        blocks: list[Block | Row] = []
        for task in self._tasks.get(replicate, ()):
            blocks.append(self._call(task))
            if os.getpid() == self._driver:
                self.landed.append(blocks[-1])
        return blocks

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"landed": deque()}

    @staticmethod
    def kind(is_async: bool) -> type[ReplicateFunction]:
        """The class for executors of plain, or of coroutine, functions."""
        return AsyncReplicateFunction if is_async else ReplicateFunction


class AsyncReplicateFunction(ReplicateFunction):
    """The same for an executor of coroutine functions."""

    async def __call__(self, replicate: int) -> list[Block | Row]:  # type: ignore[override]
        blocks: list[Block | Row] = []
        for task in self._tasks.get(replicate, ()):
            blocks.append(await self._call.run_cell(task))
            self.landed.append(blocks[-1])
        return blocks


def stream_loop(
    executor: str,
    run_loop: Callable[..., Any],
    experiment: Any,
    function: type[ReplicateFunction],
    call: BlockCall,
    next_task: Callable[[], Task | None],
) -> Iterator[Completion]:
    """Run the loop once for all tasks there are, and again while there are more.

    Raises
    ------
    PluginError
        If the loop did not return one result for each replicate, in order.
    """
    while tasks := list(iter(next_task, None)):
        by_replicate: dict[int, list[Task]] = defaultdict(list)
        for task in tasks:
            by_replicate[task.start].append(task)
        replicate_fn = function(call, dict(by_replicate))
        try:
            results = run_loop(experiment=experiment, replicate_fn=replicate_fn)
            completions = _in_order(executor, results, experiment.replicates, by_replicate)
        except BaseException:
            for block in replicate_fn.landed:
                yield Completion(Task(block.condition, block.start, block.start + 1), block)
            raise
        yield from completions


def _in_order(
    executor: str, results: Any, replicates: int, by_replicate: Mapping[int, list[Task]]
) -> list[Completion]:
    completions: list[Completion] = []
    for replicate, blocks in enumerate(_checked(executor, results, replicates)):
        expected = by_replicate.get(replicate, [])
        if not _belong(blocks, expected):
            raise PluginError(
                f"{executor}.run_experiment_loop returned something else than "
                f"replicate_fn({replicate}) at index {replicate}; it must return the results "
                "in index order."
            )
        completions += map(Completion, expected, blocks)
    return completions


def _checked(executor: str, results: Any, replicates: int) -> Sequence[Any]:
    if not isinstance(results, Sequence) or len(results) != replicates:
        got = f"{len(results)} results" if isinstance(results, Sequence) else type(results).__name__
        raise PluginError(
            f"{executor}.run_experiment_loop must return a list of {replicates} results, one for "
            f"each replicate; it returned {got}."
        )
    return results


def _belong(blocks: Any, tasks: Sequence[Task]) -> bool:
    return (
        isinstance(blocks, list)
        and len(blocks) == len(tasks)
        and all(
            isinstance(block, (Block, Row)) and (block.condition, block.start) == (task[0], task[1])
            for block, task in zip(blocks, tasks, strict=True)
        )
    )
