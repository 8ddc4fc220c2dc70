"""The global generators of ``random`` and ``numpy.random``: watched, or seeded per cell."""

from __future__ import annotations

import ctypes
import platform
import random
import struct
import threading
from functools import cache
from typing import Any

import numpy as np

STDLIB = "random"


NUMPY = "numpy.random"


MERSENNE_BYTES = 625 * 4
"""What the state of a Mersenne twister takes: 624 words and a position."""


def _stdlib_state() -> object:
    return random.getstate()


def _stdlib_memory() -> object:
    """The same in a tenth of the time."""
    words = ctypes.string_at(id(_generator) + _HEADER, MERSENNE_BYTES)
    return words, _generator.gauss_next


_generator: Any = getattr(random, "_inst", None)


_HEADER = object.__basicsize__
"""What an object has in front of its own data."""


@cache
def _memory_is_the_state() -> bool:
    """Whether this interpreter has the generator's state where CPython has it."""
    if _generator is None or platform.python_implementation() != "CPython":
        return False
    twister = random.Random(2001)
    *words, position = twister.getstate()[1]
    there = ctypes.string_at(id(twister) + _HEADER, MERSENNE_BYTES)
    return there == struct.pack("=i624I", position, *words)


def _numpy_state() -> object:
    legacy: Any = np.random.get_state(legacy=False)
    words = legacy["state"]["key"].tobytes(), legacy["state"]["pos"]
    return *words, legacy["has_gauss"], legacy["gauss"]


def _numpy_memory() -> object:
    """The same, but for a kept normal number, in a thirtieth of the time."""
    generator: Any = np.random.get_bit_generator()  # type: ignore[attr-defined]
    if type(generator) is not np.random.MT19937:
        return _numpy_state()
    return ctypes.string_at(generator.ctypes.state_address, MERSENNE_BYTES)


class GlobalRandomWatch:
    """Notices when cells draw from, or seed, a global generator of this process.

    A generator that changes while no cell runs is someone else's as well (a
    cluster's worker has threads of its own), so its changes prove nothing and
    are no longer reported.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        # The legacy generator makes normal numbers in pairs and keeps the second. Where it keeps
        # none now, it cannot come to keep one before its state has changed.
        keeps = np.random.get_state(legacy=False)["has_gauss"]
        self._numpy_state = _numpy_state if keeps else _numpy_memory
        self._stdlib_state = _stdlib_memory if _memory_is_the_state() else _stdlib_state
        self._idle = self._state()
        self._not_ours: set[str] = set()

    def begin(self) -> dict[str, object]:
        """Note the state before some cells."""
        with self._lock:
            now = self._state()
            if not self._running:
                self._not_ours.update(_differing(self._idle, now))
            self._running += 1
            return now

    def end(self, before: dict[str, object]) -> tuple[str, ...]:
        """The generators that changed since :meth:`begin`."""
        with self._lock:
            now = self._state()
            self._running -= 1
            self._idle = now
            return tuple(n for n in _differing(before, now) if n not in self._not_ours)

    def _state(self) -> dict[str, object]:
        return {STDLIB: self._stdlib_state(), NUMPY: self._numpy_state()}


def _differing(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def seed_global(seed: int) -> None:
    """Seed both; NumPy's takes 32 bits, the low ones."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)


class GlobalStateKept:
    """Puts both generators back as they were on leaving."""

    def __enter__(self) -> None:
        self._random = random.getstate()
        self._numpy = np.random.get_state()

    def __exit__(self, *error: object) -> None:
        random.setstate(self._random)
        np.random.set_state(self._numpy)
