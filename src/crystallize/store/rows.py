"""What stands in a row of a store, each under a checksum of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_GENERATIONS = 2**31
"""No store has so many; they are kept in arrays."""


@dataclass(frozen=True, slots=True)
class Record:
    """Some finished cells: replicates [start, stop) of conditions, and what they came to.

    Attributes
    ----------
    conditions : tuple of str
        One, or those of a sheet; of the last of these there may be fewer replicates.
    start, stop : int
    payload : bytes
    generation : int
        What they ran under: see :mod:`crystallize.store.generations`.
    """

    conditions: tuple[str, ...]
    start: int
    stop: int
    payload: bytes
    generation: int = 0

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Record | None:
        """From what stands in the table; ``None`` where that is none, because it is damaged."""
        given, start, stop, payload, generation = row
        conditions = conditions_of(given)
        is_one = (
            conditions
            and isinstance(payload, bytes)
            and all(isinstance(number, int) for number in (start, stop, generation))
            and 0 <= start < stop
            and 0 <= generation < MOST_GENERATIONS
        )
        return cls(conditions, start, stop, payload, generation) if is_one else None

    @property
    def given(self) -> str | bytes:
        """What stands in the table for the conditions: a name, or JSON that no name can be."""
        if len(self.conditions) == 1:
            return self.conditions[0]
        return json.dumps(self.conditions).encode()

    @property
    def name(self) -> str:
        """What messages call it."""
        first, *others = self.conditions
        of = f"condition {first!r}"
        if others:
            of = f"{len(self.conditions)} conditions from {first!r} to {others[-1]!r}"
        return f"replicates {self.start} to {self.stop - 1} of {of}"

    def checksum(self, store: str = "") -> bytes:
        """SHA-256 over all of it, so that no part can change unseen.

        Parameters
        ----------
        store : str
            What tells a store from others, so that none of their records is taken for its own.
        """
        given = self.given
        if isinstance(given, bytes):
            given = f"conditions:{given.decode()}"
        place = f"{self.start}:{self.stop}:{given}"
        if store:
            place = f"{store}:{place}"
        # In format 1 there was no generation that could change.
        of = f"{self.generation}:{place}" if self.generation else place
        digest = hashlib.sha256(of.encode(errors="surrogateescape"))
        digest.update(self.payload)
        return digest.digest()


def conditions_of(given: object) -> tuple[str, ...]:
    """The conditions for which something stands in the table; none where it is damaged."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, bytes):
        return ()
    try:
        names = json.loads(given)
    except (ValueError, RecursionError):
        return ()
    if not (isinstance(names, list) and len(names) > 1 and set(map(type, names)) == {str}):
        return ()
    return tuple(names) if len(set(names)) == len(names) else ()


def checked_row(key: object, value: str) -> tuple[object, str, bytes]:
    """A row of `about` or of `generations`."""
    return key, value, checksum(key, value)


def checksum(key: object, value: object) -> bytes:
    """SHA-256 over a row of `about` or of `generations`."""
    return hashlib.sha256(f"{key}:{value}".encode(errors="surrogateescape")).digest()
