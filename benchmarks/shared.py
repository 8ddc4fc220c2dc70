"""*shared*: replicates that read one large array; a fresh process for each measurement.

``python -m benchmarks.shared CONTENDER COUNT ITEMS`` is one of them.  The array is made in the
driver.  For joblib and Crystallize it is an argument, so the clock runs while it travels; pools
that take it when they start are given it before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from benchmarks.child import ROOT, answer, command, measured
from benchmarks.memory import Watched
from benchmarks.plan import Plan
from benchmarks.timing import Row, Sample, Table, interleave
from benchmarks.workloads import WORKERS

ITEMS = 25_000_000
"""200 MB of float64."""
FEW = 1_000
"""An array too small to matter: what is held with it is what the program itself takes."""
REPLICATES, QUICK = 200, 20
QUICK_MEMORY = ("joblib loky", "crystallize process")
"""Whose memory a quick run measures."""
WARM = 4
SMALL_SECONDS = 0.5
"""For how long a run with the small array is repeated, so that it can be sampled."""

Run = Callable[[int], Any]

_given: dict[str, np.ndarray] = {}


def make(items: int) -> np.ndarray:
    return np.random.default_rng(0).random(items)


def read(data: np.ndarray) -> float:
    return float(data.sum())


def take(data: np.ndarray) -> None:
    """Keep the array in a worker."""
    _given["data"] = data


def read_given(index: int) -> float:
    return read(_given["data"])


def read_shared(data: np.ndarray, index: int) -> float:
    return read(data)


@contextmanager
def bare(items: int) -> Iterator[Run]:
    data = make(items)
    yield lambda count: [read(data) for _ in range(count)]


@contextmanager
def executor_map(items: int) -> Iterator[Run]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    data = make(items)
    with ProcessPoolExecutor(
        WORKERS, mp_context=get_context("spawn"), initializer=take, initargs=(data,)
    ) as pool:
        yield lambda count: list(pool.map(read_given, range(count)))


@contextmanager
def mpire(items: int) -> Iterator[Run]:
    from mpire import WorkerPool

    data = make(items)
    with WorkerPool(WORKERS, shared_objects=data, start_method="fork", keep_alive=True) as pool:
        yield lambda count: pool.map(read_shared, range(count), chunk_size=1)


@contextmanager
def joblib(backend: str, items: int) -> Iterator[Run]:
    from joblib import Parallel, delayed

    data = make(items)
    small = make(FEW)

    def run(count: int) -> Any:
        array = data if count > WARM else small  # a warm run must not send the array beforehand
        parallel = Parallel(n_jobs=WORKERS, backend=backend)
        return parallel(delayed(read)(array) for _ in range(count))

    yield run


@contextmanager
def crystallize(executor_type: str, items: int) -> Iterator[Run]:
    from crystallize import Experiment

    # Held by the experiment alone, as in a program that gives it and forgets it.
    given = [make(items)]
    small = make(FEW)

    def run(count: int) -> Any:
        data = given.pop() if count > WARM else small
        experiment = Experiment(
            read,
            {"only": {"data": data}},
            replicates=count,
            execution="parallel",
            execution_options={"executor_type": executor_type, "max_workers": WORKERS},
        )
        del data
        return experiment.run().metrics["only"]["value"]

    yield run


CONTENDERS = {
    "bare loop": bare,
    "ProcessPoolExecutor.map": executor_map,
    "joblib loky": partial(joblib, "loky"),
    "joblib threading": partial(joblib, "threading"),
    "mpire": mpire,
    "crystallize thread": partial(crystallize, "thread"),
    "crystallize process": partial(crystallize, "process"),
}
NOTES = {
    "ProcessPoolExecutor.map": "given the array by its initializer before the clock starts",
    "mpire": "given the array by fork before the clock starts",
}


def main(contender: str, count: str, items: str) -> None:
    """One measurement, printed."""
    with CONTENDERS[contender](int(items)) as run:
        run(WARM)
        clock, began = monotonic(), perf_counter()
        values = run(int(count))
        seconds = perf_counter() - began
        while int(items) == FEW and monotonic() - clock < SMALL_SECONDS:
            run(WARM)
        ended = monotonic()
    if len(set(values)) != 1 or len(values) != int(count):
        raise RuntimeError(f"{contender} read different arrays.")
    print(json.dumps({"seconds": seconds, "began": clock, "ended": ended}))


def held(contender: str, count: int, items: int) -> tuple[float, float]:
    """The median and the most of the bytes held by driver and workers during a run."""
    watched = Watched(command("shared", contender, count, items), ROOT)
    found = answer(watched.printed)
    return watched.held(found["began"], found["ended"])


def copies(contender: str, count: int) -> dict[str, float]:
    """How many copies of the array there are on the machine."""
    size = ITEMS * np.dtype(np.float64).itemsize
    with_array = held(contender, count, ITEMS)
    without, _ = held(contender, count, FEW)
    return {
        "copies held": (with_array[0] - without) / size,
        "copies at the peak": (with_array[1] - without) / size,
    }


def measure(plan: Plan) -> Table:
    """All contenders in turn, and then what each holds, in runs that are not timed."""
    count = plan.count(REPLICATES, QUICK)
    table, runs = {}, {}
    for name in filter(plan.wants, CONTENDERS):
        package = name.split()[0]
        if package in ("joblib", "mpire") and not _installed(package):
            plan.leave_out(f"{name} is left out: {package} is not installed.")
            continue
        table[name] = Row(count, note=NOTES.get(name, ""))
        runs[name] = partial(_timed, name, count)
    interleave(runs, table, 1 if plan.quick else plan.rounds)
    if not _installed("psutil"):
        plan.leave_out("The memory of shared is left out: psutil is not installed.")
        return table
    for name, row in table.items():
        if plan.quick and name not in QUICK_MEMORY:
            continue
        for what, value in copies(name, count).items():
            if value == value:  # nothing was sampled where a run was too short
                row.values.setdefault(what, []).append(value)
    return table


def _timed(name: str, count: int) -> Sample:
    return Sample(measured("shared", name, count, ITEMS)["seconds"])


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


if __name__ == "__main__":
    main(*sys.argv[1:])
