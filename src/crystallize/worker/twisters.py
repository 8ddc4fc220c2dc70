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
import threading
from collections.abc import Callable
from ctypes import c_char
from functools import cache, partial
from random import Random
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState

WORDS = struct.Struct("=624I")
PLACE = struct.Struct("=i")
MOST_LOOKS = 100
"""How often one looks at a generator that other threads draw from all the time."""
GETSTATE = getattr(Random, "getstate", None)  # a program may have put something in its place

Look = Callable[[], bytes]
"""Copies a piece of memory."""


def stdlib_state() -> object:
    """The state of the global generator of ``random``, to be compared with another."""
    generator: Any = getattr(random.getstate, "__self__", None)
    is_usual = getattr(random.getstate, "__func__", None) is GETSTATE
    look = _stdlib.of(generator) if is_usual and type(generator) is Random else None
    # The second of two normal numbers waits in an attribute.
    return random.getstate() if look is None else (look(), generator.gauss_next)


def numpy_state() -> object:
    """The same of ``numpy.random``."""
    generator: Any = getattr(np.random.get_state, "__self__", None)
    look = None
    if type(generator) is RandomState:
        look = _numpy.of(generator, getattr(generator, "_bit_generator", None))
    return _comparable(np.random.get_state(legacy=False)) if look is None else look()


class _LastLook:
    """How to look at a generator, found out once for as long as it is the same one.

    Parameters
    ----------
    find : callable
        Takes the generator, and what is behind it; gives ``None`` where it is to be asked.
    """

    def __init__(self, find: Callable[[Any, Any], Look | None]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._known: tuple[object, object, Look | None] = None, None, None

    def of(self, generator: object, behind: object = None) -> Look | None:
        known, known_behind, look = self._known
        if known is generator and known_behind is behind:
            return look
        with self._lock:  # of two threads that find out, the second takes what the first found
            known, known_behind, look = self._known
            if known is not generator or known_behind is not behind:
                look = self._find(generator, behind)
                self._known = generator, behind, look
        return look


def _words_of_stdlib(generator: Random, _: object = None) -> Look | None:
    if sys.implementation.name != "cpython":
        return None
    own = _own_memory(generator)
    memory, (*words, place) = _at_one_moment(_look_at(*own), lambda: generator.getstate()[1])
    at = memory.find(PLACE.pack(place) + WORDS.pack(*words))
    return None if at < 0 else _look_at(own[0] + at, PLACE.size + WORDS.size)


def _state_of_numpy(generator: RandomState, bits: Any) -> Look | None:
    waiting = _place_of_waiting()
    if type(bits) is not MT19937 or waiting is None:
        return None
    words = _look_at(bits.ctypes.state_address, WORDS.size + PLACE.size)
    memory, told = _at_one_moment(words, lambda: bits.state["state"])
    if memory != WORDS.pack(*told["key"].tolist()) + PLACE.pack(told["pos"]):
        return None
    beside = _look_at(_own_memory(generator)[0] + waiting.start, len(waiting))
    return lambda: words() + beside()


def _at_one_moment(look: Look, tell: Callable[[], Any]) -> tuple[bytes, Any]:
    """A generator's memory, and what it says, with no draw of another thread between the two."""
    for _ in range(MOST_LOOKS):
        memory, told = look(), tell()
        if look() == memory:
            break
    return memory, told


@cache
def _place_of_waiting() -> range | None:
    """Where in a ``RandomState`` a number waits, and is said to: what drawing one changes."""
    if sys.implementation.name != "cpython":
        return None
    generator = RandomState(0)
    look = _look_at(*_own_memory(generator))
    states = [look()]
    for _ in range(2):
        generator.standard_normal()
        states.append(look())
    before, one_waits, after = states
    changed = [place for place, (a, b) in enumerate(zip(before, one_waits, strict=True)) if a != b]
    return range(changed[0], changed[-1] + 1) if changed and before == after else None


def _own_memory(generator: object) -> tuple[int, int]:
    """Address and size of what an object has beyond what any has, as the count of references."""
    head = object.__basicsize__
    return id(generator) + head, type(generator).__basicsize__ - head


def _look_at(address: int, size: int) -> Look:
    return partial(getattr, (c_char * size).from_address(address), "raw")


def _comparable(state: object) -> object:
    """A generator's state, of whatever kind, with bytes for arrays, which have no one ``==``."""
    if isinstance(state, dict):
        return [_comparable(part) for part in state.values()]
    return state.tobytes() if isinstance(state, np.ndarray) else state


_stdlib, _numpy = _LastLook(_words_of_stdlib), _LastLook(_state_of_numpy)
"""This process's."""
