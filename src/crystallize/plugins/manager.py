"""The pluggy manager of one experiment: it registers a plugin whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pluggy

from crystallize import hookspecs
from crystallize.errors import DuplicateNameError
from crystallize.hookspecs import PROJECT_NAME
from crystallize.installed.catalog import Kind, PluginInfo
from crystallize.plugins.validation import Implementation, checked_implementations


class Manager(pluggy.PluginManager):
    """A pluggy manager that refuses what pluggy would accept and then ignore."""

    def __init__(self) -> None:
        super().__init__(PROJECT_NAME)
        self.add_hookspecs(hookspecs)
        self._plugins: dict[str, _Registered] = {}

    def add(self, kind: Kind, name: str, plugin: object, origin: PluginInfo | None = None) -> str:
        """Check every implementation of a plugin, then register it: all of it or nothing.

        Parameters
        ----------
        kind : {"executor", "aggregator", "plugin"}
            What it was given as.
        name : str
        plugin : object
        origin : PluginInfo, optional
            Where it comes from, if it was named.

        Returns
        -------
        str
            The name under which it is registered, which no other plugin here has.

        Raises
        ------
        DuplicateNameError
            If the same object is registered already.
        PluginError
            If something about it does not fit the hooks.
        """
        label = name if origin is None else str(origin)
        if any(other.plugin is plugin for other in self._plugins.values()):
            raise DuplicateNameError(
                f"The {kind} {label} is given twice; once is enough for all of its hooks."
            )
        registered = _Registered(plugin, checked_implementations(kind, label, plugin))
        unique = self._unique(
            name if origin is None or name not in self._plugins else origin.qualified
        )
        self.register(registered, unique)
        self._plugins[unique] = registered
        return unique

    def one_by_one(self, hook: str) -> Iterator[tuple[str, pluggy.HookCaller]]:
        """A caller for each plugin that implements a hook, with the plugin's name."""
        for name, registered in self._plugins.items():
            if registered.answers(hook):
                others = [other for other in self._plugins.values() if other is not registered]
                yield name, self.subset_hook_caller(hook, others)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """The options of what pluggy found under a name; see :class:`pluggy.PluginManager`."""
        found = plugin.implementations.get(name) if isinstance(plugin, _Registered) else None
        # A copy: pluggy fills in what is missing.
        return None if found is None else cast("pluggy.HookimplOpts", dict(found.options))

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._plugins:
            number += 1
            unique = f"{name}-{number}"
        return unique


class _Registered:
    """What pluggy has of a plugin: told apart by identity, whatever the plugin's own ``==`` says.

    It also has none of the plugin's other attributes, which pluggy would look at one by one.
    """

    def __init__(self, plugin: object, implementations: Iterable[Implementation]) -> None:
        self.plugin = plugin
        self.implementations = {found.hook: found for found in implementations}
        vars(self).update({hook: found.method for hook, found in self.implementations.items()})

    def answers(self, hook: str) -> bool:
        """Whether it implements a hook itself, not only wraps those that do."""
        return hook in self.implementations and not self.implementations[hook].wraps
