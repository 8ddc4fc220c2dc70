"""What a function holds, each by its name."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from crystallize.description.fingerprint.naming import path_of


def defaults(function: FunctionType) -> dict[str, Any]:
    """The parameters that need not be given, with what they are then."""
    code, given = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(given) : code.co_argcount]
    return {**dict(zip(names, given, strict=True)), **(function.__kwdefaults__ or {})}


def closure(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables of functions around it, but for those that have no value yet."""
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def place(code: CodeType) -> str:
    """File and line, without the folder, which differs between machines."""
    return f"{path_of(code.co_filename).name}:{code.co_firstlineno}"
