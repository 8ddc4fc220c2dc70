"""Functions as bytes, for processes that cannot import what they are made of."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

MAIN = ("__main__", "__mp_main__")
"""Names of the program's own file, which no other process imports under them."""

_looked_at: set[str] = set()
"""Names of modules of which it is known whether another process finds them where this one did."""


def pickled_by_value(value: object) -> bytes:
    """Pickle it, with everything inside that other processes of this machine cannot import.

    Raises
    ------
    Exception
        If something in it cannot be pickled.
    """
    # Of hundreds of names most were looked at before.
    for name in sys.modules.keys() - _looked_at - cloudpickle.list_registry_pickle_by_value():
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            _looked_at.add(name)
            if "." not in name and name != "__main__" and not _is_found(name, module):
                cloudpickle.register_pickle_by_value(module)
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def _is_found(name: str, module: ModuleType) -> bool:
    """Whether an import of that name, in another process, gives the same file."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return True  # built in, or made by hand: cloudpickle knows what to do
    if getattr(getattr(module, "__spec__", None), "origin", None) == "frozen":
        return True  # in the interpreter, of which a module's file says nothing
    try:
        spec = PathFinder.find_spec(name)
    except Exception:
        return True
    return spec is not None and spec.origin == file


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's, for two more kinds of function that a program's own file may define."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _CACHED) and _is_by_value(obj):
            made = (obj.cache_parameters(),)
            return _new_cached, made, obj.__wrapped__, None, None, _set_cached
        if isinstance(obj, FunctionType) and _dispatches(obj) and _is_by_value(obj):
            registry = dict(obj.registry)  # type: ignore[attr-defined]
            return _new_dispatching, (), registry, None, None, _set_dispatching
        return super().reducer_override(obj)


_CACHED: Any = type(functools.lru_cache(lambda: None))


def _dispatches(function: Any) -> bool:
    return all(hasattr(function, name) for name in ("registry", "dispatch", "register"))


def _is_by_value(function: Any) -> bool:
    name = getattr(function, "__module__", None)
    return (
        name in MAIN
        or name not in sys.modules
        or name in cloudpickle.list_registry_pickle_by_value()
    )


def _new_cached(parameters: dict[str, Any]) -> Any:
    """A cached function that calls what it is given later: it may call itself."""
    wrapped: list[Callable[..., Any]] = []

    @functools.lru_cache(**parameters)  # type: ignore[untyped-decorator]
    def cached(*args: Any, **kwargs: Any) -> Any:
        return wrapped[0](*args, **kwargs)

    vars(cached)["wrapped"] = wrapped
    return cached


def _set_cached(cached: Any, function: Callable[..., Any]) -> None:
    wrapped = vars(cached)["wrapped"]
    functools.update_wrapper(cached, function)
    wrapped.append(function)


def _new_dispatching() -> Any:
    @functools.singledispatch
    def dispatching(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    return dispatching


def _set_dispatching(dispatching: Any, registry: dict[type, Callable[..., Any]]) -> None:
    for kind, function in registry.items():
        dispatching.register(kind, function)
    functools.update_wrapper(dispatching, registry[object])
