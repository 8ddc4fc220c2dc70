"""Whose something is: the user's own, the standard library's, or a distribution's."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import importlib_metadata

MAIN = ("__main__", "__mp_main__")
SITE = {"site-packages", "dist-packages"}
"""What the folders are called that distributions are installed in."""
OURS = "crystallize"
OUR_DISTRIBUTION = "crystallize-core"
CYTHON = "_cython_"
"""How the module is called that has the types of compiled functions."""
STANDARD = tuple(
    os.path.normcase(folder) + os.sep
    for name in ("stdlib", "platstdlib")
    if (folder := sysconfig.get_path(name))
)


def is_own_file(file: str) -> bool | None:
    """Whether a file is the user's; ``None`` where a name like ``<string>`` does not say."""
    return None if file.startswith("<") and not file.startswith("<frozen") else _is_own(file)


def is_own_module(name: str | None) -> bool:
    """Whether a module is the user's: neither installed nor of the standard library.

    What an editable installation points to is the user's.
    """
    if name is None or name in MAIN:
        return True
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == OURS or top.startswith(CYTHON):
        return False
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None) if module is not None else None
    if not isinstance(file, str):
        # A folder without __init__, or it was made by hand, or came pickled by value.
        places = getattr(module, "__path__", None)
        return _is_own(os.path.join(next(iter(places)), "?")) if places else True  # noqa: PTH118
    return _is_own(file)


def is_own(module: ModuleType) -> bool:
    """:func:`is_own_module` for a module itself."""
    return is_own_module(getattr(module, "__name__", None))


def is_own_function(function: Any) -> bool:
    """Whether a function's code is the user's, whatever ``functools.wraps`` made of its name."""
    own = is_own_file(function.__code__.co_filename)
    return is_own_module(function.__globals__.get("__name__")) if own is None else own


@cache
def distribution_of(module: str) -> tuple[str, str] | None:
    """Name and version of the distribution that has a module; none has the standard library's."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in MAIN:
        return None
    # Which other one has ours need not be looked for in all that is installed, as each new worker
    # would that is given a function of ours, or one that calls it.
    name = OUR_DISTRIBUTION if top == OURS else top
    try:
        return name, importlib_metadata.version(name)
    except importlib_metadata.PackageNotFoundError:
        pass
    for name in _by_module().get(top, ()):
        return name, importlib_metadata.version(name)
    if top not in sys.modules:
        return None
    version = getattr(sys.modules[top], "__version__", None)
    return top, version if isinstance(version, str) else "unknown"


@cache
def _by_module() -> dict[str, list[str]]:
    return {
        name: list(found) for name, found in importlib_metadata.packages_distributions().items()
    }


@lru_cache(maxsize=4096)
def _is_own(file: str) -> bool:
    if file.startswith("<frozen"):
        return False
    if SITE & set(Path(file).parts):
        return False
    return not os.path.normcase(file).startswith((*STANDARD, _HERE))


_HERE = os.path.normcase(str(Path(__file__).parents[2])) + os.sep
"""This distribution's own code, which may be installed in place."""
