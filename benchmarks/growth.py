"""*growth*: ever more trivial replicates."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import counts
from benchmarks.plan import Plan
from benchmarks.timing import Table
from benchmarks.workloads import WORKERS, null, null_of

COUNTS = (10**4, 10**5, 10**6, 10**7)
QUICK_COUNTS = COUNTS[:2]


def bare(count: int, folder: Path) -> Callable[[], object]:
    return lambda: [null_of(index) for index in range(count)]


def crystallize(count: int, folder: Path, **options: Any) -> Callable[[], object]:
    from crystallize import Experiment

    return lambda: Experiment(null, replicates=count, **options).run()


PROCESSES = {"executor_type": "process", "max_workers": WORKERS}
CONTENDERS: dict[str, counts.Make] = {
    "bare list": bare,
    "crystallize serial": crystallize,
    "crystallize process": partial(crystallize, execution="parallel", execution_options=PROCESSES),
}


def measure(plan: Plan) -> Table:
    """Each number of replicates under each contender."""
    return counts.measure(plan, "growth", CONTENDERS, COUNTS, QUICK_COUNTS)


if __name__ == "__main__":
    counts.main(CONTENDERS, *sys.argv[1:])
