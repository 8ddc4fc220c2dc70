"""How many numbers there were of each size, for quantiles of more numbers than are kept.

A number is rounded to eight significant bits, which moves it by at most 1/256 of itself; whole
numbers up to 256, halves and the like stay what they are.  What is counted are the leading 19
bits of such a number as IEEE 754 has them: sign, exponent, and seven bits of the fraction.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]

DROPPED = 45
"""How many of the 64 bits are rounded away."""
HALF = np.int64(1 << (DROPPED - 1))


class LeadingBits:
    """Counts of rounded numbers; the order in which they came leaves no trace.

    Parameters
    ----------
    keys : array of int, optional
        The leading bits of those that there were, ascending.
    counts : array of int, optional
        How often there was each.
    """

    def __init__(self, keys: Keys | None = None, counts: Keys | None = None) -> None:
        self.keys: Keys = np.empty(0, np.int64) if keys is None else keys
        self.counts: Keys = np.empty(0, np.int64) if counts is None else counts

    def joined(self, numbers: Floats, times: Keys | None = None) -> LeadingBits:
        """The same with more numbers, infinite ones too; none of them NaN.

        Parameters
        ----------
        numbers : array of float
        times : array of int, optional
            How often there is each.
        """
        keys = (np.ascontiguousarray(numbers).view(np.int64) + HALF) >> DROPPED
        negative = keys < 0
        # The two signs lie half of all keys apart.
        found = (
            [(keys, times)]
            if times is not None
            else [_counted(of_sign) for of_sign in (keys[negative], keys[~negative])]
        )
        keys = np.concatenate([self.keys, *(there for there, _ in found)])
        counts = np.concatenate([self.counts, *(counted for _, counted in found)])
        if not len(keys):
            return self
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
        return LeadingBits(keys[first], np.add.reduceat(counts[order], first))

    def sorted(self) -> tuple[Floats, Keys]:
        """The rounded numbers, ascending, and how many are at most so large."""
        numbers = (self.keys << DROPPED).view(np.float64)
        order = np.argsort(numbers, kind="stable")
        return numbers[order], np.cumsum(self.counts[order])


def _counted(keys: Keys) -> tuple[Keys, Keys]:
    if not len(keys):
        return keys, keys
    least = keys.min()
    counts = np.bincount(keys - least)
    there = np.flatnonzero(counts)
    return there + least, counts[there]
