"""The global generators of ``random`` and ``numpy.random``: watched, or seeded per cell."""

from __future__ import annotations

import random
import threading

import numpy as np

from crystallize.worker.twisters import numpy_state, stdlib_state

STDLIB = "random"


NUMPY = "numpy.random"


States = dict[str, object]
"""Generator -> its state, which can be compared."""


class GlobalRandomWatch:
    """Notices when cells draw from, or seed, a global generator of this process.

    A generator that changes while no cell runs is someone else's as well (a
    cluster's worker has threads of its own), so its changes prove nothing and
    are no longer reported.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._idle = _states()
        self._not_ours: set[str] = set()

    def begin(self) -> States:
        """Note the states before some cells."""
        with self._lock:
            now = _states()
            if not self._running:
                self._not_ours.update(_differing(self._idle, now))
            self._running += 1
            return now

    def end(self, before: States) -> tuple[str, ...]:
        """The generators that changed since :meth:`begin`."""
        with self._lock:
            now = _states()
            self._running -= 1
            self._idle = now
            return tuple(n for n in _differing(before, now) if n not in self._not_ours)


def _states() -> States:
    return {STDLIB: stdlib_state(), NUMPY: numpy_state()}


def _differing(before: States, after: States) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def seed_global(seed: int) -> None:
    """Seed both; NumPy's takes 32 bits, the low ones."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)


class GlobalStateKept:
    """Puts both generators back as they were on leaving."""

    def __enter__(self) -> None:
        self._random = random.getstate()
        self._numpy = np.random.get_state(legacy=False)

    def __exit__(self, *error: object) -> None:
        random.setstate(self._random)
        np.random.set_state(self._numpy)
