"""The streams of many replicates at once: NumPy's ``SeedSequence``, a block at a time.

All replicates of an experiment share the entropy of the root seed; only the last word, their
own number, differs.  So what ``SeedSequence(root, spawn_key=(i,))`` does for one `i` with some
hundred operations on 32-bit integers is done here with as many on arrays.

References
----------
O'Neill (2015), "Developing a seed_seq alternative", pcg-random.org, and its form in
``numpy/random/bit_generator.pyx``; NumPy promises that its streams stay as they are (NEP 19).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import PCG64, Generator, SeedSequence
from numpy.random.bit_generator import ISpawnableSeedSequence

from crystallize.description.seeding import Seeding
from crystallize.errors import CrystallizeWarning

Words = npt.NDArray[np.uint32]

POOL_WORDS = 4
"""How many 32-bit words a sequence keeps."""

AT_ONCE = 2**14
"""How many replicates' words fit well into the processor's cache while they are made."""

WORD = 2**32
INIT_A, MULT_A = 0x43B0D7E5, 0x931E8875
INIT_B, MULT_B = 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = 0xCA01F9DD, 0x4973F715
HALF = np.uint32(16)


def words_of(
    root: int, first: int, stop: int, count: int = 4, key: int | None = None
) -> npt.NDArray[np.uint64]:
    """The first words of the replicates [first, stop) of one root seed.

    Parameters
    ----------
    root : int
        0 or more, of any size.
    first, stop : int
        All below 2**32, or none of them.
    count : int
        How many words of each; PCG64 starts from four.
    key : int, optional
        That of a condition with streams of its own, which stands before the replicate.

    Returns
    -------
    array of uint64, shape (stop - first, count)
        Row ``i`` is what ``SeedSequence(root, spawn_key=(first + i,))`` gives for
        ``generate_state(count, np.uint64)``; with a key ``spawn_key=(key, first + i)``.

    Examples
    --------
    >>> by_numpy = SeedSequence(5).spawn(10)[7].generate_state(4, np.uint64)
    >>> bool((words_of(5, 7, 8) == by_numpy).all())
    True
    """
    replicates = np.arange(first, stop, dtype=np.uint64)
    own = [replicates.astype(np.uint32)]
    if first >= WORD:
        own.append((replicates >> np.uint64(32)).astype(np.uint32))
    shared = _words(root, least=POOL_WORDS)
    if key is not None:
        shared += _words(key, least=1)
    pool = _pool(shared, own)
    state = np.empty((stop - first, 2 * count), dtype=np.uint32)
    multiplier = INIT_B
    for place in range(2 * count):
        value = pool[place % POOL_WORDS] ^ np.uint32(multiplier)
        multiplier = multiplier * MULT_B % WORD
        value *= np.uint32(multiplier)
        state[:, place] = value ^ (value >> HALF)
    return state.astype("<u4", copy=False).view("<u8").astype(np.uint64, copy=False)


def _words(number: int, least: int) -> list[int]:
    """The words of a number, the lowest first, so many at least."""
    words: list[int] = []
    while number or len(words) < least:
        number, word = divmod(number, WORD)
        words.append(word)
    return words


def _pool(shared: Sequence[int], own: Sequence[Words]) -> list[Words]:
    """The pool of each replicate: of words that all share, then of each one's own."""
    multiplier = INIT_A

    def hashed(value: Words) -> Words:
        nonlocal multiplier
        value = value ^ np.uint32(multiplier)
        multiplier = multiplier * MULT_A % WORD
        value *= np.uint32(multiplier)
        return value ^ (value >> HALF)

    def mixed(into: Words, value: Words) -> Words:
        result: Words = into * np.uint32(MIX_LEFT) - value * np.uint32(MIX_RIGHT)
        return result ^ (result >> HALF)

    # Arrays of one element: NumPy's scalars would warn that they overflow, as they are to.
    entropy = [*(np.array([word], dtype=np.uint32) for word in shared), *own]
    pool = [hashed(word) for word in entropy[:POOL_WORDS]]
    for source in range(POOL_WORDS):
        for target in range(POOL_WORDS):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for word in entropy[POOL_WORDS:]:
        pool = [mixed(into, hashed(word)) for into in pool]
    return pool


GIVEN = frozenset({"rng", "seed", "seed32"})
"""What a function may ask for that is made of its replicate's stream."""


class ReplicateSequence(ISpawnableSeedSequence):
    """The seed sequence of one replicate, whose words are made already.

    NumPy's own, which takes longer to make than most cells to run, is made when someone
    asks for more than a ``PCG64`` needs.
    """

    __slots__ = ("_own", "_real", "_root", "_words")

    def __init__(self, root: int, own: tuple[int, ...], words: npt.NDArray[np.uint64]) -> None:
        self._root = root
        self._own = own
        self._words: npt.NDArray[np.uint64] | None = words
        self._real: SeedSequence | None = None

    @property
    def real(self) -> SeedSequence:
        """NumPy's own sequence, with all that was spawned from this one."""
        if self._real is None:
            self._real = SeedSequence(self._root, spawn_key=self._own)
        return self._real

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> npt.NDArray[Any]:
        """As NumPy's does."""
        words = self._words
        if words is not None and n_words == 4 and dtype is np.uint64:
            self._words = None  # who has it may change it
            return words
        return self.real.generate_state(n_words, dtype)

    def spawn(self, n_children: int) -> list[Any]:
        """As NumPy's does."""
        return self.real.spawn(n_children)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __reduce__(self) -> Any:
        return self.real.__reduce__()

    def __repr__(self) -> str:
        return repr(self.real)


class Streams:
    """The streams of some replicates that are asked for one after another.

    The first few are made by NumPy; who asks for more gets them from words that were made
    ahead, since a few operations on arrays cost as much for many as for one.

    Parameters
    ----------
    seeding : Seeding
    stop : int
        The replicate before which nobody will ask for more.
    asked : collection of str
        What the function asks for by name; what is no :data:`GIVEN` is left out.
    """

    ALONE = 6
    AHEAD = 256

    def __init__(self, seeding: Seeding, stop: int, asked: Collection[str]) -> None:
        self._rng = "rng" in asked
        self._seed = "seed" in asked
        self._seed32 = "seed32" in asked
        self._seeding = seeding
        self._root = seeding.root
        self._key = () if seeding.key is None else (seeding.key,)
        self._stop = stop
        self._asked = 0
        self._first = self._end = 0
        self._words: npt.NDArray[np.uint64] = np.empty((0, 4), dtype=np.uint64)

    def give(self, arguments: dict[str, Any], replicate: int) -> None:
        """Put what is asked for of one replicate among the arguments of its cell."""
        if self._rng:
            arguments["rng"] = self.rng(replicate)
        if self._seed:
            arguments["seed"] = self.seed(replicate)
        if self._seed32:
            arguments["seed32"] = self.seed(replicate) % 2**32

    def rng(self, replicate: int) -> Generator:
        """The generator of one replicate, nobody's else."""
        if self._first <= replicate < self._end or self._looked_ahead(replicate):
            words = self._words[replicate - self._first]
            return Generator(PCG64(ReplicateSequence(self._root, (*self._key, replicate), words)))
        return Generator(PCG64(self._seeding.sequence(replicate)))

    def seed(self, replicate: int) -> int:
        """The seed of one replicate; see :meth:`Seeding.seed`."""
        if self._first <= replicate < self._end or self._looked_ahead(replicate):
            return int(self._words[replicate - self._first, 0])
        return self._seeding.seed(replicate)

    def _looked_ahead(self, replicate: int) -> bool:
        """Make words from one replicate on, where more will be asked for."""
        self._asked += 1
        if self._asked <= self.ALONE or not _by_block(self._seeding):
            return False
        end = min(replicate + self.AHEAD, self._stop)
        if replicate < WORD < end or end <= replicate:
            return False
        self._first, self._end = replicate, end
        self._words = words_of(self._root, replicate, end, key=self._seeding.key)
        return True


def seeds_of(seeding: Seeding, replicates: int) -> list[int]:
    """The seeds of the first replicates."""
    if not _by_block(seeding) or replicates > WORD:
        return [seeding.seed(replicate) for replicate in range(replicates)]
    seeds: list[int] = []
    for first in range(0, replicates, AT_ONCE):
        stop = min(first + AT_ONCE, replicates)
        seeds += words_of(seeding.root, first, stop, 1, seeding.key)[:, 0].tolist()
    return seeds


def _by_block(seeding: Seeding) -> bool:
    return seeding.rule == "numpy" and numpy_agrees()


@cache
def numpy_agrees() -> bool:
    """Whether this NumPy makes the same streams; looked at once in each process.

    A NumPy that does not is believed, and a warning says that streams take longer.
    """
    for root, key, replicate in ((5, None, 7), (2**140 + 3, None, 2**33 + 1), (5, 2**63 + 9, 7)):
        own = (replicate,) if key is None else (key, replicate)
        by_numpy = SeedSequence(root, spawn_key=own).generate_state(4, np.uint64)
        if not np.array_equal(words_of(root, replicate, replicate + 1, key=key)[0], by_numpy):
            warnings.warn(
                f"NumPy {np.__version__} makes other streams than NumPy 2.0 did. Its own are "
                "used, made one by one, which takes longer; results of before differ.",
                CrystallizeWarning,
                stacklevel=2,
            )
            return False
    return True
