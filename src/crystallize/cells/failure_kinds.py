"""What thousands of failures come down to: those that are alike, counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from crystallize.cells.outcome import CellError

LONGEST = 500
"""How much of a message tells kinds apart."""
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class FailureKind(NamedTuple):
    """Some failures that are alike.

    Attributes
    ----------
    cells : int
        How many.
    first : CellError
        The first of them in replicate order.
    """

    cells: int
    first: CellError


def by_message(error: CellError) -> Hashable:
    """Type and message, whatever numbers stand in it: it may say after how many steps.

    Examples
    --------
    >>> one = CellError("a", 3, 1, "ValueError", "no convergence after 527 steps", "", 1)
    >>> by_message(one)
    ('ValueError', 'no convergence after # steps')
    """
    return error.type, _NUMBERS.sub("#", error.message[:LONGEST])


def by_condition(error: CellError) -> Hashable:
    """Condition and type."""
    return error.condition, error.type


class FailureKinds:
    """Counts failures by what they have in common.

    Parameters
    ----------
    key : callable
        What those that are alike have in common.
    errors : iterable of CellError
    most : int, optional
        How many kinds are told apart; by default all.

    Attributes
    ----------
    others : int
        How many failures are of further kinds.
    """

    def __init__(
        self,
        key: Callable[[CellError], Hashable],
        errors: Iterable[CellError] = (),
        most: int | None = None,
    ) -> None:
        self._key = key
        self._most = most
        self._kinds: dict[Hashable, FailureKind] = {}
        self.others = 0
        for error in errors:
            self.add(error)

    def add(self, error: CellError) -> bool:
        """Count a failure; whether it is the first of its kind."""
        key = self._key(error)
        kind = self._kinds.get(key)
        if kind is None:
            if self._most is not None and len(self._kinds) >= self._most:
                self.others += 1
                return False
            self._kinds[key] = FailureKind(1, error)
            return True
        first = error if error.replicate < kind.first.replicate else kind.first
        self._kinds[key] = FailureKind(kind.cells + 1, first)
        return False

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[FailureKind]:
        """The most frequent first; of equal ones that which failed first."""
        return iter(sorted(self._kinds.values(), key=lambda k: (-k.cells, k.first.replicate)))
