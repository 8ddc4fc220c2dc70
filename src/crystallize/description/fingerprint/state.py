"""Which of the parts that are reached are state: changed by code that runs, and read by it."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

from crystallize.description.fingerprint.changes import Chain, changes, is_among, of_first

BEGINNINGS = {"__init__", "__new__", "__post_init__", "__setstate__", "__set_name__"}
"""Methods that make an object what it is."""


class State:
    """Gathers what code changes and what it reads, by the names of parts."""

    def __init__(self) -> None:
        self._written: set[str] = set()
        self._read: set[str] = set()
        self._kinds: dict[str, type] = {}
        self._changing: set[type] = set()
        self._carrying: set[type] = set()

    def note(self, name: str, code: CodeType, chain: Chain) -> None:
        """Note what some code does with a part that it knows as `chain`."""
        found = changes(code)
        if is_among(chain, found.written):
            self._written.add(name)
        if is_among(chain, found.read):
            self._read.add(name)

    def note_value(self, name: str, value: Any) -> None:
        """Note whose methods may change a part."""
        self._kinds[name] = type(getattr(value, "__self__", value))
        if isinstance(value, Iterator):  # whoever takes from it changes what comes next
            self._written.add(name)
            self._read.add(name)

    def note_member(self, cls: type, name: str, key: str, value: Any) -> None:
        """Note what a method changes of each object, or a class method of the class."""
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if code is None or key in BEGINNINGS:
            return
        found = changes(code)
        changed = of_first(code, found.written)
        if isinstance(value, classmethod):
            self._written |= {f"{name}.{attribute}" for attribute in changed}
            self._read |= {f"{name}.{attribute}" for attribute in changed}
        elif changed:
            self._changing.add(cls)
            if of_first(code, found.carried):
                self._carrying.add(cls)

    @property
    def written(self) -> frozenset[str]:
        """The parts that code changes."""
        return frozenset(self._written | self._objects(self._changing))

    @property
    def both(self) -> frozenset[str]:
        """The parts that code changes, and reads for more than that."""
        return frozenset((self._written & self._read) | self._objects(self._carrying))

    def _objects(self, classes: set[type]) -> set[str]:
        return {
            name
            for name, kind in self._kinds.items()
            if classes.intersection(getattr(kind, "__mro__", ()))
        }
