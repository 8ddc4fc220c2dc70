"""A replicate's randomness: a function of root seed, replicate and, if asked for, levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import SeedSequence

from crystallize.checks import whole_number

FORMULAS = {
    "numpy": "numpy.random.SeedSequence(root).spawn(n)[replicate]",
    "crystallize-ml": "(root + 31337 * replicate) % 2**32",
}
"""Rule -> how anyone gets a replicate's stream by hand; recorded in the provenance."""
APART = "numpy.random.SeedSequence(root, spawn_key=(key, replicate)), key of the levels of {names}"
"""The same where conditions have streams of their own."""

OF_TRIES = 0x72657472
"""In the keys of streams for waits, where those that a function spawns have 0, 1, 2, ..."""


def root_seed(seed: object) -> int:
    """Check a root seed, or draw one from the operating system where it is ``None``.

    Raises
    ------
    InvalidValueError
        For anything but a whole number, 0 or more.  Sequences are refused:
        ``SeedSequence(5)`` and ``SeedSequence([5, 0])`` are the same stream.
    """
    if seed is None:
        # 64 of the 128 bits: enough against collisions, and a number that JSON readers keep.
        return int(SeedSequence().generate_state(1, np.uint64)[0])
    return whole_number("seed", seed)


@dataclass(frozen=True, slots=True)
class Seeding:
    """How the randomness of every replicate follows from one number.

    Parameters
    ----------
    root : int
        The root seed.
    rule : {"numpy", "crystallize-ml"}
        The replicate's own stream of NumPy's ``SeedSequence``, or the seeds that
        crystallize-ml 0.27 gave, for studies that began there.
    keys : mapping of str to int
        Condition -> the key of its streams, of those that have their own; see
        :mod:`crystallize.description.stream_keys`.
    key : int, optional
        That of the condition that this is of.

    Examples
    --------
    >>> by_hand = SeedSequence(5).spawn(10)[7]
    >>> Seeding(5).sequence(7).generate_state(4).tolist() == by_hand.generate_state(4).tolist()
    True
    >>> Seeding(42, "crystallize-ml").seed(2)
    62716
    """

    root: int
    rule: str = "numpy"
    keys: Mapping[str, int] = field(default_factory=dict)
    key: int | None = None

    def of(self, condition: str) -> Seeding:
        """That of one condition."""
        return Seeding(self.root, self.rule, key=self.keys.get(condition)) if self.keys else self

    def sequence(self, replicate: int) -> SeedSequence:
        """The stream of one replicate, without spawning those before it."""
        assert not self.keys, "conditions have streams of their own: ask `of` one"
        if self.rule == "numpy":
            own = (replicate,) if self.key is None else (self.key, replicate)
            return SeedSequence(self.root, spawn_key=own)
        return SeedSequence(self.seed(replicate))

    def seed(self, replicate: int) -> int:
        """A number for libraries other than NumPy: the first 64-bit word of the stream's state.

        Under the rule of crystallize-ml it is that rule's own 32-bit number.
        """
        if self.rule == "numpy":
            return int(self.sequence(replicate).generate_state(1, np.uint64)[0])
        return (self.root + 31337 * replicate) % 2**32

    def share_of_try(self, replicate: int, attempt: int) -> float:
        """A number from 0 to 1 for the wait after an attempt, from a stream of its own."""
        own = self.sequence(replicate)
        apart = SeedSequence(own.entropy, spawn_key=(*own.spawn_key, OF_TRIES, attempt))
        return float(apart.generate_state(1, np.uint64)[0]) / 2**64

    def seed32(self, replicate: int) -> int:
        """The first 32-bit word of the stream's state, for libraries that take no more.

        It is the low half of :meth:`seed`: ``seed % 2**32``.
        """
        return self.seed(replicate) % 2**32


def formula(rule: str, streams: Sequence[str] = ()) -> str:
    """How anyone gets a replicate's stream by hand."""
    return APART.format(names=", ".join(sorted(streams))) if streams else FORMULAS[rule]
