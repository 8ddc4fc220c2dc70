"""The states of the two global generators, read where they lie in memory.

Those of ``random`` and of ``numpy.random`` are Mersenne Twisters: 624 words, and a place among
them.  Either makes some hundred Python objects to say its state, which takes 15 and 60 us; a
copy of its memory takes a tenth of one.  Where the memory is not seen to hold what the
generator itself says (another Python, another NumPy), the generator is asked each time.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from ctypes import c_char
from functools import cache, partial
from typing import Any

import numpy as np

WORDS = struct.Struct("=624I")
PLACE = struct.Struct("=i")

Look = Callable[[], bytes]
"""Copies the memory of one generator."""


def stdlib_state() -> object:
    """The state of the global generator of ``random``, to be compared with another."""
    generator = getattr(random.getstate, "__self__", None)
    look = _look_of_stdlib(generator)
    # The second of two normal numbers waits in an attribute.
    return random.getstate() if look is None else (look(), generator.gauss_next)  # type: ignore[union-attr]


class _NumpyState:
    """The same of ``numpy.random``.

    The second of two normal numbers waits where only the whole state shows it, and is drawn
    without a change of the words.  But where none waits, one comes with other words, unless a
    program puts it there.
    """

    def __init__(self) -> None:
        self._none_waits_with: bytes | None = None

    def __call__(self) -> object:
        look = _look_of_numpy(np.random.get_bit_generator())  # type: ignore[attr-defined]
        words = None if look is None else look()
        if words is not None and words == self._none_waits_with:
            return words
        state: Any = np.random.get_state(legacy=False)
        if words is None or state["has_gauss"]:
            return _comparable(state)
        self._none_waits_with = words
        return words


numpy_state = _NumpyState()
"""This process's."""


@cache
def _look_of_stdlib(generator: Any) -> Look | None:
    if sys.implementation.name != "cpython" or not isinstance(generator, random.Random):
        return None
    memory = _look_at(id(generator), type(generator).__basicsize__)()
    *words, place = generator.getstate()[1]
    at = memory.find(PLACE.pack(place) + WORDS.pack(*words))
    return None if at < 0 else _look_at(id(generator) + at, PLACE.size + WORDS.size)


@cache
def _look_of_numpy(generator: Any) -> Look | None:
    if type(generator) is not np.random.MT19937:
        return None
    look = _look_at(generator.ctypes.state_address, WORDS.size + PLACE.size)
    told = generator.state["state"]
    is_so = look() == WORDS.pack(*told["key"].tolist()) + PLACE.pack(told["pos"])
    return look if is_so else None


def _look_at(address: int, size: int) -> Look:
    return partial(getattr, (c_char * size).from_address(address), "raw")


def _comparable(state: object) -> object:
    """A generator's state, of whatever kind, with bytes for arrays, which have no one ``==``."""
    if isinstance(state, dict):
        return [_comparable(part) for part in state.values()]
    return state.tobytes() if isinstance(state, np.ndarray) else state
