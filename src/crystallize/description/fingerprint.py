"""What tells two functions or two parameters apart."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from crystallize.callables import function_name


def source_file(function: Callable[..., Any]) -> Path | None:
    """The file that defines a function, where there is one."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return Path(file) if file and Path(file).exists() else None


def source_hash(function: Callable[..., Any]) -> str | None:
    """SHA-256 of a function's source, or of its byte code where the source is not to be had."""
    try:
        source = inspect.getsource(inspect.unwrap(function)).encode()
    except (OSError, TypeError, SyntaxError, TokenError):  # there is none, or it is no Python
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return None
        source = code.co_code + repr(code.co_names).encode()
    return hashlib.sha256(source).hexdigest()


def shown_parameter(value: Any) -> Any:
    """A parameter as data: itself where JSON has it, a digest for arrays, else its ``repr``."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).data).hexdigest()
        return {"array": {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": digest}}
    if callable(value):
        return f"{getattr(value, '__module__', '?')}:{function_name(value)}"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value
