"""The global generators of ``random`` and ``numpy.random``: watched, or seeded per cell."""

from __future__ import annotations

import random
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


def changed_since(before: dict[str, Any]) -> tuple[str, ...]:
    """The names of the generators that someone drew from or seeded since `before`."""
    now = global_state()
    return tuple(name for name in before if before[name] != now[name])


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
