"""What kind of function something is, and what it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

MOST_DOCUMENTATION = 20_000
"""How many letters of a docstring are kept."""


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def function_name(function: object) -> str:
    """What messages call `function`."""
    return getattr(function, "__qualname__", None) or repr(function)


def documentation(function: Callable[..., Any]) -> str | None:
    """What its docstring says, without the indentation; ``None`` where it has none."""
    while isinstance(function, partial):
        function = function.func
    text = getattr(function, "__doc__", None)
    return inspect.cleandoc(text)[:MOST_DOCUMENTATION] if isinstance(text, str) else None
