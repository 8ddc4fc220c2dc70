"""The globals that some code uses, and the attributes that it asks modules for."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any, Protocol

from crystallize.description.fingerprint.imports import imported_modules
from crystallize.description.fingerprint.names import Named, named
from crystallize.description.fingerprint.naming import Names
from crystallize.description.fingerprint.origin import is_own, is_own_function
from crystallize.description.fingerprint.state import State
from crystallize.description.fingerprint.tokens import combined, joined

_ABSENT: Any = object()


class Bound(Protocol):
    """The token of what a name stands for, which becomes a part of that name or its own."""

    def __call__(self, name: str, value: Any, hint: str = "") -> bytes: ...


class Globals:
    """Finds what names stand for.

    Parameters
    ----------
    names : Names
    state : State
        Learns what code does with them.
    bound : callable
    refer : callable
        The token of a function.
    imports : bool
        Whether to import what functions would, of the user's own modules.

    Attributes
    ----------
    modules : set of str
        What was reached that is not the user's.
    unknown : dict of str to str
        The modules that are not to be had, with the reason.
    """

    def __init__(
        self,
        names: Names,
        state: State,
        bound: Bound,
        refer: Callable[[Any], bytes],
        *,
        imports: bool,
    ) -> None:
        self._names = names
        self._state = state
        self._bound = bound
        self._refer = refer
        self._imports = imports
        self.modules: set[str] = set()
        self.unknown: dict[str, str] = {}

    def reach(self, module: str | None) -> None:
        """Note that something of a module is used that is not the user's."""
        if module is not None:
            self.modules.add(module.partition(".")[0])

    def module(self, module: ModuleType) -> bytes:
        """The token of a module that is a value: what is in it, code says that names it."""
        if not is_own(module):
            self.reach(module.__name__)
        return combined("module", self._names.short(module.__name__).encode())

    def tokens(self, code: CodeType, globals_: dict[str, Any]) -> list[bytes]:
        """What each name stands for that some code uses, of its module and its imports."""
        tokens = []
        names = named(code)
        for chain in sorted(names.chains):
            first, *rest = chain
            if is_dunder(first):
                continue
            if first in globals_:
                owner = globals_.get("__name__")
                token = self._attribute(owner, first, globals_[first], rest, code)
            elif hasattr(builtins, first):
                continue
            else:
                token = b"missing"
            tokens += [".".join(chain).encode(), token]
        for name, module, wanted in imported_modules(names.imports, globals_, load=self._imports):
            if isinstance(module, str):
                self.unknown[name] = module
            elif module is None or not is_own(module):
                self.reach(name)
            elif not wanted:
                tokens += self.loosely(module, names)
            for key in wanted if isinstance(module, ModuleType) and is_own(module) else ():
                value = getattr(module, key, None)
                tokens += [key.encode(), self._attribute(name, key, value, [], code)]
        return tokens

    def _attribute(
        self, owner: str | None, name: str, value: Any, rest: list[str], code: CodeType
    ) -> bytes:
        """What a name stands for, or an attribute of it where that is a module."""
        chain: tuple[str, ...] = (name,)
        while isinstance(value, ModuleType):
            if not is_own(value):
                return self._installed(value, rest)
            if not rest:
                return joined("module", self.loosely(value, named(code)))
            owner, (name, *rest) = value.__name__, rest
            chain = (*chain, name)
            value = getattr(value, name, _ABSENT)
        if value is _ABSENT:
            return b"missing"
        label = self._names.label(owner, name)
        self._state.note(label, code, chain)
        token = self._bound(label, value, name)
        if rest and isinstance(value, (FunctionType, type)) and rest[0] in vars(value):
            label = f"{self._names.short(owner)}{name}.{rest[0]}"
            self._state.note(label, code, (*chain, rest[0]))
            if isinstance(value, FunctionType):
                token = combined("attribute", token, self._bound(label, vars(value)[rest[0]]))
        return token

    def _installed(self, module: ModuleType, rest: list[str]) -> bytes:
        """An attribute of a library: whatever it is there, unless the user put it there."""
        found: Any = module
        for name in rest:
            if not isinstance(found, ModuleType):
                break
            self.reach(found.__name__)
            found = vars(found).get(name)
        self.reach(module.__name__)
        if isinstance(found, FunctionType) and is_own_function(found):
            return self._refer(found)
        return combined("installed", ".".join([module.__name__, *rest]).encode())

    def loosely(
        self, module: ModuleType, names: Named, seen: set[str] | None = None
    ) -> list[bytes]:
        """What some code may mean that has a module in hand: all that it has a name for."""
        tokens = []
        seen = set() if seen is None else seen
        seen.add(module.__name__)
        for name in sorted(names.loose & vars(module).keys()):
            value = vars(module)[name]
            if isinstance(value, ModuleType) and is_own(value):
                if value.__name__ not in seen:
                    tokens += self.loosely(value, names, seen)
            elif not is_dunder(name):
                label = self._names.label(module.__name__, name)
                tokens.append(self._bound(label, value, name))
        return tokens


def is_dunder(name: str) -> bool:
    """Whether Python gives a name its meaning."""
    return name.startswith("__") and name.endswith("__")
