"""*store*: ever more cells in a file, run, resumed and looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import counts
from benchmarks.plan import Plan
from benchmarks.timing import Table
from benchmarks.workloads import null

COUNTS = (10**5, 10**7)
QUICK_COUNTS = COUNTS[:1]


def run(count: int, folder: Path, **options: Any) -> Callable[[], object]:
    from crystallize import Experiment

    return lambda: Experiment(null, replicates=count, seed=1, keep="summary", **options).run()


def stored(count: int, folder: Path) -> Callable[[], object]:
    return run(count, folder, store=folder / "cells.db")


def resume(count: int, folder: Path) -> Callable[[], object]:
    stored(count, folder)()
    return stored(count, folder)


def show(count: int, folder: Path) -> Callable[[], object]:
    from crystallize import Result

    stored(count, folder)()
    return lambda: Result.from_store(folder / "cells.db", keep="summary").summary()


CONTENDERS: dict[str, counts.Make] = {
    "crystallize, no store": run,
    "crystallize, store": stored,
    "crystallize, resume": resume,
    "crystallize, show": show,
}


def measure(plan: Plan) -> Table:
    """Each number of cells, without a store, into one, and from one."""
    return counts.measure(plan, "store", CONTENDERS, COUNTS, QUICK_COUNTS)


if __name__ == "__main__":
    counts.main(CONTENDERS, *sys.argv[1:])
