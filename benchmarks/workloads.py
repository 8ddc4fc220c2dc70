"""What the contenders run: functions at module level, so that processes find them.

Each workload has its function twice.  A contender that is not Crystallize is given the index of
the replicate; Crystallize fills what the function asks for by name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

ROOT_SEED = 2001
"""The root of every stream that the *rng* workload makes by hand."""
WORKERS = 2
"""How many workers every parallel contender has."""

TINY_SECONDS = 10e-6
MILLISECOND = 1e-3
SKEW_MEAN = 1e-3
SKEW_SHAPE = 1.5
SKEW_LONGEST = 600
"""How many times the mean the first replicate of *skew* takes."""
ARRAY_ITEMS = 1250
"""10 kB of float64."""
MEGABYTE = bytes(1_000_000)


def null() -> float:
    return 0.5


def null_of(index: int) -> float:
    return 0.5


def burn(seconds: float) -> float:
    """Keep a CPU busy for a fixed time, so that no contender gains from a quicker clock."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
    return 0.5


def tiny() -> float:
    return burn(TINY_SECONDS)


def tiny_of(index: int) -> float:
    return burn(TINY_SECONDS)


def millisecond() -> float:
    return burn(MILLISECOND)


def millisecond_of(index: int) -> float:
    return burn(MILLISECOND)


def _skewed(count: int) -> list[float]:
    """Pareto-tailed durations with a known mean, the longest first."""
    draw = random.Random(ROOT_SEED)
    least = SKEW_MEAN * (SKEW_SHAPE - 1) / SKEW_SHAPE
    drawn = [least * draw.paretovariate(SKEW_SHAPE) for _ in range(count - 1)]
    return [SKEW_MEAN * SKEW_LONGEST, *drawn]


SKEW_REPLICATES = 2_000
SKEW_SECONDS = _skewed(SKEW_REPLICATES)


def skew(replicate: int) -> float:
    return burn(SKEW_SECONDS[replicate])


def draw(rng: np.random.Generator) -> float:
    return rng.random()


def draw_of(index: int) -> float:
    """The stream that Crystallize gives replicate `index`, made by hand."""
    return np.random.default_rng(np.random.SeedSequence(ROOT_SEED, spawn_key=(index,))).random()


def usual(scale: float, shift: float, rng: np.random.Generator) -> dict[str, float]:
    """What people write: two parameters, a few draws, a dict of three."""
    first, second, third = rng.random(), rng.random(), rng.random()
    return {"mean": shift + scale * first, "spread": second, "bound": third}


def usual_of(index: int) -> dict[str, float]:
    stream = np.random.default_rng(np.random.SeedSequence(ROOT_SEED, spawn_key=(index,)))
    return usual(**USUAL_PARAMETERS, rng=stream)


USUAL_PARAMETERS = {"scale": 2.0, "shift": 0.5}


def three() -> dict[str, float]:
    return {"a": 0.5, "b": 1.5, "c": 2.5}


def three_of(index: int) -> dict[str, float]:
    return {"a": 0.5, "b": 1.5, "c": 2.5}


WIDE_METRICS = 1_000
WIDE = {f"m{number}": number / 2 for number in range(WIDE_METRICS)}


def wide() -> dict[str, float]:
    return WIDE.copy()


def wide_of(index: int) -> dict[str, float]:
    return WIDE.copy()


def array() -> dict[str, np.ndarray]:
    return {"array": np.full(ARRAY_ITEMS, 0.5)}


def array_of(index: int) -> np.ndarray:
    return np.full(ARRAY_ITEMS, 0.5)


def hashed() -> float:
    import hashlib

    return float(hashlib.sha256(MEGABYTE).digest()[0])


def hashed_of(index: int) -> float:
    return hashed()


@dataclass(frozen=True)
class Workload:
    """One workload of a loop over replicates.

    Attributes
    ----------
    name : str
    what : str
        For the page and the table.
    replicates, quick : int
        How many, in a whole run and in a quick one.
    named : callable
        For Crystallize.
    indexed : callable
        For everyone else.
    contenders : tuple of str
        Those that it is run under.
    seconds : sequence of float, optional
        Known durations, where they differ: the limit divides them evenly.
    parameters : mapping of str to object
        What Crystallize is given as parameters; the indexed function knows them.
    """

    name: str
    what: str
    replicates: int
    quick: int
    named: Callable[..., Any]
    indexed: Callable[[int], Any]
    contenders: tuple[str, ...]
    seconds: Sequence[float] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def shares(self, count: int) -> list[Sequence[int]]:
        """Divide the first `count` replicates among the workers of the limit."""
        if self.seconds is None:
            half = count // WORKERS
            return [
                range(worker * half, count if worker == WORKERS - 1 else (worker + 1) * half)
                for worker in range(WORKERS)
            ]
        # The longest first, always to the worker with least: the best there is for many.
        shares: list[list[int]] = [[] for _ in range(WORKERS)]
        loads = [0.0] * WORKERS
        for index in sorted(range(count), key=self.seconds.__getitem__, reverse=True):
            worker = loads.index(min(loads))
            shares[worker].append(index)
            loads[worker] += self.seconds[index]
        return list(shares)


PROCESSES = ("ProcessPoolExecutor.map", "Pool.imap", "joblib loky", "mpire")
BARE = ("bare loop", "limit")
OWN = ("crystallize serial", "crystallize process")

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "null",
            "trivial replicates",
            100_000,
            20_000,
            null,
            null_of,
            (
                *BARE,
                *PROCESSES,
                "joblib threading",
                "crystallize serial",
                "crystallize thread",
                "crystallize process",
                "crystallize-ml serial",
                "crystallize-ml process",
            ),
        ),
        Workload(
            "tiny",
            "about 10 us each",
            20_000,
            5_000,
            tiny,
            tiny_of,
            (
                *BARE,
                *PROCESSES,
                "crystallize serial",
                "crystallize process",
                "crystallize-ml process",
            ),
        ),
        Workload(
            "1 ms",
            "1 ms each",
            2_000,
            200,
            millisecond,
            millisecond_of,
            (
                *BARE,
                *PROCESSES,
                "crystallize serial",
                "crystallize process",
                "crystallize-ml process",
            ),
        ),
        Workload(
            "skew",
            "one of 600 ms first, then Pareto-tailed, 1 ms in the mean",
            SKEW_REPLICATES,
            400,
            skew,
            skew,
            (*BARE, *PROCESSES, "crystallize process"),
            SKEW_SECONDS,
        ),
        Workload(
            "rng",
            "one number drawn from the replicate's own stream",
            100_000,
            10_000,
            draw,
            draw_of,
            (
                *BARE,
                *PROCESSES,
                "crystallize serial",
                "crystallize process",
                "crystallize-ml serial",
            ),
        ),
        Workload(
            "usual",
            "two parameters, three draws from the replicate's own stream, a dict of three",
            50_000,
            10_000,
            usual,
            usual_of,
            (*BARE, "joblib loky", "ProcessPoolExecutor.map", "Pool.imap", *OWN),
            parameters=USUAL_PARAMETERS,
        ),
        Workload(
            "dict",
            "trivial replicates that return a dict of three",
            100_000,
            20_000,
            three,
            three_of,
            (*BARE, "ProcessPoolExecutor.map", "Pool.imap", *OWN),
        ),
        Workload(
            "wide",
            "trivial replicates that return 1,000 metrics",
            2_000,
            500,
            wide,
            wide_of,
            (*BARE, "joblib loky", "ProcessPoolExecutor.map", "Pool.imap", *OWN),
        ),
        Workload(
            "numpy",
            "an array of 10 kB returned",
            2_000,
            2_000,
            array,
            array_of,
            (
                *BARE,
                *PROCESSES,
                "joblib threading",
                "crystallize serial",
                "crystallize process",
                "crystallize-ml process",
            ),
        ),
        Workload(
            "thread",
            "1 MB hashed, which releases the GIL",
            2_000,
            300,
            hashed,
            hashed_of,
            (*BARE, "joblib threading", "crystallize thread", "crystallize-ml thread"),
        ),
    )
}
