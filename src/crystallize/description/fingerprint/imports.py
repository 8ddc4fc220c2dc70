"""The modules that functions import when they are called."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from crystallize.description.fingerprint.origin import is_own_file, is_own_module
from crystallize.errors import described

Import = tuple[str, int, tuple[str, ...]]


def imported_modules(
    imports: Iterable[Import], globals_: Mapping[str, Any], *, load: bool
) -> Iterator[tuple[str, ModuleType | str | None, tuple[str, ...]]]:
    """Name, the module or why it is not to be had, and what is taken from it.

    No module for what is not the user's and was not imported yet.

    Parameters
    ----------
    load : bool
        Import those of the user's own that nobody has imported yet: the first call would.
    """
    package = globals_.get("__package__") or ""
    for name, level, wanted in imports:
        try:
            full = importlib.util.resolve_name("." * level + name, package) if level else name
            if full not in sys.modules and load and _is_own(full):
                importlib.import_module(full)
        except Exception as error:
            yield name, f"it cannot be imported: {described(error)}", wanted
            continue
        if full not in sys.modules:
            yield full, None, ()
        for loaded in (full,) if wanted else _above(full):
            if isinstance(module := sys.modules.get(loaded), ModuleType):
                yield loaded, module, wanted


def _above(name: str) -> Iterator[str]:
    """A dotted module, and the packages that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _is_own(name: str) -> bool:
    top = name.partition(".")[0]
    if not is_own_module(top):
        return False
    spec = importlib.util.find_spec(top)
    if spec is None:
        return False
    places = [spec.origin] if spec.has_location else spec.submodule_search_locations
    return any(place and is_own_file(place) for place in places or ())
