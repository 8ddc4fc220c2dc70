"""What is installed: the plugins that there are, which of them may be used, and by which name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from crystallize.errors import DuplicateNameError, PluginError, UnknownNameError
from crystallize.installed.metadata import Point, Problem, normalized, read

Kind = Literal["executor", "aggregator", "observer", "plugin", "command", "exporter"]
Status = Literal["available", "blocked", "conflict", "not autoloaded"]

GROUPS: Mapping[str, Kind] = {
    "crystallize.executors": "executor",
    "crystallize.aggregators": "aggregator",
    "crystallize.observers": "observer",
    "crystallize.plugins": "plugin",
    "crystallize.commands": "command",
    "crystallize.exporters": "exporter",
}
BLOCK = "CRYSTALLIZE_BLOCK_PLUGINS"
NO_AUTOLOAD = "CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD"
STATISTICS = "crystallize-stats"
KEPT_THERE = {
    ("aggregator", name)
    for name in ("performance", "compare", "estimate", "quantiles", "hypotheses")
}
"""What that distribution has, which a config can mean without naming it."""


@dataclass(frozen=True, order=True)
class PluginInfo:
    """One installed plugin, as its distribution's metadata describes it.

    Attributes
    ----------
    kind : {"executor", "aggregator", "observer", "plugin", "command", "exporter"}
        An ``"observer"`` is active where it is named, a ``"plugin"`` everywhere.
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
    def module(self) -> str:
        """The module that its entry point names."""
        return self.value.partition(":")[0].strip()

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
    problems : iterable of Problem
        What is in the metadata too, and cannot be used.
    block : iterable of str
        Plugins that are not to be used, by name or by ``distribution:name``, beside
        those that are blocked already.
    """

    def __init__(
        self,
        entries: Iterable[PluginInfo],
        problems: Iterable[Problem] = (),
        *,
        block: Iterable[str] = (),
    ) -> None:
        self._block = tuple(block)
        self.entries = tuple(sorted(_judged(entries, self._block)))
        self.problems = tuple(problems)

    @classmethod
    def installed(
        cls, environ: Mapping[str, str] = os.environ, *, block: Iterable[str] = ()
    ) -> Catalog:
        """Read what is installed now.

        Parameters
        ----------
        environ : mapping
            ``CRYSTALLIZE_BLOCK_PLUGINS=a,b`` blocks plugins, by name or by
            ``distribution:name``; ``CRYSTALLIZE_DISABLE_PLUGIN_AUTOLOAD=1`` keeps
            observers from loading unless they are named.
        block : iterable of str
            Others to block.
        """
        blocked = {name.strip() for name in environ.get(BLOCK, "").split(",")} - {""}
        autoload = environ.get(NO_AUTOLOAD, "") in ("", "0")
        reading = read(GROUPS)
        points, problems = tuple(reading.points), tuple(reading.problems)
        return _catalog(points, problems, frozenset(blocked), autoload, tuple(block))

    def observers(self) -> list[PluginInfo]:
        """The plugins that are active in every experiment."""
        return [i for i in self.entries if i.kind == "plugin" and i.status == "available"]

    def of(self, kind: Kind) -> list[PluginInfo]:
        """The plugins of a kind; those that observe are one, active everywhere or not."""
        kinds = ("observer", "plugin") if kind in ("observer", "plugin") else (kind,)
        return [info for info in self.entries if info.kind in kinds]

    def named(self, name: str) -> list[PluginInfo]:
        """The plugins of any kind that have a name, or ``distribution:name``."""
        return [info for info in self.entries if _is_in(info, [name])]

    def find(self, kind: Kind, name: str) -> PluginInfo:
        """Look a name up.

        Parameters
        ----------
        kind : {"executor", "aggregator", "observer", "plugin", "command", "exporter"}
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
        of_kind = self.of(kind)
        matches = [info for info in of_kind if _is_in(info, [name])]
        usable = [info for info in matches if info.status != "blocked"]
        if len(usable) == 1:
            return usable[0]
        if usable:
            raise _ambiguous(kind, name, usable)
        if matches:
            raise PluginError(f"The {kind} {matches[0]} is blocked by {self._blocker(matches[0])}.")
        raise UnknownNameError(
            kind,
            name,
            [info.name for info in of_kind],
            advice=f"Installed: {', '.join(map(str, of_kind)) or 'none'}."
            + (f" pip install {STATISTICS} adds it." if (kind, name) in KEPT_THERE else ""),
        )

    def unblocking(self) -> list[str]:
        """The names that were to be blocked and that nothing has."""
        return [name for name in self._block if not self.named(name)]

    def _blocker(self, info: PluginInfo) -> str:
        here = _is_in(info, self._block)
        return "this experiment's 'block'" if here else f"the environment variable {BLOCK}"


@lru_cache(maxsize=4)
def _catalog(
    points: Sequence[Point],
    problems: Sequence[Problem],
    blocked: Collection[str],
    autoload: bool,
    block: Sequence[str],
) -> Catalog:
    """One of what is installed, which is the same for every experiment until that changes."""

    def status(info: PluginInfo) -> Status:
        if _is_in(info, blocked):
            return "blocked"
        return "available" if autoload or info.kind != "plugin" else "not autoloaded"

    found = (
        PluginInfo(GROUPS[point.group], point.name, point.distribution, *rest)
        for point in points
        for rest in [(point.version, point.value)]
    )
    return Catalog((replace(info, status=status(info)) for info in found), problems, block=block)


def _judged(entries: Iterable[PluginInfo], block: Sequence[str]) -> list[PluginInfo]:
    """The plugins with their status, which depends on what else there is."""
    found = [replace(info, status="blocked") if _is_in(info, block) else info for info in entries]
    counts = Counter((info.kind, info.name) for info in found if info.status != "blocked")

    def is_ambiguous(info: PluginInfo) -> bool:
        # Those that are active everywhere need no names of their own: nobody has to choose.
        taken = counts[info.kind, info.name] > 1
        return taken and info.status == "available" and info.kind != "plugin"

    return [replace(info, status="conflict") if is_ambiguous(info) else info for info in found]


def _ambiguous(kind: Kind, name: str, usable: Sequence[PluginInfo]) -> DuplicateNameError:
    problem = f"More than one {kind} is named {name!r}: {', '.join(map(str, usable))}."
    qualified = dict.fromkeys(info.qualified for info in usable)
    if len(qualified) == 1:
        values = " and ".join(repr(info.value) for info in usable)
        return DuplicateNameError(
            f"{problem} Both are that distribution's own, {values}: it must give one of them "
            "another name."
        )
    return DuplicateNameError(f"{problem} Say which: {' or '.join(map(repr, qualified))}.")


def _is_in(info: PluginInfo, names: Collection[str]) -> bool:
    return any(name == info.name or _is_qualified(name, info) for name in names)


def _is_qualified(name: str, info: PluginInfo) -> bool:
    distribution, colon, short = name.rpartition(":")
    return bool(colon) and short == info.name and normalized(distribution) == info.distribution
