"""From a function to everything that it can reach, one part at a time."""

from __future__ import annotations

import functools
import platform
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, Literal

import numpy as np

from crystallize.description.fingerprint import data
from crystallize.description.fingerprint.changes import ARGUMENT, CLOSURE
from crystallize.description.fingerprint.classes import members, shape
from crystallize.description.fingerprint.functions import closure, defaults, place
from crystallize.description.fingerprint.glance import Glance
from crystallize.description.fingerprint.globals import Globals, is_dunder
from crystallize.description.fingerprint.kinds import WRAPPERS
from crystallize.description.fingerprint.names import code_token, named
from crystallize.description.fingerprint.naming import Names, folder, module_of, qualified_name
from crystallize.description.fingerprint.origin import (
    distribution_of,
    is_own,
    is_own_function,
    is_own_module,
)
from crystallize.description.fingerprint.parts import Fingerprint, Part, Parts, Row
from crystallize.description.fingerprint.shown import short
from crystallize.description.fingerprint.source import source_token
from crystallize.description.fingerprint.state import State
from crystallize.description.fingerprint.tokens import PLAIN, combined, joined, plain
from crystallize.description.fingerprint.values import Values

Reading = Literal["source", "loaded", "nothing"]
"""What counts of code: what its source says, the same under every version of Python; what was
loaded, whatever its file says by now; or nothing, where only what is met matters."""


class Walk:
    """Goes from a function to what it reaches; each thing becomes a part, once.

    Parameters
    ----------
    function : callable
    reading : {"source", "loaded", "nothing"}
    only : frozenset of str, optional
        The parts whose content counts although nothing else does.
    """

    def __init__(
        self, function: Callable[..., Any], reading: Reading, only: frozenset[str] = frozenset()
    ) -> None:
        self._reading = reading
        self._only = only
        self._state = State()
        self._called = Names(function, pickled=reading == "loaded")
        self._glance = Glance(self.refer)
        exact = Values(self.refer, folder=folder(function))
        self._exact, self._values = exact, self._glance if reading == "nothing" else exact
        self._parts: dict[str, Row] = {}
        self._frames: dict[int, tuple[Any, list[tuple[str, bytes]]]] = {}
        self._waiting: deque[tuple[str, Any, str | None]] = deque()
        self._globals = Globals(
            self._called, self._state, self._bound, self.refer, imports=reading != "nothing"
        )
        if isinstance(function, (FunctionType, type)):
            self.refer(function)
        else:
            self.add("the function", function)
        self._root = self._called.known(function)

    @property
    def generators(self) -> tuple[str, ...]:
        """Those that no library holds for itself, by name."""
        return tuple(self._values.generators)

    @property
    def state(self) -> dict[str, Part]:
        """The parts that code changes and reads as well."""
        names = self._state.both
        return {name: Part(*row) for name, row in self._parts.items() if name in names}

    def fingerprint(self) -> Fingerprint:
        """What was found."""
        unknown = {**self._globals.unknown, **self._values.unknown}
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        versions |= dict(filter(None, map(distribution_of, sorted(self._globals.modules))))
        return Fingerprint(
            parts=Parts(self._parts.values()),
            unknown=tuple(f"{where} ({why})" for where, why in sorted(unknown.items())),
            versions=versions,
            generators=self.generators,
            written=self._state.written,
        )

    def follow(self) -> None:
        """Look at all that was referred to, and at what that refers to."""
        while self._waiting:
            name, value, self._called.condition = self._waiting.popleft()
            if isinstance(value, type):
                tokens = self._class(name, value)
                where = None
            else:
                tokens = self._function(name, value)
                where = place(value.__code__)
            self._add(name, joined(type(value).__name__, tokens), where=where)
        self._called.condition = None

    def close(self) -> None:
        """Hold no value any more: a circle of objects would do so for long."""
        for holder in (self._exact, self._glance, self._called):
            holder.let_go()
        self._frames.clear()
        self._waiting.clear()

    def add_resources(self, resources: Mapping[str, Any]) -> None:
        """Make resources parts, and follow these and the function."""
        for name, factory in resources.items():
            self.add(f"resource `{name}`", factory)
        self.follow()

    def add_conditions(self, conditions: Mapping[str, Mapping[str, Any]]) -> None:
        """Make conditions parts, and follow what they refer to; resources come before."""
        for name, parameters in conditions.items():
            if not PLAIN.issuperset(map(type, parameters.values())):
                self.add_condition(name, parameters)
            elif self._reading != "nothing":  # what is plain leads nowhere
                self._add_plain_condition(name, parameters)

    def add(self, name: str, value: Any) -> None:
        """Make a value a part, also if it is a function that is one of its own."""
        if name in self._parts:
            return
        if type(value) not in PLAIN:
            self._add(name, b"")  # it may contain itself
        self._state.note_value(name, value)
        if name in self._only:
            token = self._exact.named(name, value)
        elif data.is_frame(value) and self._reading != "nothing":
            token = self._frame(name, value)
        else:
            token = self._values.named(name, value)
        self._add(name, token, shown=short(name, value))

    def add_condition(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Make each parameter a part, and follow what it refers to.

        What only this condition knows, a lambda or a closure, has names of its own here,
        so that other conditions change nothing about it.
        """
        mark = self._values.mark()
        self._called.condition = name
        self._add(f"condition {name!r}", _of_names(parameters))
        for key, value in parameters.items():
            self.add(f"condition {name!r}, `{key}`", value)
        self.follow()
        if self._called.forget_conditions():
            self._values.forget(mark)

    def _add_plain_condition(self, condition: str, parameters: Mapping[str, Any]) -> None:
        """:meth:`add_condition` of parameters that lead nowhere, in less time."""
        whole = f"condition {condition!r}"
        digest = _digest_of_names(tuple(parameters))
        self._parts[whole] = whole, digest, None, None, condition
        for key, value in parameters.items():
            name = f"{whole}, `{key}`"
            digest = _digest(plain(value))
            self._parts[name] = name, digest, short(name, value), None, condition

    def pass_through(self, value: Any) -> None:
        """Refer to the functions and classes in a value, which is no part itself."""
        self._glance.named("", value)

    def refer(self, value: Any, hint: str = "", wrapper: str = "") -> bytes:
        """The token of a function, class or module, which becomes a part if it is the user's."""
        if isinstance(value, ModuleType):
            return self._globals.module(value)
        module = module_of(value)
        if isinstance(value, FunctionType):
            followed = is_own_function(value) or "<" in value.__qualname__ or wrapper != ""
            followed = followed or hasattr(value, "__wrapped__")
        else:
            followed = isinstance(value, type) and is_own_module(module)
        if not followed:
            self._globals.reach(module)
            return combined("installed", str(module).encode(), qualified_name(value).encode())
        known = self._called.known(value)
        if known is None:
            names = self._called
            known, scope = names.inside(value, wrapper) if wrapper else names.new(value, hint)
            self._waiting.append((known, value, scope))
        return combined("to", known.encode())

    def _function(self, name: str, function: FunctionType) -> list[bytes]:
        if hasattr(function, "registry") and hasattr(function, "dispatch"):
            return [self._values.named(name, dict(function.registry))]  # its closure is a cache
        code = function.__code__
        names = named(code)
        of = "" if name == self._root else f" of {name}"
        own = is_own_function(function)
        tokens = [self._code(code) if own else name.encode()]
        if isinstance(inner := vars(function).get("__wrapped__"), FunctionType):
            tokens.append(self.refer(inner, wrapper=name))
        for key, value in defaults(function).items():
            tokens += [key.encode(), self._bound(f"default `{key}`{of}", value)]
            self._state.note(f"default `{key}`{of}", code, (ARGUMENT + key,))
        for key, value in closure(function):
            tokens += [key.encode(), self._bound(f"closure `{key}`{of}", value, key)]
            if isinstance(value, ModuleType) and is_own(value):
                tokens += self._globals.loosely(value, names)
            self._state.note(f"closure `{key}`{of}", code, (CLOSURE + key,))
        for key, value in sorted(vars(function).items()):
            if key in names.loose and not is_dunder(key):
                tokens += [key.encode(), self._bound(f"{name}.{key}", value)]
        if own:
            tokens += self._globals.tokens(code, function.__globals__)
        else:
            self._globals.reach(function.__globals__.get("__name__"))
        return tokens

    def _code(self, code: CodeType) -> bytes:
        if self._reading == "nothing":
            return b""
        found = source_token(code) if self._reading == "source" else None
        return code_token(code) if found is None else found

    def _class(self, name: str, cls: type) -> list[bytes]:
        tokens = [self.refer(base) for base in (*cls.__bases__, type(cls))]
        tokens.append(shape(cls).encode("utf-8", "surrogatepass"))
        for key, value in members(cls):
            self._state.note_member(cls, name, key, value)
            tokens += [key.encode(), self._bound(f"{name}.{key}", value)]
        return tokens

    def _bound(self, name: str, value: Any, hint: str = "") -> bytes:
        """The token of what a name stands for, which is a part of that name or of its own."""
        if isinstance(value, (FunctionType, type, ModuleType)):
            return self.refer(value, hint)
        if isinstance(value, WRAPPERS):
            return self._values.named(name, value)
        return self._part(name, value)

    def _part(self, name: str, value: Any) -> bytes:
        self.add(name, value)
        return combined("to", name.encode())

    def _frame(self, name: str, frame: Any) -> bytes:
        """Of a frame that is large and has one cell changed, the column is what to look at."""
        inner = functools.partial(self._values.named, name)
        if id(frame) not in self._frames:
            self._frames[id(frame)] = frame, list(data.columns(frame, inner))
        for label, token in self._frames[id(frame)][1]:
            self._add(f"{name}: column {label!r}", token)
        return joined("frame", map(inner, (frame.index, frame.columns, frame.attrs)))

    def _add(
        self, name: str, token: bytes, *, shown: str | None = None, where: str | None = None
    ) -> None:
        digest, condition = _digest(token), self._called.condition
        if condition is not None and f"condition {condition!r}" not in name:
            condition = None  # a global that it uses too
        self._parts[name] = name, digest, shown, where, condition


def _digest(token: bytes) -> str:
    """That of a part."""
    return joined("part", (token,)).hex()


def _of_names(parameters: Iterable[str]) -> bytes:
    """The token of the names of a condition's parameters."""
    return joined("names", (name.encode() for name in sorted(parameters)))


@functools.lru_cache(64)
def _digest_of_names(parameters: tuple[str, ...]) -> str:
    """Their digest, which many conditions have in common."""
    return _digest(_of_names(parameters))
