"""Why the ways to run an experiment differ, found out by what agrees with what."""

from __future__ import annotations

from crystallize.errors import CrystallizeError, GlobalRandomWarning, SharedStateWarning
from crystallize.results.result import Result
from crystallize.verification.certificate import FRESH_PROCESS
from crystallize.verification.comparing import compared
from crystallize.verification.runs import Runs

NOT_REPRODUCIBLE = (
    "two fresh processes differ although everything is the same there: it draws from a generator "
    "that is not seeded (ask for 'rng'), or reads the clock, a file or the network"
)
HASH_SEED = (
    "it depends on PYTHONHASHSEED: sets and hashes of text are in another order in another "
    "process; sort what you iterate over"
)
STATE = (
    "run twice in one process it differs, and in fresh processes it does not: a cell changes what "
    "another one reads (a counter, a cache, an attribute of a module)"
)
ELSEWHERE = (
    "in another process it reaches other values than in this program: something that was set or "
    "changed here after its module was imported, or the hash seed"
)
AT_ONCE = (
    "where cells run one after another it is the same: cells that run at once, or in another "
    "order, change what others read"
)


def why_not_the_same(runs: Runs, tolerance: float) -> str | None:
    """Look at what agrees, and run it once more in a fresh process; ``None`` where that fails."""
    if GlobalRandomWarning in runs.told:
        return runs.told[GlobalRandomWarning]
    afresh = [(row, result) for row, result in runs.made if row.strategy == FRESH_PROCESS]
    if len(afresh) < 2:
        return None

    def same(one: Result, other: Result) -> bool:
        return compared(one, other, runs.experiment.replicates, tolerance).first is None

    (row, one), *others = afresh
    try:
        again = runs.afresh(int(str(row.hash_seed)))
    except CrystallizeError:
        return None
    if not same(one, again):
        return NOT_REPRODUCIBLE
    if not all(same(one, other) for _, other in others):
        return HASH_SEED
    (first, result), (second, repeated) = runs.made[:2]
    if first.name == second.name and not same(result, repeated):
        return _with_names(STATE, runs)
    return _with_names(AT_ONCE, runs) if same(result, one) else ELSEWHERE


def _with_names(why: str, runs: Runs) -> str:
    """What is known to be changed by cells, where they were seen to."""
    return " ".join(filter(None, [f"{why}.", runs.told.get(SharedStateWarning)]))
