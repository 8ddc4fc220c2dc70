"""The global generators of ``random`` and ``numpy.random``: watched, or seeded per cell."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np

STDLIB = "random"
NUMPY = "numpy.random"


def global_state() -> dict[str, Any]:
    """The state of each global generator, comparable with ``==``."""
    legacy: Any = np.random.get_state(legacy=False)
    return {
        STDLIB: random.getstate(),
        NUMPY: (
            legacy["state"]["key"].tobytes(),
            legacy["state"]["pos"],
            legacy["has_gauss"],
            legacy["gauss"],
        ),
    }


class GlobalRandomWatch:
    """Notices when cells draw from, or seed, a global generator of this process.

    A generator that changes while no cell runs is someone else's as well (a
    cluster's worker has threads of its own), so its changes prove nothing and
    are no longer reported.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._idle = global_state()
        self._not_ours: set[str] = set()

    def begin(self) -> dict[str, Any]:
        """Note the state before some cells."""
        with self._lock:
            now = global_state()
            if not self._running:
                self._not_ours.update(_differing(self._idle, now))
            self._running += 1
            return now

    def end(self, before: dict[str, Any]) -> tuple[str, ...]:
        """The generators that changed since :meth:`begin`."""
        with self._lock:
            now = global_state()
            self._running -= 1
            self._idle = now
            return tuple(n for n in _differing(before, now) if n not in self._not_ours)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
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
