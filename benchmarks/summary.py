"""*summary*: ever more trivial replicates, of which only summaries are kept."""

from __future__ import annotations

import sys
from functools import partial

from benchmarks import counts
from benchmarks.growth import crystallize
from benchmarks.plan import Plan
from benchmarks.timing import Table

COUNTS = (10**5, 10**7)
QUICK_COUNTS = COUNTS[:1]
CONTENDERS: dict[str, counts.Make] = {
    "crystallize values": crystallize,
    "crystallize summary": partial(crystallize, keep="summary"),
}


def measure(plan: Plan) -> Table:
    """Each number of replicates, with their values and without."""
    return counts.measure(plan, "summary", CONTENDERS, COUNTS, QUICK_COUNTS)


if __name__ == "__main__":
    counts.main(CONTENDERS, *sys.argv[1:])
