"""Tokens of the kinds of object for which what pickle would write does not do."""

from __future__ import annotations

import functools
import itertools
import logging
import random
import types
import weakref
from collections.abc import Callable
from enum import Enum
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Protocol, TypeVar

import numpy as np

from crystallize.description.fingerprint.names import code_token
from crystallize.description.fingerprint.tokens import combined, joined

CACHED: Any = type(functools.lru_cache(lambda: None))
WRAPPERS = (property, staticmethod, classmethod, functools.cached_property, CACHED)
"""What has no name of its own beside that of the function inside."""
WITHOUT_CONTENT = (
    weakref.ReferenceType,
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.WeakSet,
    logging.Logger,
)
"""What only remembers or reports."""


GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
BOUND = (MethodType, BuiltinFunctionType)

Refer = Callable[[Any], bytes]
"""The token of a function, class or module, which is looked at on its own."""


class Tokens(Protocol):
    """Where the tokens of what is inside come from."""

    folder: Path | None

    def token(self, value: Any) -> bytes: ...

    def refer(self, value: Any) -> bytes: ...


def make(tokens: Tokens, value: Any) -> bytes | None:
    """The token of an object; ``None`` if it is of no such kind."""
    if (made := _BY_TYPE.get(type(value))) is not None:
        return made(tokens, value)
    if isinstance(value, (type, ModuleType)):
        return tokens.refer(value)
    if isinstance(value, Enum):
        kind = tokens.refer(type(value))
        return combined("enum", kind, str(value.name).encode(), tokens.token(value.value))
    if isinstance(value, PurePath):
        return _path(tokens, value)
    if isinstance(value, WITHOUT_CONTENT):
        return combined("without content", type(value).__qualname__.encode())
    return None


def is_global_generator(value: Any) -> bool:
    """Whether it is one that a module shares with everyone, which is watched at run time."""
    return value is random._inst or value is np.random.mtrand._rand


def told_apart(value: Any) -> tuple[str, str, int]:
    """An order of functions and classes that is the same in every process."""
    code = getattr(value, "__code__", None)
    line = code.co_firstlineno if isinstance(code, CodeType) else 0
    return type(value).__qualname__, str(getattr(value, "__qualname__", "")), line


def _refer(tokens: Tokens, value: Any) -> bytes:
    return tokens.refer(value)


def _method(tokens: Tokens, value: MethodType) -> bytes:
    return combined("method", tokens.token(value.__func__), tokens.token(value.__self__))


def _builtin(tokens: Tokens, value: BuiltinFunctionType) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType) or is_global_generator(owner):
        return tokens.refer(value)
    return combined("method", value.__name__.encode(), tokens.token(owner))


def _partial(tokens: Tokens, value: Any) -> bytes:
    inside = (value.func, value.args, value.keywords, vars(value))
    return joined("partial", map(tokens.token, inside))


def _cached(tokens: Tokens, value: Any) -> bytes:
    """What it has cached follows from the function."""
    parameters = value.cache_parameters()
    return combined("cached", tokens.token(value.__wrapped__), tokens.token(parameters))


def _property(tokens: Tokens, value: property) -> bytes:
    return joined("property", map(tokens.token, (value.fget, value.fset, value.fdel)))


def _wrapped(tokens: Tokens, value: Any) -> bytes:
    return combined(type(value).__name__, tokens.token(value.__func__))


def _cached_property(tokens: Tokens, value: Any) -> bytes:
    return combined("cached_property", tokens.token(value.func))


def _view(tokens: Tokens, value: Any) -> bytes:
    return combined("view", tokens.token(dict(value)))


def _count(tokens: Tokens, value: Any) -> bytes:
    # Iterators cannot be pickled from Python 3.14 on; this one shows all that it is.
    return combined("count", repr(value).encode())


def _code(tokens: Tokens, value: CodeType) -> bytes:
    return code_token(value)


def _type_variable(tokens: Tokens, value: TypeVar) -> bytes:
    return combined("type variable", value.__name__.encode())


def _path(tokens: Tokens, value: PurePath) -> bytes:
    # What is beside the function's file is so on every machine.
    if tokens.folder is not None and value.is_relative_to(tokens.folder):
        value = value.relative_to(tokens.folder)
    return combined("path", value.as_posix().encode("utf-8", "surrogateescape"))


_BY_TYPE: dict[type, Callable[[Tokens, Any], bytes]] = {
    FunctionType: _refer,
    MethodType: _method,
    BuiltinFunctionType: _builtin,
    functools.partial: _partial,
    CACHED: _cached,
    property: _property,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    functools.cached_property: _cached_property,
    types.MappingProxyType: _view,
    itertools.count: _count,
    types.WrapperDescriptorType: _refer,
    types.MethodDescriptorType: _refer,
    CodeType: _code,
    TypeVar: _type_variable,
}
