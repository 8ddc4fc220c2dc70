"""*seeds*: the seed of every replicate, for those who want them all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import counts
from benchmarks.plan import Plan
from benchmarks.timing import Table
from benchmarks.workloads import ROOT_SEED

COUNTS = (10**5, 10**6)
QUICK_COUNTS = (10**4,)


def by_hand(count: int, folder: Path) -> Callable[[], object]:
    import numpy as np

    def seed(replicate: int) -> int:
        stream = np.random.SeedSequence(ROOT_SEED, spawn_key=(replicate,))
        return int(stream.generate_state(1, np.uint64)[0])

    return lambda: [seed(replicate) for replicate in range(count)]


def of_result(count: int, folder: Path) -> Callable[[], object]:
    """Those of a result that nobody has looked at yet."""
    from benchmarks.workloads import null
    from crystallize import Experiment

    result = Experiment(null, replicates=count, seed=ROOT_SEED, keep="summary").run()
    return lambda: result.seeds


CONTENDERS: dict[str, counts.Make] = {"by hand": by_hand, "crystallize": of_result}


def measure(plan: Plan) -> Table:
    """Each number of seeds, made by hand one after another and by a result."""
    return counts.measure(plan, "seeds", CONTENDERS, COUNTS, QUICK_COUNTS)


if __name__ == "__main__":
    counts.main(CONTENDERS, *sys.argv[1:])
