"""What stands in a row of a store, each under a checksum of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """Some finished cells: replicates [start, stop) of a condition, and what they came to.

    Their generation says what they ran under: see :mod:`crystallize.store.generations`.
    """

    condition: str
    start: int
    stop: int
    payload: bytes
    generation: int = 0

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Record | None:
        """From what stands in the table; ``None`` where that is none, because it is damaged."""
        condition, start, stop, payload, generation = row
        is_one = (
            isinstance(condition, str)
            and isinstance(payload, bytes)
            and all(isinstance(number, int) for number in (start, stop, generation))
            and 0 <= start < stop
            and generation >= 0
        )
        return cls(condition, start, stop, payload, generation) if is_one else None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"replicates {self.start} to {self.stop - 1} of condition {self.condition!r}"

    def checksum(self, store: str = "") -> bytes:
        """SHA-256 over all of it, so that no part can change unseen.

        Parameters
        ----------
        store : str
            What tells a store from others, so that none of their records is taken for its own.
        """
        place = f"{self.start}:{self.stop}:{self.condition}"
        if store:
            place = f"{store}:{place}"
        # In format 1 there was no generation that could change.
        of = f"{self.generation}:{place}" if self.generation else place
        digest = hashlib.sha256(of.encode(errors="surrogateescape"))
        digest.update(self.payload)
        return digest.digest()


def checked_row(key: object, value: str) -> tuple[object, str, bytes]:
    """A row of `about` or of `generations`."""
    return key, value, checksum(key, value)


def checksum(key: object, value: object) -> bytes:
    """SHA-256 over a row of `about` or of `generations`."""
    return hashlib.sha256(f"{key}:{value}".encode(errors="surrogateescape")).digest()
