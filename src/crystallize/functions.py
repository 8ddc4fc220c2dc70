"""From ``module:attribute`` to a function, looked up beside a config file first."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from crystallize.errors import FunctionLookupError, suggestion

CONTENT = "__crystallize_content__"
"""Where a module loaded from beside a config keeps the hash of its source."""


def find_function(spec: str, beside: Path) -> Callable[..., Any]:
    """Import what a config names.

    Parameters
    ----------
    spec : str
        ``module:attribute``; both may be dotted.
    beside : path
        The config's folder: a module there comes before an installed one, and
        the folder goes to the front of ``sys.path`` for what that imports.

    Raises
    ------
    FunctionLookupError
        If there is no such module or attribute, if it is not callable, or if
        the module raises while it is imported (chained).
    """
    name, colon, attribute = spec.partition(":")
    parts = [*name.split("."), *attribute.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise FunctionLookupError(
            f"The function {spec!r} is not of the form 'module:attribute', as in 'coverage:trial'."
        )
    module = _module(name, beside)
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            functions = [n for n, v in vars(module).items() if callable(v) and n[0] != "_"]
            raise FunctionLookupError(
                f"{_place(module)} has no attribute {attribute!r}."
                f"{suggestion(attribute, functions)} It has: {', '.join(functions) or 'nothing'}."
            ) from None
    if not callable(found):
        raise FunctionLookupError(
            f"{spec!r} in {_place(module)} is a {type(found).__name__}, not a function."
        )
    return found  # type: ignore[no-any-return]


def _module(name: str, beside: Path) -> ModuleType:
    if str(beside) not in sys.path:
        sys.path.insert(0, str(beside))
    stem = beside.joinpath(*name.split("."))
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if file.is_file():
            return _from_file(name, file)
    importlib.invalidate_caches()
    try:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    except ModuleNotFoundError as error:
        raise FunctionLookupError(
            f"There is no module {name!r}: neither in {beside} nor installed."
        ) from error
    except Exception as error:
        raise _broken(name, error) from error
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _broken(name, error) from error


def _from_file(name: str, file: Path) -> ModuleType:
    """Execute a file as a module; again if it changed since.

    Its functions are pickled by value, so that a worker runs what was read here
    and need not find the file.
    """
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    loaded = sys.modules.get(name)
    if loaded is not None and not hasattr(loaded, CONTENT):
        if getattr(loaded, "__file__", None) == str(file):
            return loaded  # the user's program imported it already
        # Someone else's module of that name, which must not lose its place.
        name = f"{name}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
        loaded = sys.modules.get(name)
    if loaded is not None and (loaded.__file__, getattr(loaded, CONTENT)) == (str(file), content):
        return loaded
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, CONTENT, content)
    sys.modules[name] = module
    try:
        # Not through the loader: its byte code cache trusts a file's time to the second.
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        raise _broken(str(file), error) from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _broken(where: str, error: Exception) -> FunctionLookupError:
    line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if not line and trace is not None and trace.tb_frame.f_code.co_filename == where:
        line = f", line {trace.tb_lineno}"
    return FunctionLookupError(
        f"{where}{line}: importing it failed with {type(error).__name__}: {error}"
    )


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
