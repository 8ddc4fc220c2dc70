"""The states of the two global generators, read where they lie in memory.

Those of ``random`` and of ``numpy.random`` are Mersenne Twisters: 624 words, and a place among
them.  Either makes some hundred Python objects to say its state, which takes 15 and 60 us; a
copy of its memory takes a tenth of one.  Where it is another generator, or the memory is not seen
to hold what the generator itself says (another Python, another NumPy), it is asked each time.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from ctypes import c_char
from functools import cache, partial
from random import Random
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState

WORDS = struct.Struct("=624I")
PLACE = struct.Struct("=i")
GETSTATE = getattr(Random, "getstate", None)  # a program may have put something in its place

Look = Callable[[], bytes]
"""Copies a piece of memory."""


class _StdlibState:
    """The state of the global generator of ``random``, to be compared with another."""

    def __init__(self) -> None:
        self._known: tuple[object, Look | None] = None, None

    def __call__(self) -> object:
        generator: Any = getattr(random.getstate, "__self__", None)
        is_usual = getattr(random.getstate, "__func__", None) is GETSTATE
        if not is_usual or type(generator) is not Random:
            return random.getstate()
        known, look = self._known
        if known is not generator:
            look = _words_of_stdlib(generator)
            self._known = generator, look
        if look is None:
            return random.getstate()
        # The second of two normal numbers waits in an attribute.
        return look(), generator.gauss_next  # type: ignore[attr-defined]


class _NumpyState:
    """The same of ``numpy.random``."""

    def __init__(self) -> None:
        self._known: tuple[object, object, Look | None, Look | None] = None, None, None, None

    def __call__(self) -> object:
        generator: Any = getattr(np.random.get_state, "__self__", None)
        if type(generator) is RandomState:
            known, known_bits, words, waiting = self._known
            bits = getattr(generator, "_bit_generator", None)
            if known is not generator or known_bits is not bits:
                words, waiting = _words_of_numpy(bits), _waiting_of_numpy(generator)
                self._known = generator, bits, words, waiting
            if words is not None and waiting is not None:
                return words(), waiting()
        return _comparable(np.random.get_state(legacy=False))


stdlib_state, numpy_state = _StdlibState(), _NumpyState()
"""This process's."""


def _words_of_stdlib(generator: Random) -> Look | None:
    if sys.implementation.name != "cpython":
        return None
    memory = _look_at(id(generator), Random.__basicsize__)()
    *words, place = generator.getstate()[1]
    at = memory.find(PLACE.pack(place) + WORDS.pack(*words))
    return None if at < 0 else _look_at(id(generator) + at, PLACE.size + WORDS.size)


def _words_of_numpy(bits: Any) -> Look | None:
    if type(bits) is not MT19937:
        return None
    look = _look_at(bits.ctypes.state_address, WORDS.size + PLACE.size)
    told = bits.state["state"]
    is_so = look() == WORDS.pack(*told["key"].tolist()) + PLACE.pack(told["pos"])
    return look if is_so else None


def _waiting_of_numpy(generator: RandomState) -> Look | None:
    place = _place_of_waiting()
    return None if place is None else _look_at(id(generator) + place.start, len(place))


@cache
def _place_of_waiting() -> range | None:
    """Where in a ``RandomState`` a number waits, and is said to: what drawing one changes."""
    if sys.implementation.name != "cpython":
        return None
    generator = RandomState(0)
    look = _look_at(id(generator), RandomState.__basicsize__)
    states = [look()[object.__basicsize__ :]]
    for _ in range(2):
        generator.standard_normal()
        states.append(look()[object.__basicsize__ :])
    before, one_waits, after = states
    changed = [place for place, (a, b) in enumerate(zip(before, one_waits, strict=True)) if a != b]
    if not changed or before != after:
        return None
    first, last = object.__basicsize__ + changed[0], object.__basicsize__ + changed[-1]
    return range(first, last + 1)


def _look_at(address: int, size: int) -> Look:
    return partial(getattr, (c_char * size).from_address(address), "raw")


def _comparable(state: object) -> object:
    """A generator's state, of whatever kind, with bytes for arrays, which have no one ``==``."""
    if isinstance(state, dict):
        return [_comparable(part) for part in state.values()]
    return state.tobytes() if isinstance(state, np.ndarray) else state
