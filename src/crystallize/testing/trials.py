"""What the suites run in workers; nothing here imports pytest, so that workers need none."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

CONDITIONS = {"control": {"shift": 0.0}, "treated": {"shift": 2.5}}
FAILING = 17
"""Late enough that an executor was told of others before it is handed this one."""
LATE_SECONDS = 0.05
"""How long a cell waits before it fails: engines report what ends at once in any order."""
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Awkward(Exception):
    """An exception that cannot be pickled, unpickled or printed."""

    def __init__(self, first: object, second: object) -> None:
        super().__init__(first)
        self.second = second

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickling")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def measured(rng: Any, seed: int, replicate: int, condition: str, shift: float) -> dict[str, Any]:
    """Metrics of every kind, after a random sleep; one replicate of one condition fails."""
    time.sleep(rng.random() / 1000)
    return _measures(rng, seed, replicate, condition, shift)


async def measured_async(
    rng: Any, seed: int, replicate: int, condition: str, shift: float
) -> dict[str, Any]:
    """The same as a coroutine function."""
    await asyncio.sleep(rng.random() / 1000)
    return _measures(rng, seed, replicate, condition, shift)


def _measures(rng: Any, seed: int, replicate: int, condition: str, shift: float) -> dict[str, Any]:
    if replicate == FAILING and shift:
        raise ValueError(f"replicate {replicate}")
    return {
        "x": rng.normal() + shift,
        "count": replicate,
        "odd": bool(replicate % 2),
        "name": f"{condition}-{replicate}",
        "nothing": None,
        "seed": seed,
        "draws": rng.integers(0, 100, size=4),
    }


def drawn(rng: Any, replicate: int, shift: float) -> float:
    """A number that no other seed or replicate gives; one replicate of one condition fails."""
    time.sleep(0.0005)
    return _draw(rng, replicate, shift)


async def drawn_async(rng: Any, replicate: int, shift: float) -> float:
    """The same as a coroutine function."""
    await asyncio.sleep(0.0005)
    return _draw(rng, replicate, shift)


def _draw(rng: Any, replicate: int, shift: float) -> float:
    if replicate == FAILING and shift:
        raise ValueError(f"replicate {replicate}")
    return float(rng.normal() + shift)


def awkward(replicate: int) -> float:
    """Raise an exception that does not travel, at one replicate, when others have finished."""
    if replicate == FAILING:
        time.sleep(LATE_SECONDS)
        raise Awkward(1, 2)
    return float(replicate)


async def awkward_async(replicate: int) -> float:
    """The same as a coroutine function."""
    if replicate == FAILING:
        await asyncio.sleep(LATE_SECONDS)
        raise Awkward(1, 2)
    return float(replicate)


def failing(replicate: int) -> float:
    """Raise at one replicate, when others have finished."""
    if replicate == FAILING:
        time.sleep(LATE_SECONDS)
        raise ValueError(f"replicate {replicate}")
    return float(replicate)


async def failing_async(replicate: int) -> float:
    """The same as a coroutine function."""
    if replicate == FAILING:
        await asyncio.sleep(LATE_SECONDS)
        raise ValueError(f"replicate {replicate}")
    return float(replicate)


def leaving(replicate: int) -> float:
    """Leave the interpreter at one replicate."""
    if replicate == FAILING:
        raise SystemExit(3)
    return float(replicate)


async def leaving_async(replicate: int) -> float:
    """The same as a coroutine function."""
    return leaving(replicate)


def square(index: int) -> int:
    """Square an index."""
    return index * index


async def square_async(index: int) -> int:
    """The same as a coroutine function."""
    await asyncio.sleep(0)
    return index * index


def refusing(index: int) -> int:
    """Raise at one index of a plain loop."""
    if index == 5:
        raise LookupError("index 5")
    return index


async def refusing_async(index: int) -> int:
    """The same as a coroutine function."""
    return refusing(index)


def hanging(replicate: int) -> float:
    """Do not come back at one replicate."""
    if replicate == FAILING:
        time.sleep(600)
    return float(replicate)


async def hanging_async(replicate: int) -> float:
    """The same as a coroutine function."""
    if replicate == FAILING:
        await asyncio.sleep(600)
    return float(replicate)


def global_draws(replicate: int) -> dict[str, Any]:
    """Draw from both global generators, with time for others to do so in between."""
    import numpy as np

    first = random.random(), np.random.random()
    time.sleep(0.002)
    return {"python": first[0] + random.random(), "numpy": first[1] + np.random.random()}


async def global_draws_async(replicate: int) -> dict[str, Any]:
    """The same as a coroutine function; one that gives way would let others draw."""
    return global_draws(replicate)


def killed_once(replicate: int, flag: str, driver: int) -> float:
    """Kill this worker the first time that one replicate is run."""
    if replicate == FAILING and not Path(flag).exists():
        Path(flag).touch()
        kill_worker(driver)
    time.sleep(0.002)
    return float(replicate)


def killed_always(replicate: int, driver: int) -> float:
    """Kill the worker, whichever replicate it is."""
    kill_worker(driver)
    return float(replicate)


def kill_worker(driver: int) -> None:
    """Kill this process, as the kernel does that is out of memory; never the driver's."""
    if os.getpid() == driver:
        raise RuntimeError("this cell runs in the driver's process, which it must not kill")
    os.kill(os.getpid(), KILL)
    time.sleep(60)


def scored(rng: Any, replicate: int, shift: float) -> dict[str, Any]:
    """A few metrics of the kinds that are aggregated, after a random sleep."""
    time.sleep(rng.random() / 2000)
    x = float(rng.normal() + shift)
    return {"x": x, "count": replicate % 7, "above": x > 1.0}
