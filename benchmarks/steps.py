"""What each step in the life of a replicate costs: ``python -m benchmarks.steps``.

``docs/speed.md`` tells what the steps are.
"""

from __future__ import annotations

import asyncio
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.workloads import ROOT_SEED, WORKERS, draw, null
from crystallize import Experiment
from crystallize.experiments.archive import record
from crystallize.experiments.cells import BlockCall, CellOptions, Task
from crystallize.experiments.outcomes import Block, Table
from crystallize.experiments.rows import Rows
from crystallize.experiments.schedule import MAX_CELLS, Schedule
from crystallize.plugins.execution import AsyncExecution
from crystallize.store import Store

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
    return BlockCall(function, {"only": parameters}, ROOT_SEED, injected, CellOptions())


def bare() -> None:
    for _ in range(CELLS):
        null()


def by_hand() -> None:
    for index in range(CELLS):
        draw(np.random.default_rng(np.random.SeedSequence(ROOT_SEED, spawn_key=(index,))))


def schedule(single_cell: bool, blocks: int) -> None:
    size = 1 if single_cell else 10
    waiting = Schedule([(0, 0, blocks * size)], 1, 2, single_cell)
    while (task := waiting.next_task()) is not None:
        waiting.finished(task, task.stop - task.start, 0.1)


def landed(block: Block, times: int) -> None:
    table = Table(0, MAX_CELLS)
    for _ in range(times):
        table.add(block)


def gathered() -> None:
    rows = Rows(0)
    for index in range(CELLS):
        rows.keep(index, ("value",), (0.5,))
    for block in rows.sparse_blocks():
        Table(0, CELLS).add(block)


async def awaited_cells(call: BlockCall) -> None:
    for index in range(CELLS):
        await call.run_cell(Task(0, index, index + 1))


async def completions() -> None:
    tasks = iter(range(CELLS))

    async def answer(task: int) -> int:
        return task

    executor = AsyncExecution(max_concurrency=1000)
    stream: Any = executor.execute(SimpleNamespace(), answer, lambda: next(tasks, None))
    async for _ in stream:
        pass


def echo(pipe: Connection) -> None:
    while message := pipe.recv_bytes():
        pipe.send_bytes(message)


@contextmanager
def echoing() -> Iterator[Connection]:
    """Another process that sends back what it is sent."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=echo, args=(theirs,))
    process.start()
    yield ours
    ours.send_bytes(b"")
    process.join()


def trips(pipe: Connection, message: bytes, times: int) -> None:
    for _ in range(times):
        pipe.send_bytes(message)
        pipe.recv_bytes()


def commits(store: Store, block: Block, times: int) -> None:
    for _ in range(times):
        store.add([record("only", block, [])])


Step = tuple[str, int, Callable[[], Any]]
"""What it is, how often the call does it, the call."""


def steps(pipe: Connection, store: Store) -> Iterator[Step]:
    """Every step, in the order of a replicate's life."""
    call = call_of(null)
    large, small = call(Task(0, 0, CELLS)), call(Task(0, 0, 1))
    sent = pickle.dumps(large), pickle.dumps(small)
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
    yield (
        "a block of one cell, pickled and back",
        100,
        lambda: [pickle.loads(pickle.dumps(small)) for _ in range(100)],
    )
    yield (
        "a cell of a large block, pickled and back",
        CELLS,
        lambda: pickle.loads(pickle.dumps(large)),
    )
    yield "a trip through a pipe and back", 200, lambda: trips(pipe, sent[1], 200)
    yield f"the same with {CELLS:,} numbers", 20, lambda: trips(pipe, sent[0], 20)
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


def shown(seconds: float) -> str:
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
    unit = next(unit for unit, size in units.items() if seconds < 1000 * size)
    return f"{seconds / units[unit]:.3g} {unit}"


def main() -> None:
    """Measure in turn, print medians."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(f"{folder}/steps.db", create=True) as store,
        echoing() as pipe,
    ):
        found = list(steps(pipe, store))
        seconds: dict[str, list[float]] = {what: [] for what, _, _ in found}
        for _ in range(ROUNDS + 1):
            for what, times, run in found:
                began = perf_counter()
                run()
                seconds[what].append((perf_counter() - began) / times)
    for what, each in seconds.items():
        print(f"{what:45} {shown(median(each[1:]))}")


if __name__ == "__main__":
    main()
