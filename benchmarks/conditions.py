"""*conditions*: ever more conditions of one replicate each, a fresh process for each number.

``python -m benchmarks.conditions CONTENDER COUNT`` is one measurement.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.child import measured
from benchmarks.plan import Plan
from benchmarks.timing import Row, Sample, Table, interleave
from benchmarks.workloads import WORKERS

COUNTS = (10**3, 10**4, 10**5)
QUICK_COUNTS = COUNTS[:2]
MOST_ROUNDS = 3
WARM = 100

Parameters = dict[str, dict[str, int]]


def half(n: int) -> float:
    return n / 2


def parameters(count: int) -> Parameters:
    return {f"n={n}": {"n": n} for n in range(count)}


def bare(conditions: Parameters, folder: Path) -> Callable[[], object]:
    return lambda: {name: half(**given) for name, given in conditions.items()}


def run(conditions: Parameters, folder: Path, **options: Any) -> Callable[[], object]:
    """A run; making the experiment is not part of it."""
    from crystallize import Experiment

    return Experiment(half, conditions, seed=1, **options).run


def resume(conditions: Parameters, folder: Path) -> Callable[[], object]:
    store = folder / f"{len(conditions)}.db"
    run(conditions, folder, store=store)()
    return run(conditions, folder, store=store)


def look(conditions: Parameters, folder: Path) -> Callable[[], object]:
    from crystallize import Result

    store = folder / f"{len(conditions)}.db"
    run(conditions, folder, store=store)()
    return lambda: Result.from_store(store).summary()


PARALLEL = partial(run, execution="parallel")
CONTENDERS: dict[str, Callable[[Parameters, Path], Callable[[], object]]] = {
    "bare list": bare,
    "crystallize serial": run,
    "crystallize thread": partial(PARALLEL, execution_options={"max_workers": WORKERS}),
    "crystallize process": partial(
        PARALLEL, execution_options={"executor_type": "process", "max_workers": WORKERS}
    ),
    "crystallize resume": resume,
    "crystallize show": look,
}


def main(contender: str, count: str) -> None:
    """One measurement, printed."""
    with tempfile.TemporaryDirectory() as folder:
        make = CONTENDERS[contender]
        make(parameters(WARM), Path(folder))()
        action = make(parameters(int(count)), Path(folder))
        began = perf_counter()
        action()
        print(json.dumps({"seconds": perf_counter() - began}))


def measure(plan: Plan) -> Table:
    """Each number of conditions under each contender; rows are named ``contender, count``."""
    counts: tuple[int, ...] = QUICK_COUNTS if plan.quick else COUNTS
    if plan.replicates is not None:
        counts = (plan.replicates,)

    def one(name: str, count: int) -> Sample:
        return Sample(measured("conditions", name, count)["seconds"], {})

    table, runs = {}, {}
    for name in filter(plan.wants, CONTENDERS):
        for count in counts:
            table[row_name(name, count)] = Row(count)
            runs[row_name(name, count)] = partial(one, name, count)
    return interleave(runs, table, min(plan.rounds, MOST_ROUNDS))


def row_name(contender: str, count: int) -> str:
    """The name of a row."""
    return f"{contender}, {count:,}"


if __name__ == "__main__":
    main(*sys.argv[1:])
