"""How much of it to run, and what to say meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass
class Plan:
    """What the command line asked for.

    Attributes
    ----------
    rounds : int
    quick : bool
    replicates : int or None
        For every workload, instead of its own number.
    contenders : collection of str or None
        Only these.
    left_out : list of str
        Why something is missing, a line each.
    """

    rounds: int = 5
    quick: bool = False
    replicates: int | None = None
    contenders: Collection[str] | None = None
    left_out: list[str] = field(default_factory=list)

    def wants(self, contender: str) -> bool:
        return self.contenders is None or contender in self.contenders

    def count(self, whole: int, quick: int) -> int:
        """How many replicates of a workload."""
        if self.replicates is not None:
            return self.replicates
        return quick if self.quick else whole

    def leave_out(self, why: str) -> None:
        """Keep and tell why something is missing, once."""
        if why not in self.left_out:
            self.left_out.append(why)
            self.say(why)

    def say(self, what: str) -> None:
        """Tell how far it is, beside the table."""
        print(what, file=sys.stderr, flush=True)
