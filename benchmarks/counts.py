"""Workloads of ever more of something: each number of it in a fresh process of its own.

``python -m benchmarks.MODULE CONTENDER COUNT`` is one measurement of such a workload.
"""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import memory
from benchmarks.child import measured
from benchmarks.plan import Plan
from benchmarks.timing import Row, Sample, Table, interleave

MOST_ROUNDS = 3
"""The largest take long, and are long enough to vary little."""
WARM = 100
KEPT, AT_THE_PEAK = "bytes kept each", "bytes at the peak each"

Make = Callable[[int, Path], Callable[[], object]]
"""Prepares to measure so many, with a folder for files; calling what it gives is timed."""


def main(contenders: Mapping[str, Make], contender: str, count: str) -> None:
    """One measurement, printed; memory is the driver's own."""
    make, number = contenders[contender], int(count)
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
        make(WARM, Path(warm))()
        action = make(number, Path(folder))
        gc.collect()
        memory.forget_peak()
        before = memory.resident()
        began = perf_counter()
        result = action()
        seconds = perf_counter() - began
        most = memory.peak()
        gc.collect()
        after = memory.resident()
        del result
        each = {KEPT: (after - before) / number, AT_THE_PEAK: (most - before) / number}
        print(json.dumps({"seconds": seconds, **each}))


def measure(
    plan: Plan,
    module: str,
    contenders: Mapping[str, Make],
    counts: Sequence[int],
    quick: Sequence[int],
) -> Table:
    """Each number under each contender; rows are named ``contender, count``."""

    def one(name: str, count: int) -> Sample:
        found = measured(module, name, count)
        return Sample(found.pop("seconds"), found)

    chosen = quick if plan.quick else counts
    if plan.replicates is not None:
        chosen = (plan.replicates,)
    table, runs = {}, {}
    for name in filter(plan.wants, contenders):
        for count in chosen:
            table[row_name(name, count)] = Row(count)
            runs[row_name(name, count)] = partial(one, name, count)
    return interleave(runs, table, min(plan.rounds, MOST_ROUNDS))


def row_name(contender: str, count: int) -> str:
    """The name of a row."""
    return f"{contender}, {count:,}"
