"""From ``module:attribute`` to a function, looked up beside a config file first."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from crystallize.errors import FunctionLookupError, described, suggestion
from crystallize.located import folder_of

SOURCE = "__crystallize_source__"
"""Where a module loaded from beside a config keeps the source that was executed."""


FOLDER = "__crystallize_folder__"
"""Where it keeps the config's folder."""


def find_function(spec: str, beside: Path) -> Callable[..., Any]:
    """Import what a config names.

    Parameters
    ----------
    spec : str
        ``module:attribute``; both may be dotted.
    beside : path
        The config's folder, or else that of the file in which the text stands: a module
        there comes before an installed one, and the folder goes to the front of
        ``sys.path`` for what that imports.

    Raises
    ------
    FunctionLookupError
        If there is no such module or attribute, if it is not callable, or if
        the module raises while it is imported (chained).
    """
    name, _, attribute = spec.partition(":")
    if not is_module_attribute(spec):
        raise FunctionLookupError(
            f"The function {spec!r} is not of the form 'module:attribute', as in 'coverage:trial'."
        )
    module, found = _found(name, attribute, folder_of(spec) or beside)
    if not callable(found):
        raise FunctionLookupError(
            f"{spec!r} in {_place(module)} is a {type(found).__name__}, not a function."
        )
    return found  # type: ignore[no-any-return]


def is_module_attribute(spec: str) -> bool:
    """Whether a text has the form of ``module:attribute``."""
    name, colon, attribute = spec.partition(":")
    parts = [*name.split("."), *attribute.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def find_object(spec: str, beside: Path | None) -> Any:
    """Import what a program or a config names, function or not.

    Parameters
    ----------
    spec : str
        ``module:attribute``; see :func:`is_module_attribute`.
    beside : path or None
        The config's folder; ``None`` where a program says it, and Python's own path
        is all that is looked at.

    Raises
    ------
    FunctionLookupError
        If there is no such module or attribute, or if the module raises while it is
        imported (chained).
    """
    name, _, attribute = spec.partition(":")
    return _found(name, attribute, beside)[1]


def _found(name: str, attribute: str, beside: Path | None) -> tuple[ModuleType, Any]:
    if beside is not None:
        _forget_namesakes(beside)
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
    return module, found


def _module(name: str, beside: Path | None) -> ModuleType:
    if beside is not None:
        if str(beside) not in sys.path:
            sys.path.insert(0, str(beside))
        if file := _source(name, beside):
            return _from_file(name, file, beside)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # What is missing may also be something that the module itself imports.
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            places = (
                "not on Python's path" if beside is None else f"neither in {beside} nor installed"
            )
            raise FunctionLookupError(f"There is no module {name!r}: {places}.") from error
        raise FunctionLookupError(f"Importing {name} failed with {described(error)}") from error


def _source(name: str, folder: Path) -> Path | None:
    stem = folder.joinpath(*name.split("."))
    files = (stem.with_suffix(".py"), stem / "__init__.py")
    try:
        return next((file for file in files if file.is_file()), None)
    except OSError:  # a name that no file can have, or a folder that is not ours to look into
        return None


def _forget_namesakes(beside: Path) -> None:
    """Unload what came from beside another config under a name that this one's folder has too.

    Or else ``import helper`` would quietly give the other experiment's.
    """
    others = {vars(module)[FOLDER] for module in _modules().values() if FOLDER in vars(module)}
    for name, module in _modules().items():
        file = Path(getattr(module, "__file__", None) or "?")
        depth = name.count(".") + (file.name == "__init__.py")
        elsewhere = len(file.parents) > depth and file.parents[depth] in others - {beside}
        if elsewhere and _source(name.partition(".")[0], beside):
            del sys.modules[name]


def _modules() -> dict[str, ModuleType]:
    return {name: m for name, m in sys.modules.items() if isinstance(m, ModuleType)}


def _from_file(name: str, file: Path, beside: Path) -> ModuleType:
    """Execute a file as a module; again if it changed since.

    A worker executes what was read here, and need not find the file.
    """
    package, _, leaf = name.rpartition(".")
    if package and (parent := _source(package, beside)):
        # A package comes before what is in it, and may import that in turn.
        name = f"{_from_file(package, parent, beside).__name__}.{leaf}"
    source = file.read_bytes()
    loaded = sys.modules.get(name)
    if loaded is not None and not hasattr(loaded, SOURCE):
        if getattr(loaded, "__file__", None) == str(file):
            return loaded  # the user's program imported it already
        # Someone else's module of that name, which must not lose its place.
        name = f"{name}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
        loaded = sys.modules.get(name)
    if loaded is not None and (loaded.__file__, getattr(loaded, SOURCE)) == (str(file), source):
        return loaded
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, SOURCE, source)
    setattr(module, FOLDER, beside)
    sys.modules[name] = module
    try:
        # Not through the loader: its byte code cache trusts a file's time to the second.
        code = compile(source, str(file), "exec", dont_inherit=True)
        exec(code, vars(module))
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        place = _place_of(error, beside) or str(file)
        raise FunctionLookupError(
            f"{place}: importing it failed with {described(error)}"
        ) from error
    return module


def _place_of(error: BaseException, folder: Path) -> str | None:
    """File and line, of those in `folder`, where an import went wrong."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    inside = [place for place in places if Path(place[0]).is_relative_to(folder)]
    return "{}, line {}".format(*inside[-1]) if inside else None


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
