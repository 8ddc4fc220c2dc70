"""Functions and parameters as data, for people to look at."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from tokenize import TokenError
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from crystallize.callables import function_name
from crystallize.cells.plain import SCALARS
from crystallize.description.secrets import without_secrets_in_text
from crystallize.errors import text_of

MOST_LETTERS, MOST_ITEMS, MOST_INTEGER = 40, 8, 10**20
SECRET = re.compile("key|token|secret|passw|credential", re.IGNORECASE)


def source_file(function: Callable[..., Any]) -> Path | None:
    """The file that defines a function, where there is one."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return Path(file) if file and Path(file).exists() else None


def source_hash(function: Callable[..., Any]) -> str | None:
    """SHA-256 of a function's source, or of its byte code where the source is not to be had.

    Of what the file said when it was first asked of this function, or of a method's: later it may
    have been edited, and the function is what it was.
    """
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if isinstance(function, FunctionType) and function in _hashes:
        known_code, digest = _hashes[function]
        if known_code is code:  # a notebook that reloads modules replaces it in place
            return digest
    try:
        source = inspect.getsource(function).encode()
    except (OSError, TypeError, SyntaxError, TokenError):  # there is none, or it is no Python
        if code is None:
            return None
        return hashlib.sha256(code.co_code + repr(code.co_names).encode()).hexdigest()
    digest = hashlib.sha256(source).hexdigest()
    if isinstance(function, FunctionType):
        _hashes[function] = code, digest
    return digest


_hashes: WeakKeyDictionary[FunctionType, tuple[Any, str]] = WeakKeyDictionary()
"""Of functions that are there still."""


def shown_parameter(value: Any) -> Any:
    """A parameter as data: itself where JSON has it, a digest for arrays, else its ``repr``."""
    kind = type(value)
    if (
        kind is str
        or kind is bool
        or (kind is int and value.bit_length() < 64)
        or (kind is float and isfinite(value))
    ):
        return value  # as most are
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).data).hexdigest()
        return {"array": {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": digest}}
    if callable(value):
        return f"{getattr(value, '__module__', '?')}:{function_name(value)}"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return without_secrets_in_text(text_of(value))
    return value if _has_names_as_keys(value) else without_secrets_in_text(text_of(value))


def _has_names_as_keys(value: Any) -> bool:
    """Whether all keys inside are text: JSON makes text of numbers."""
    if isinstance(value, dict):
        if not set(map(type, value)) <= {str}:
            return False
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return True
    # By kind, of which there are few: a long list of numbers is read at C's speed.
    nested = any(issubclass(kind, (dict, list, tuple)) for kind in set(map(type, value)))
    return not nested or all(map(_has_names_as_keys, value))


def short(name: str, value: Any) -> str | None:
    """A small value as one line of text; none for what may be a secret."""
    if SECRET.search(name):
        return None
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        if len(value) > MOST_ITEMS or not all(type(item) in SCALARS for item in value):
            return None
    elif type(value) not in SCALARS:
        return None
    if isinstance(value, int) and abs(value) >= MOST_INTEGER:
        return None
    text = text_of(value)
    return text if 0 < len(text) <= MOST_LETTERS else None
