"""What messages call what was reached; the same in every process and on every machine."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

from crystallize.description.fingerprint.origin import MAIN


class Names:
    """Gives each function and class that is reached a name of its own.

    Parameters
    ----------
    function : callable
        Names of its module stand alone; those of others come after their module's.
    pickled : bool
        Whether it may have come pickled by value: classes lose their qualified names then.

    Attributes
    ----------
    condition : str or None
        The condition that is being looked at.
    """

    def __init__(self, function: Any, *, pickled: bool = False) -> None:
        self._pickled = pickled
        self._home = home(function)
        self._shared: dict[int, str] = {}
        self._own: dict[int, str] = {}
        self._taken: dict[str, Any] = {}
        self.condition: str | None = None

    def known(self, value: object) -> str | None:
        """The name that it has by now."""
        return self._shared.get(id(value)) or self._own.get(id(value))

    def new(self, value: Any, hint: str) -> tuple[str, str | None]:
        """A name for it, and the condition that alone knows it, if one does.

        Parameters
        ----------
        hint : str
            What it is bound to there where it was met.
        """
        name = qualified_name(value)
        if self._pickled and isinstance(value, type):
            name = value.__name__
        if isinstance(value, FunctionType) and name.endswith("<lambda>"):
            name = hint if hint and value.__globals__.get(hint) is value else name
        name = self.short(module_of(value)) + name
        # A lambda of one condition has that name in others too, which are to change nothing.
        scope = self.condition if "<" in name else None
        if scope is not None:
            name = f"condition {scope!r}: {name}"
        return self._free(value, name, scope), scope

    def inside(self, value: Any, wrapper: str) -> tuple[str, str | None]:
        """The same for what a decorated function wraps, which claims to have its name."""
        scope = self.condition if wrapper in self._own.values() else None
        return self._free(value, f"{wrapper}.__wrapped__", scope), scope

    def forget_conditions(self) -> bool:
        """Forget what only the last condition knows; whether there was such a thing."""
        knew = bool(self._own)
        self._own.clear()
        return knew

    def let_go(self) -> None:
        """Hold nothing any more that has a name."""
        self._taken.clear()

    def label(self, owner: str | None, name: str) -> str:
        """What a global of a module is called."""
        prefix = self.short(owner)
        return f"{prefix}{name}" if prefix else f"global `{name}`"

    def short(self, module: str | None) -> str:
        """What comes before names of a module."""
        if module is None or module == self._home or {module, self._home} <= set(MAIN):
            return ""
        return f"{module}."

    def _free(self, value: Any, name: str, scope: str | None) -> str:
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name} #{count}"
        self._taken[found] = value
        (self._shared if scope is None else self._own)[id(value)] = found
        return found


def qualified_name(value: Any) -> str:
    """What a function or class is called where it was defined."""
    return str(getattr(value, "__qualname__", getattr(value, "__name__", "?")))


def module_of(value: Any) -> str | None:
    """The name of the module that a function, class or method says it is from."""
    for owner in (value, getattr(value, "__objclass__", None)):
        if isinstance(found := getattr(owner, "__module__", None), str):
            return found
    return None


def home(function: Any) -> str | None:
    """The module that a function is from, or what is called in its place."""
    inner = _innermost(function)
    return module_of(inner) or type(inner).__module__


def folder(function: Any) -> Path | None:
    """Where the file of a function is."""
    code = getattr(_innermost(function), "__code__", None)
    if code is not None:
        file = code.co_filename
    else:
        file = getattr(sys.modules.get(home(function) or ""), "__file__", None) or "<"
    return None if file.startswith("<") else path_of(file).parent


@functools.lru_cache(maxsize=4096)
def path_of(file: str) -> Path:
    """What a path says is taken apart once, not by each walk."""
    return Path(file)


def _innermost(function: Any) -> Any:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "__func__"):
            function = function.__func__
        else:
            return function
