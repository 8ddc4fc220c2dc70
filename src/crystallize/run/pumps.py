"""The ways to drive a run: to the end, on the caller's event loop, or batch by batch."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, suppress
from typing import Any

from crystallize.callables import is_async
from crystallize.cells.outcomes import Outcomes
from crystallize.contracts import TICK
from crystallize.plugins.execution.event_loop import loop_is_running, without_running_loop
from crystallize.results.result import Result
from crystallize.run.run import Run

BATCHES_AHEAD = 16
"""How many batches a stream keeps ready for a consumer in another thread."""


_END: Any = object()


def run(driver: Run) -> Result:
    """Run to the end, also where an event loop runs in this thread."""
    with driver.interrupts.handled(), driver.running():
        if driver.executor.is_async:
            without_running_loop(lambda: asyncio.run(_adrain(driver)))
        elif is_async(driver.experiment.function):
            without_running_loop(lambda: _drain(driver))
        else:
            _drain(driver)
    return driver.conclude()


async def arun(driver: Run) -> Result:
    """Run to the end while the caller's event loop goes on."""
    with driver.running():
        if driver.executor.is_async:
            await _adrain(driver)
        else:
            worker = asyncio.ensure_future(asyncio.to_thread(_drain, driver))
            try:
                await asyncio.shield(worker)
            except asyncio.CancelledError:
                driver.interrupts.requested = True  # seen at the next completion or tick
                await asyncio.wait([worker])
                raise
    return driver.conclude()


def stream(driver: Run) -> Iterator[Outcomes]:
    """Run, giving each batch of outcomes as it lands."""
    needs_thread = driver.executor.is_async or (
        is_async(driver.experiment.function) and loop_is_running()
    )
    steps: Any = _elsewhere(driver) if needs_thread else _interruptible(driver, _steps(driver))
    with driver.running(), closing(steps):
        for batches in steps:
            yield from batches
    driver.conclude()


def _drain(driver: Run) -> None:
    for _ in _steps(driver):
        pass


async def _adrain(driver: Run) -> None:
    async with aclosing(_asteps(driver)) as steps:  # type: ignore[type-var]
        async for _ in steps:
            pass


def _interruptible(driver: Run, steps: Iterator[list[Outcomes]]) -> Iterator[list[Outcomes]]:
    """Signals are ours while the run goes on, and the consumer's while it has a batch."""
    with closing(steps):  # type: ignore[type-var]
        while True:
            with driver.interrupts.handled():
                batches = next(steps, _END)
            if batches is _END:
                return
            yield batches


def _steps(driver: Run) -> Iterator[list[Outcomes]]:
    executor, next_of, land = driver.executor, driver.interrupts.next_of, driver.land
    with executor.failing():
        completions = executor.completions(driver.next_task, driver)
    with closing(completions):
        while True:
            try:
                completion = next_of(completions, _END)
            except BaseException:
                with executor.failing():
                    raise
            if completion is _END:
                driver.exhausted()
                break
            if (batches := land(completion)) or completion is None:
                yield batches
            if driver.over:
                break
    yield driver.release()


async def _asteps(driver: Run) -> AsyncIterator[list[Outcomes]]:
    executor, land = driver.executor, driver.land
    with executor.failing():
        completions = executor.completions(driver.next_task, driver)
    async with aclosing(completions):
        try:
            while True:
                try:
                    completion = await completions.__anext__()
                except StopAsyncIteration:
                    driver.exhausted()
                    break
                except BaseException:
                    with executor.failing():
                        raise
                if (batches := land(completion)) or completion is None:
                    yield batches
                if driver.over:
                    break
        finally:
            driver.leave()
    yield driver.release()


def _elsewhere(driver: Run) -> Iterator[list[Outcomes]]:
    """The batches of a run in a thread of its own, where an event loop can run."""
    landed: queue.Queue[Any] = queue.Queue(BATCHES_AHEAD)
    left = threading.Event()

    def put(item: Any) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                landed.put(item, timeout=TICK)
                return

    async def adrive() -> None:
        async with aclosing(_asteps(driver)) as steps:  # type: ignore[type-var]
            async for batch in steps:
                put(batch)
                if left.is_set():
                    return

    def drive() -> None:
        for batch in _steps(driver):
            put(batch)
            if left.is_set():
                return

    def target() -> None:
        try:
            asyncio.run(adrive()) if driver.executor.is_async else drive()
            put(_END)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=target, name="crystallize-stream", daemon=True)
    thread.start()
    try:
        while (item := landed.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        thread.join()
