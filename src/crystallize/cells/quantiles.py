"""Quantiles of numbers that are there, or of the counts that are left of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Quantiles(NamedTuple):
    """Numbers in ascending order, from which quantiles are read.

    Attributes
    ----------
    numbers : array of float
    upto : array of int or None
        How many there are up to each; ``None`` where each is there once.
    """

    numbers: Floats
    upto: npt.NDArray[np.int64] | None = None

    def at(self, share: float) -> float | None:
        """The number below which a share of them is.

        Between two numbers it is interpolated as :func:`numpy.quantile` does it, type 7 of
        Hyndman and Fan (1996).

        Examples
        --------
        >>> numbers = Quantiles(np.array([1.0, 2.0, 4.0]))
        >>> numbers.at(0.0), numbers.at(0.5), numbers.at(0.75)
        (1.0, 2.0, 3.0)
        """
        n = len(self.numbers) if self.upto is None else int(self.upto[-1:].sum())
        if not n:
            return None
        place = share * (n - 1)
        rank = min(math.floor(place), n - 1)
        part = place - rank
        below, above = self._ranked(rank), self._ranked(min(rank + 1, n - 1))
        return below if not part or below == above else below * (1 - part) + above * part

    def _ranked(self, rank: int) -> float:
        if self.upto is not None:
            rank = int(np.searchsorted(self.upto, rank, side="right"))
        return float(self.numbers[rank])
