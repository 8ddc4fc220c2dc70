"""*conditions*: ever more conditions of one replicate each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import counts
from benchmarks.plan import Plan
from benchmarks.timing import Table
from benchmarks.workloads import WORKERS

COUNTS = (10**3, 10**4, 10**5)
QUICK_COUNTS = COUNTS[:2]


def half(n: int) -> float:
    return n / 2


def parameters(count: int) -> dict[str, dict[str, int]]:
    return {f"n={n}": {"n": n} for n in range(count)}


def bare(count: int, folder: Path) -> Callable[[], object]:
    conditions = parameters(count)
    return lambda: {name: half(**given) for name, given in conditions.items()}


def run(count: int, folder: Path, **options: Any) -> Callable[[], object]:
    """A run; making the experiment is not part of it."""
    from crystallize import Experiment

    return Experiment(half, parameters(count), seed=1, **options).run


def resume(count: int, folder: Path) -> Callable[[], object]:
    run(count, folder, store=folder / "cells.db")()
    return run(count, folder, store=folder / "cells.db")


def look(count: int, folder: Path) -> Callable[[], object]:
    from crystallize import Result

    run(count, folder, store=folder / "cells.db")()
    return lambda: Result.from_store(folder / "cells.db").summary()


PARALLEL = partial(run, execution="parallel")
CONTENDERS: dict[str, counts.Make] = {
    "bare list": bare,
    "crystallize serial": run,
    "crystallize thread": partial(PARALLEL, execution_options={"max_workers": WORKERS}),
    "crystallize process": partial(
        PARALLEL, execution_options={"executor_type": "process", "max_workers": WORKERS}
    ),
    "crystallize resume": resume,
    "crystallize show": look,
}


def measure(plan: Plan) -> Table:
    """Each number of conditions under each contender."""
    return counts.measure(plan, "conditions", CONTENDERS, COUNTS, QUICK_COUNTS)


if __name__ == "__main__":
    counts.main(CONTENDERS, *sys.argv[1:])
