"""*growth*: ever more trivial replicates, a fresh process for each number of them.

``python -m benchmarks.growth CONTENDER COUNT`` is one measurement.
"""

from __future__ import annotations

import gc
import json
import sys
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks import memory
from benchmarks.child import measured
from benchmarks.plan import Plan
from benchmarks.timing import Row, Sample, Table, interleave
from benchmarks.workloads import WORKERS, null, null_of

COUNTS = (10**4, 10**5, 10**6, 10**7)
QUICK_COUNTS = COUNTS[:2]
MOST_ROUNDS = 3
"""The largest take long, and are long enough to vary little."""
WARM = 100


def bare(count: int) -> list[float]:
    return [null_of(index) for index in range(count)]


def crystallize(count: int, **options: Any) -> Any:
    from crystallize import Experiment

    return Experiment(null, replicates=count, **options).run()


PROCESSES = {"executor_type": "process", "max_workers": WORKERS}
CONTENDERS = {
    "bare list": bare,
    "crystallize serial": crystallize,
    "crystallize process": partial(crystallize, execution="parallel", execution_options=PROCESSES),
}


def main(contender: str, count: str) -> None:
    """One measurement, printed; memory is the driver's own."""
    run = CONTENDERS[contender]
    run(WARM)
    gc.collect()
    memory.forget_peak()
    before = memory.resident()
    began = perf_counter()
    result = run(int(count))
    seconds = perf_counter() - began
    most = memory.peak()
    gc.collect()
    after = memory.resident()
    del result
    print(json.dumps({"seconds": seconds, "kept": after - before, "peak": most - before}))


def measure(plan: Plan) -> Table:
    """Each number of replicates under each contender; rows are named ``contender, count``."""
    counts = QUICK_COUNTS if plan.quick else COUNTS
    if plan.replicates is not None:
        counts = (plan.replicates,)

    def one(name: str, count: int) -> Sample:
        found = measured("growth", name, count)
        each = {
            "bytes kept a number": found["kept"] / count,
            "bytes at the peak a number": found["peak"] / count,
        }
        return Sample(found["seconds"], each)

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
