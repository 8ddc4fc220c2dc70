"""How many cells make a block: as many as take as long as a block should, and fewer at the end."""

from __future__ import annotations

from math import ceil

from crystallize.contracts import Capabilities
from crystallize.run.awaited_balance import AwaitedBalance
from crystallize.run.balance import Balance

BLOCK_SECONDS = Capabilities().block_seconds
"""How long a block should take where the executor asks for nothing else."""


AWAITED_SECONDS = 0.4
"""The same of coroutines: what finishes of their block is kept while it goes on."""


TAIL, TAIL_WITH_LATENCY = 1 / 50, 1 / 5
"""How short a block may get towards the end, when workers are kept even: this share of that."""


FIRST_AWAITED = 16
"""How many cells the first block of coroutines may have: what has not begun can be had back."""


FIRST_CELL_SECONDS, FIRST_CELL_TIMES = 2e-4, 5
"""The first cell of a process that takes less than that may take so many times what others do."""


MAX_CELLS = 2**16
"""How many cells a block may have: while it is gathered, each takes some 70 bytes."""


def block_seconds_of(capabilities: Capabilities) -> float:
    """How long a block should take under an executor."""
    if capabilities.calls_are_async:
        return max(AWAITED_SECONDS, capabilities.block_seconds)
    return capabilities.block_seconds


class BlockSize:
    """What is known of the duration of one condition's cells, or of all, recent ones above all.

    Parameters
    ----------
    block_seconds : float
    first : int
        The size of the first block.
    has_latency : bool
        Whether handing a block out takes long.
    """

    def __init__(self, block_seconds: float, first: int, *, has_latency: bool) -> None:
        self._block_seconds = block_seconds
        self._tail = block_seconds * (TAIL_WITH_LATENCY if has_latency else TAIL)
        self._first = first
        self._cells = 0.0
        self._seconds = 0.0

    def learn(self, cells: int, seconds: float) -> None:
        self._cells = self._cells / 2 + cells
        self._seconds = self._seconds / 2 + seconds

    @property
    def is_known(self) -> bool:
        return bool(self._cells)

    @property
    def each(self) -> float:
        """Seconds a cell; 0 where nothing is known."""
        return max(self._seconds / self._cells, 1e-9) if self._cells else 0.0

    @property
    def is_of_first_cells(self) -> bool:
        """Whether what is known are single cells, so quick that the start of a process counts."""
        return self._cells < 2 and self.each < FIRST_CELL_SECONDS

    def cells(
        self,
        remaining: int,
        workers: int,
        balance: Balance | AwaitedBalance | None = None,
        *,
        starts: bool = False,
    ) -> int:
        """The size of the next block, while `remaining` cells wait for some workers.

        Parameters
        ----------
        remaining, workers : int
        balance : Balance or AwaitedBalance, optional
            Where blocks can be shortened, or give cells back, while they run.
        starts : bool
            Whether only first cells were run so far: then a block may be longer.
        """
        if not self._cells:
            return self._first
        each, longest = self.each, self._block_seconds * (FIRST_CELL_TIMES if starts else 1)
        fitting = min(MAX_CELLS, int(longest / each))
        tail = self._block_seconds * balance.tail if balance else self._tail
        floor = int(tail / each)
        share = remaining // workers
        if balance is None:
            share = 2 * remaining // (3 * workers)
        elif share < fitting:
            share = ceil(balance.share(remaining * each) / each)
            if remaining - share < floor:
                share = remaining
        if share < floor:  # the last round, for which workers should not be asked twice
            share = max(floor, remaining // workers)
        return max(1, min(fitting, share))
