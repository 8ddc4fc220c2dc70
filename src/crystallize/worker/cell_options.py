"""What the driver asks of every cell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CellOptions:
    """What the driver asks of every cell.

    Attributes
    ----------
    stop_on_failure : bool
        End a block at its first failed cell.
    seed_globals : bool
        Seed the global generators before each cell.
    blas_threads : int or None
        How many threads BLAS and OpenMP may use in a worker; ``None`` leaves
        them alone.
    timeout : float or None
        Seconds that a cell may take.
    block_seconds : float
        When a block ends early, and the driver schedules the rest of it anew.
    cancels_late_cells : bool
        Whether a coroutine that takes longer is cancelled where it runs, because its
        executor cannot stop it.
    """

    stop_on_failure: bool = False
    seed_globals: bool = False
    blas_threads: int | None = 1
    timeout: float | None = None
    block_seconds: float = 0.3
    cancels_late_cells: bool = False
