"""What is installed: entry-point metadata, read without importing any plugin."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import importlib_metadata

from crystallize.errors import DuplicateNameError, PluginError, UnknownNameError

Kind = Literal["executor", "aggregator", "plugin"]
Status = Literal["available", "blocked", "conflict", "not autoloaded"]

GROUPS: Mapping[str, Kind] = {
    "crystallize.executors": "executor",
    "crystallize.aggregators": "aggregator",
    "crystallize.plugins": "plugin",
}
BLOCK = "CRYSTALLIZE_BLOCK_PLUGINS"
NO_AUTOLOAD = "CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD"


@dataclass(frozen=True, order=True)
class PluginInfo:
    """One installed plugin, as its distribution's metadata describes it.

    Attributes
    ----------
    kind : {"executor", "aggregator", "plugin"}
    name : str
        What a config calls it.
    distribution, version : str
        Who ships it.
    value : str
        ``module:attribute``.
    status : {"available", "blocked", "conflict", "not autoloaded"}
    """

    kind: Kind
    name: str
    distribution: str
    version: str
    value: str
    status: Status = "available"

    @property
    def qualified(self) -> str:
        """``distribution:name``, which no other plugin has."""
        return f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class Catalog:
    """The installed plugins, found but not loaded.

    Parameters
    ----------
    entries : iterable of PluginInfo
    """

    def __init__(self, entries: Iterable[PluginInfo]) -> None:
        self.entries = tuple(sorted(entries))

    @classmethod
    def installed(cls, environ: Mapping[str, str] = os.environ) -> Catalog:
        """Read what is installed now.

        Parameters
        ----------
        environ : mapping
            ``CRYSTALLIZE_BLOCK_PLUGINS=a,b`` blocks plugins, by name or by
            ``distribution:name``; ``CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD=1`` keeps
            observers from loading unless they are named.
        """
        blocked = {name.strip() for name in environ.get(BLOCK, "").split(",")} - {""}
        autoload = environ.get(NO_AUTOLOAD, "") in ("", "0")
        found = _found_in(_path())
        counts = Counter((info.kind, info.name) for info in found if not _is_in(info, blocked))

        def status(info: PluginInfo) -> Status:
            if _is_in(info, blocked):
                return "blocked"
            if info.kind == "plugin":  # observers need no unique names: nobody has to choose
                return "available" if autoload else "not autoloaded"
            return "conflict" if counts[info.kind, info.name] > 1 else "available"

        return cls(replace(info, status=status(info)) for info in found)

    def observers(self) -> list[PluginInfo]:
        """The plugins that are active in every experiment."""
        return [i for i in self.entries if i.kind == "plugin" and i.status == "available"]

    def find(self, kind: Kind, name: str) -> PluginInfo:
        """Look a name up.

        Parameters
        ----------
        kind : {"executor", "aggregator", "plugin"}
        name : str
            A name, or ``distribution:name``.

        Raises
        ------
        UnknownNameError
            Listing what is installed, and the closest.
        DuplicateNameError
            If two distributions have the name.
        PluginError
            If the plugin is blocked.
        """
        of_kind = [info for info in self.entries if info.kind == kind]
        matches = [info for info in of_kind if name == info.name or _is_qualified(name, info)]
        usable = [info for info in matches if info.status != "blocked"]
        if len(usable) == 1:
            return usable[0]
        if usable:
            raise DuplicateNameError(
                f"More than one {kind} is named {name!r}: {', '.join(map(str, usable))}. "
                f"Say which: {' or '.join(repr(info.qualified) for info in usable)}."
            )
        if matches:
            raise PluginError(
                f"The {kind} {matches[0]} is blocked by the environment variable {BLOCK}."
            )
        raise UnknownNameError(
            kind,
            name,
            [info.name for info in of_kind],
            advice=f"Installed: {', '.join(map(str, of_kind)) or 'none'}.",
        )


def normalized(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _is_qualified(name: str, info: PluginInfo) -> bool:
    distribution, colon, short = name.rpartition(":")
    return bool(colon) and short == info.name and normalized(distribution) == info.distribution


def _is_in(info: PluginInfo, names: Iterable[str]) -> bool:
    return any(name == info.name or _is_qualified(name, info) for name in names)


def _path() -> tuple[tuple[str, int], ...]:
    """The folders that are looked in, and when they changed: installing changes one."""
    path = []
    for entry in dict.fromkeys(sys.path):
        with suppress(OSError):
            path.append((entry, os.stat(entry or os.curdir).st_mtime_ns))  # noqa: PTH116 - quick
    return tuple(path)


@lru_cache(maxsize=1)
def _found_in(path: tuple[tuple[str, int], ...]) -> tuple[PluginInfo, ...]:
    """Reading every distribution's entry points takes longer than a small experiment."""
    return tuple(_found())


def _found() -> Iterator[PluginInfo]:
    seen: set[str] = set()
    for candidate in importlib_metadata.distributions():
        try:
            # Parsing every distribution's metadata takes far longer than this look.
            if "crystallize." not in (candidate.read_text("entry_points.txt") or ""):
                continue
            name = normalized(candidate.metadata["Name"])
            if name in seen:
                continue
            seen.add(name)
            # The first on the path is the one that imports, whatever another's metadata says.
            distribution = importlib_metadata.distribution(name)
            points = [point for point in distribution.entry_points if point.group in GROUPS]
            version = distribution.version if points else ""
        except Exception:
            # Metadata that cannot be read hides that distribution and no other.
            continue
        for point in points:
            yield PluginInfo(GROUPS[point.group], point.name, name, version, point.value)
