"""The user's own modules, in workers as the driver had them: their source travels with the call.

A worker that starts later would read a file that was edited meanwhile, and one on another
machine might find none.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from crystallize.description.fingerprint.origin import is_own_module
from crystallize.description.lookup import SOURCE


class Source(NamedTuple):
    """A module as the driver had it.

    Attributes
    ----------
    file : str
        Where it was.
    text : bytes
    package : list of str or None
        Where the modules inside it are, if it is a package.
    """

    file: str
    text: bytes
    package: list[str] | None


_PROCESS = os.urandom(16)
"""This process, or one that was forked from it."""
_others: dict[str, weakref.ref[ModuleType]] = {}
"""Modules that are not the user's own, of which there are hundreds: each is looked at once."""


@dataclass(frozen=True, slots=True)
class OwnModules:
    """The modules of the user's own that a process had, by name."""

    process: bytes
    sources: Mapping[str, Source]

    def __reduce__(self) -> tuple[Any, ...]:
        # Of plain tuples: cloudpickle asks Python code about every object of a class.
        return _own_modules, (self.process, {name: (*one,) for name, one in self.sources.items()})

    @classmethod
    def loaded(cls) -> OwnModules:
        """Those that this process has loaded from files."""
        found = {}
        for name, module in sys.modules.copy().items():
            known = _others.get(name)
            if known is not None and known() is module:
                continue
            if not isinstance(module, ModuleType):
                continue
            if not is_own_module(name):
                _others[name] = weakref.ref(module)
            elif (source := _source(name, module)) is not None:
                found[name] = source
        return cls(_PROCESS, found)

    def provide(self) -> None:
        """Have them imported from here, in any other process; what it has of others is unloaded."""
        if self.process == _PROCESS:
            return
        finder = next((one for one in sys.meta_path if isinstance(one, _Finder)), None)
        if finder is None:
            finder = _Finder()
            sys.meta_path.insert(0, finder)
        finder.sources = self.sources
        if any(loader.source != self.sources.get(name) for name, loader in _provided().items()):
            unload_provided()


def _own_modules(
    process: bytes, sources: Mapping[str, tuple[str, bytes, list[str] | None]]
) -> OwnModules:
    return OwnModules(process, {name: Source(*given) for name, given in sources.items()})


def unload_provided() -> bool:
    """Have what was provided imported anew; whether there was any."""
    names = list(_provided())
    for name in names:
        del sys.modules[name]
    return bool(names)


class _Finder(MetaPathFinder):
    """Finds modules whose source came with a call."""

    def __init__(self) -> None:
        self.sources: Mapping[str, Source] = {}
        self.found: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = self.sources.get(fullname)
        if source is None:
            return None
        self.found.add(fullname)
        return spec_from_file_location(
            fullname,
            source.file,
            loader=_Loader(source),
            submodule_search_locations=source.package,
        )


class _Loader(SourceLoader):
    """Executes a source, whatever its file says by now."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def get_filename(self, fullname: str) -> str:
        return self.source.file

    def get_data(self, path: str | bytes) -> bytes:
        if path != self.source.file:
            raise OSError
        return self.source.text


def _provided() -> dict[str, _Loader]:
    """The modules here that were loaded from a source that travelled."""
    names = {name for one in sys.meta_path if isinstance(one, _Finder) for name in one.found}
    modules = {name: module for name in sorted(names) if (module := sys.modules.get(name))}
    loaders = {
        name: getattr(getattr(module, "__spec__", None), "loader", None)
        for name, module in modules.items()
    }
    return {name: loader for name, loader in loaders.items() if isinstance(loader, _Loader)}


def _source(name: str, module: ModuleType) -> Source | None:
    spec = getattr(module, "__spec__", None)
    # Others make something else of a source: pytest, of what its tests assert.
    if spec is None or name == "__main__":
        return None
    if isinstance(spec.loader, _Loader):  # a worker that has workers of its own
        return spec.loader.source
    file = getattr(module, "__file__", None)
    if type(spec.loader) is not SourceFileLoader or not isinstance(file, str):
        return None
    text = vars(module).get(SOURCE)
    if text is None:
        try:
            text = Path(file).read_bytes()
        except OSError:
            return None
    places = getattr(module, "__path__", None)
    return Source(file, text, None if places is None else list(places))
