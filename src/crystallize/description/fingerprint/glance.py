"""A look at what values hold, not at what they say: quick, whatever their size."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from crystallize.description.fingerprint import kinds
from crystallize.description.fingerprint.kinds import GENERATORS, Refer
from crystallize.description.fingerprint.origin import is_own_module
from crystallize.description.fingerprint.tokens import PLAIN

MOST = 20_000
"""How many objects are looked at; an offence is near the surface, if there is one."""
CONTAINERS = (list, tuple, set, frozenset, deque)
NOTHING = b""


class Glance:
    """Refers to the functions and classes that values hold, and notes random generators.

    Has the methods of :class:`Values`, with tokens that say nothing.

    Parameters
    ----------
    refer : callable

    Attributes
    ----------
    unknown : dict
        Empty.
    generators : dict
        Name of each random generator that was met, in order.
    """

    def __init__(self, refer: Refer) -> None:
        self._refer = refer
        self._seen: dict[int, Any] = {}
        self.unknown: dict[str, str] = {}
        self.generators: dict[str, None] = {}

    def mark(self) -> int:
        """How much was seen by now."""
        return len(self._seen)

    def forget(self, mark: int) -> None:
        """Look again at what was seen since."""
        for key in list(self._seen)[mark:]:
            del self._seen[key]

    def let_go(self) -> None:
        """Hold no value any more."""
        self._seen.clear()

    def named(self, name: str, value: Any) -> bytes:
        """Look at what messages call `name`."""
        waiting = [(name, value)]
        while waiting:
            where, met = waiting.pop()
            if type(met) in PLAIN or id(met) in self._seen or len(self._seen) > MOST:
                continue
            self._seen[id(met)] = met
            if isinstance(met, (types.FunctionType, type, types.ModuleType)):
                self._refer(met)
            elif isinstance(met, GENERATORS):
                if not kinds.is_global_generator(met):
                    self.generators[where] = None
            else:
                waiting += reversed(_held(where, met))
        return NOTHING


def _held(where: str, value: Any) -> list[tuple[str, Any]]:
    held: list[tuple[str, Any]] = []
    with suppress(Exception):  # an object may answer any question with an error
        held.extend(islice(_inside(where, value), MOST))
    return held


def _inside(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, each by its name."""
    if isinstance(value, CONTAINERS) and not PLAIN.issuperset(map(type, value)):
        items = sorted(value, key=kinds.told_apart) if isinstance(value, set | frozenset) else value
        yield from ((f"{where}[{place}]", item) for place, item in enumerate(items))
    elif isinstance(value, (dict, types.MappingProxyType)):
        yield from _items(where, value)
    elif isinstance(value, np.ndarray):
        if value.dtype == object and value.size < MOST:
            yield from ((f"{where}[{place}]", item) for place, item in enumerate(value.flat))
    elif isinstance(value, kinds.BOUND):
        yield where, getattr(value, "__func__", None)
        yield where, value.__self__
    elif isinstance(value, functools.partial):
        yield f"{where}.func", value.func
        yield from _items(where, {**dict(enumerate(value.args)), **value.keywords})
    elif isinstance(value, kinds.WRAPPERS):
        for name in ("__wrapped__", "__func__", "fget", "fset", "fdel", "func"):
            yield where, getattr(value, name, None)
    if is_own_module(type(value).__module__):
        yield where, type(value)
        yield from ((f"{where}.{name}", held) for name, held in _attributes(value))
    else:
        yield from (
            (f"{where}.{name}", held)
            for name, held in _attributes(value)
            if _is_the_users(held) and not name.startswith("_")
        )


def _items(where: str, value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if type(key) not in PLAIN:
            yield where, key
        if type(item) not in PLAIN:
            yield f"{where}[{key!r}]" if type(key) in PLAIN else where, item


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    with suppress(TypeError):  # it has no attributes of its own
        yield from list(vars(value).items())
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            descriptor = cls.__dict__.get(name)
            if isinstance(descriptor, types.MemberDescriptorType):
                try:
                    yield name, descriptor.__get__(value)
                except AttributeError:  # not assigned
                    continue


def _is_the_users(held: Any) -> bool:
    """Whether a library's object was given it, rather than made it for itself."""
    return isinstance(held, (types.FunctionType, *GENERATORS)) or (
        type(held) not in PLAIN and is_own_module(type(held).__module__)
    )
