"""*sleep*: coroutines that wait, many at once; a fresh process for each measurement.

``python -m benchmarks.sleep CONTENDER COUNT`` is one of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from time import perf_counter

from benchmarks.memory import peak

SECONDS = 0.01
CONCURRENCY = 1_000
REPLICATES, QUICK = 100_000, 10_000


async def wait() -> float:
    await asyncio.sleep(SECONDS)
    return 0.5


async def window(count: int) -> list[float]:
    """The leanest: as many tasks as may wait at once, each taking the next index."""
    values = [0.0] * count
    indices = iter(range(count))

    async def work() -> None:
        for index in indices:
            values[index] = await wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONCURRENCY, count)):
            group.create_task(work())
    return values


def column(count: int) -> object:
    """The leanest, and its values as a NumPy array, as Crystallize gives them."""
    import numpy as np

    return np.array(asyncio.run(window(count)))


async def semaphore(count: int) -> list[float]:
    """The usual: a task for each, and a semaphore."""
    room = asyncio.Semaphore(CONCURRENCY)

    async def one() -> float:
        async with room:
            return await wait()

    return await asyncio.gather(*(one() for _ in range(count)))


def crystallize(count: int) -> list[float]:
    from crystallize import Experiment

    options = {"max_concurrency": CONCURRENCY}
    experiment = Experiment(wait, replicates=count, execution="async", execution_options=options)
    return experiment.run().metrics["baseline"]["value"]


CONTENDERS = {
    "asyncio window": lambda count: asyncio.run(window(count)),
    "asyncio window, NumPy": column,
    "asyncio semaphore": lambda count: asyncio.run(semaphore(count)),
    "crystallize async": crystallize,
}
PEER = "crystallize-ml async"


def main(contender: str, count: str) -> None:
    """One measurement, printed."""
    run = CONTENDERS[contender]
    run(10)
    idle = peak()
    began = perf_counter()
    values = run(int(count))
    seconds = perf_counter() - began
    if len(values) != int(count):
        raise RuntimeError(f"{contender} gave {len(values)} values of {count}.")
    print(json.dumps({"seconds": seconds, "idle": idle, "peak": peak()}))


def measure(plan, peer):
    """All contenders, in turn."""
    from contextlib import ExitStack

    from benchmarks.child import measured
    from benchmarks.peer import PeerUnavailable
    from benchmarks.timing import Row, Sample, interleave

    count = plan.count(REPLICATES, QUICK)

    def one(name):
        found = measured("sleep", name, count)
        return Sample(found["seconds"], {"peak bytes": found["peak"], "idle bytes": found["idle"]})

    table, runs = {}, {}
    for name in filter(plan.wants, CONTENDERS):
        table[name] = Row(count)
        runs[name] = partial(one, name)
    with ExitStack() as stack:
        if plan.wants(PEER):
            try:
                side = peer.start(stack)
                fewer = min(count, CONCURRENCY)
                table[PEER] = Row(fewer, note=f"{fewer} replicates only: it starts all at once")
                runs[PEER] = lambda: Sample(side.ask("measure async", "sleep", fewer)["seconds"])
            except PeerUnavailable as error:
                plan.leave_out(str(error))
        return interleave(runs, table, plan.rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
