"""What each step in the life of a replicate costs: ``python -m benchmarks.steps``.

``docs/speed.md`` tells what the steps are; with ``--write`` the table in it is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.report import aligned, duration, markdown, write_between
from benchmarks.workloads import ROOT_SEED, WORKERS, draw, null
from crystallize import Experiment
from crystallize.cells.block import Block
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table
from crystallize.contracts import Task
from crystallize.description.seeding import Seeding
from crystallize.plugins.execution import AsyncExecution
from crystallize.plugins.execution.base import AloneRun
from crystallize.plugins.execution.processes.messages import (
    RUN,
    VALUE,
    pickled,
    receive,
    send,
    widen,
)
from crystallize.run.block_size import MAX_CELLS
from crystallize.run.schedule import Schedule
from crystallize.store import Store
from crystallize.store.records import record
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.cell_options import CellOptions

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
BEGIN, END = (
    "<!-- steps: written by python -m benchmarks.steps --write -->",
    "<!-- end of steps -->",
)
ROUNDS = 9
CELLS = 20_000
PROCESSES = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": WORKERS},
}


def named() -> dict[str, float]:
    return {"x": 0.5}


def indexed(replicate: int) -> float:
    return 0.5


def given(scale: float) -> float:
    return scale


async def awaited() -> float:
    return 0.5


def call_of(function: Callable[..., Any], *injected: str, **parameters: Any) -> BlockCall:
    return BlockCall(function, {"only": parameters}, Seeding(ROOT_SEED), injected, CellOptions())


def bare() -> None:
    for _ in range(CELLS):
        null()


def by_hand() -> None:
    for index in range(CELLS):
        draw(np.random.default_rng(np.random.SeedSequence(ROOT_SEED, spawn_key=(index,))))


def schedule(single_cell: bool, blocks: int) -> None:
    size = 1 if single_cell else 10
    waiting = Schedule([(0, 0, blocks * size)], 2, single_cell)
    while (task := waiting.next_task()) is not None:
        waiting.finished(task, task.stop - task.start, 0.1)


def landed(block: Block, times: int) -> None:
    table = Table(0, MAX_CELLS)
    for _ in range(times):
        table.add(block)


def gathered() -> None:
    rows = Rows(0)
    for index in range(CELLS):
        rows.add_checked(index, ("value",), (0.5,))
    for block in rows.sparse_blocks():
        Table(0, CELLS).add(block)


async def awaited_cells(call: BlockCall) -> None:
    for index in range(CELLS):
        await call.run_coroutines(Task(0, index, index + 1))


async def completions() -> None:
    tasks = iter(range(CELLS))

    async def answer(task: int) -> int:
        return task

    executor = AsyncExecution(max_concurrency=1000)
    next_task = partial(next, tasks, None)
    stream: Any = executor.execute(SimpleNamespace(), answer, next_task, AloneRun())
    async for _ in stream:
        pass


def worker(pipe: Connection) -> None:
    """Answer every task with a block of so many cells, which was made before."""
    call = call_of(null)
    blocks = {cells: call(Task(0, 0, cells)) for cells in (1, CELLS)}
    while task := receive(pipe).value():
        send(pipe, VALUE, *pickled(blocks[task.stop - task.start]))


@contextmanager
def working() -> Iterator[Connection]:
    """A worker process that has nothing to compute."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker, args=(theirs,))
    widen(theirs)
    process.start()
    yield ours
    send(ours, RUN, *pickled(None))
    process.join()


def trips(pipe: Connection, cells: int, times: int) -> None:
    for _ in range(times):
        send(pipe, RUN, *pickled(Task(0, 0, cells)))
        receive(pipe).value()


def commits(store: Store, block: Block, times: int) -> None:
    for _ in range(times):
        store.add([record("only", block, [])])


Step = tuple[str, int, Callable[[], Any]]
"""What it is, how often the call does it, the call."""


def steps(pipe: Connection, store: Store) -> Iterator[Step]:
    """Every step, in the order of a replicate's life."""
    call = call_of(null)
    large, small = call(Task(0, 0, CELLS)), call(Task(0, 0, 1))
    yield "a bare call", CELLS, bare
    yield "a cell: a number returned", CELLS, lambda: call(Task(0, 0, CELLS))
    for what, cell in (
        ("a dict of one metric", call_of(named)),
        ("a parameter", call_of(given, scale=0.5)),
        ("asks for replicate", call_of(indexed, "replicate")),
        ("asks for rng", call_of(draw, "rng")),
    ):
        yield f"a cell: {what}", CELLS, lambda cell=cell: cell(Task(0, 0, CELLS))  # type: ignore[misc]
    yield "its stream, by hand in a loop", CELLS, by_hand
    yield "a block around its cells", 100, lambda: [call(Task(0, 0, 1)) for _ in range(100)]
    yield "a task to a process, its block of one cell back", 200, lambda: trips(pipe, 1, 200)
    yield f"the same with {CELLS:,} numbers", 20, lambda: trips(pipe, CELLS, 20)
    yield "the schedule, a block", 2000, lambda: schedule(True, 2000)
    yield "a block put into columns", 2000, lambda: landed(small, 2000)
    yield "a block of one cell, committed", 20, lambda: commits(store, small, 20)
    yield "a cell of a large block, committed", CELLS * 5, lambda: commits(store, large, 5)
    coroutines = call_of(awaited)
    yield "an awaited cell", CELLS, lambda: asyncio.run(awaited_cells(coroutines))
    yield "its completion", CELLS, lambda: asyncio.run(completions())
    yield "its place in the columns", CELLS, gathered
    yield "making an experiment", 10, lambda: [Experiment(null) for _ in range(10)]
    yield "a run of one replicate, serial", 3, lambda: [Experiment(null).run() for _ in range(3)]
    yield (
        "the same, in a kept process",
        3,
        lambda: [Experiment(null, **PROCESSES).run() for _ in range(3)],
    )


def main() -> None:
    """Measure in turn, print medians."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description="Time each step of a replicate."
    )
    parser.add_argument("--write", action="store_true", help="replace the table in docs/speed.md")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that each is done")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(f"{folder}/steps.db", create=True) as store,
        working() as pipe,
    ):
        found = list(steps(pipe, store))
        seconds: dict[str, list[float]] = {what: [] for what, _, _ in found}
        for _ in range(asked.rounds + 1):
            for what, times, run in found:
                began = perf_counter()
                run()
                seconds[what].append((perf_counter() - began) / times)
    lines = [["step", "costs"], *([what, duration(median(s[1:]))] for what, s in seconds.items())]
    print(aligned(lines))
    if asked.write:
        write_between(PAGE, BEGIN, END, markdown(lines))


if __name__ == "__main__":
    main()
