"""Whether what a run is to keep fits into memory: said before it is filled, not by a killed run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from crystallize.errors import TooLargeError

LEAST_BYTES = 9
"""What a cell takes at the least: one byte, and eight for a number that it returns."""


class Room:
    """The memory that the columns of a run need once they are filled.

    Parameters
    ----------
    replicates_of : mapping of str to int
        Condition -> how many replicates it has.

    Raises
    ------
    TooLargeError
        If this machine has not even the memory for one number of each cell.
    """

    def __init__(self, replicates_of: Mapping[str, int]) -> None:
        self._memory = _memory()
        self._needed = 0
        cells = sum(replicates_of.values())
        if cells * LEAST_BYTES > self._memory:
            raise TooLargeError(
                f"replicates: {cells:,} cells need at least {_gigabytes(cells * LEAST_BYTES)} of "
                f"memory, and this machine has {_gigabytes(self._memory)}. Give fewer, or run "
                "parts of them as experiments of their own, each with its seed and store."
            )

    def take(self, condition: str, metric: str, size: int, replicates: int) -> None:
        """Count in a column, which is allocated but not filled.

        Parameters
        ----------
        condition, metric : str
        size : int
            How many bytes it takes.
        replicates : int
            Of how many replicates it is.

        Raises
        ------
        TooLargeError
            If there is not the memory to fill it beside the others.
        """
        self._needed += size
        if self._needed > self._memory:
            raise TooLargeError(
                f"Condition {condition!r}, metric {metric!r}: {size // replicates:,} bytes in each "
                f"of {replicates:,} replicates are {_gigabytes(size)}, all metrics so far "
                f"{_gigabytes(self._needed)}, and this machine has {_gigabytes(self._memory)} "
                "of memory. Return what is needed of it (a mean, a few quantiles), or write it "
                "to a file and return the file's name. What had finished is kept, on this "
                "exception as .result and in the store, if there is one."
            )


def _memory() -> int:
    """How many bytes of memory there are; more than any, where nobody says."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**63 // LEAST_BYTES


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
