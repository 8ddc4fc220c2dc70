"""A replicate's randomness: a function of (root seed, replicate) and of nothing else."""

from __future__ import annotations

import numpy as np
from numpy.random import SeedSequence

from crystallize.checks import whole_number

RULE = "numpy.random.SeedSequence(root).spawn(n)[replicate]"
"""How anyone gets a replicate's stream by hand; recorded in the provenance."""


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


def seed_sequence(root: int, replicate: int) -> SeedSequence:
    """The stream of one replicate, without spawning those before it.

    Examples
    --------
    >>> by_hand = SeedSequence(5).spawn(10)[7]
    >>> seed_sequence(5, 7).generate_state(4).tolist() == by_hand.generate_state(4).tolist()
    True
    """
    return SeedSequence(root, spawn_key=(replicate,))


def seed_of(sequence: SeedSequence) -> int:
    """The first 64-bit word of a stream's state, for libraries other than NumPy."""
    return int(sequence.generate_state(1, np.uint64)[0])


def replicate_seed(root: int, replicate: int) -> int:
    """The ``seed`` of one replicate."""
    return seed_of(seed_sequence(root, replicate))
