"""The pluggy manager of one experiment: it registers a plugin whole, or not at all.

Plugins are added one after another and then handed to pluggy together, so that they
are called in the order in which they were added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import cast

import pluggy

from crystallize import hookspecs
from crystallize.errors import DuplicateNameError
from crystallize.hookspecs import PROJECT_NAME
from crystallize.installed.catalog import Kind, PluginInfo
from crystallize.plugins.guard import CHECKS, guarded, guarded_wrapper
from crystallize.plugins.validation import (
    EXECUTOR_HOOKS,
    Implementation,
    checked_implementations,
)


class Manager(pluggy.PluginManager):
    """A pluggy manager that refuses what pluggy would accept and then ignore."""

    def __init__(self) -> None:
        super().__init__(PROJECT_NAME)
        self.add_hookspecs(hookspecs)
        self._plugins: dict[str, _Registered] = {}

    def add(self, kind: Kind, name: str, plugin: object, origin: PluginInfo | None = None) -> str:
        """Check every implementation of a plugin, then add it: all of it or nothing.

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
        implementations = checked_implementations(kind, label, plugin)
        unique = self._unique(
            name if origin is None or name not in self._plugins else origin.qualified
        )
        self._plugins[unique] = _Registered(unique, plugin, implementations)
        return unique

    def complete(self) -> None:
        """Hand what was added to pluggy, which calls the last that it was given first."""
        for name, registered in reversed(self._plugins.items()):
            self.register(registered, name)

    def implements(self, hook: str) -> bool:
        """Whether a plugin answers a hook, or wraps those that do."""
        return bool(self._of(hook))

    def answers(self, hook: str) -> bool:
        """Whether a plugin answers a hook itself."""
        return any(not found.wraps for found in self._of(hook))

    def parse_hookspec_opts(self, module_or_class: object, name: str) -> pluggy.HookspecOpts | None:
        """The options of what our hooks have under a name; see :class:`pluggy.PluginManager`."""
        return _hookspec_options().get(name)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """The options of what pluggy found under a name; see :class:`pluggy.PluginManager`."""
        found = plugin.implementations.get(name) if isinstance(plugin, _Registered) else None
        # A copy: pluggy fills in what is missing.
        return None if found is None else cast("pluggy.HookimplOpts", dict(found.options))

    def _of(self, hook: str) -> list[Implementation]:
        return [
            found
            for registered in self._plugins.values()
            for found in registered.implementations.values()
            if found.hook == hook
        ]

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._plugins:
            number += 1
            unique = f"{name}-{number}"
        return unique


@cache
def _hookspec_options() -> dict[str, pluggy.HookspecOpts | None]:
    """By name; looking at all names of a module takes longer than the rest of a new manager."""
    manager = pluggy.PluginManager(PROJECT_NAME)
    return {name: manager.parse_hookspec_opts(hookspecs, name) for name in dir(hookspecs)}


class _Registered:
    """What pluggy has of a plugin: told apart by identity, whatever the plugin's own ``==`` says.

    It also has none of the plugin's other attributes, which pluggy would look at one by one.
    """

    def __init__(
        self, name: str, plugin: object, implementations: Iterable[Implementation]
    ) -> None:
        self.plugin = plugin
        self.implementations = {found.name: found for found in implementations}
        vars(self).update(
            {key: _guarded(name, found) for key, found in self.implementations.items()}
        )


def _guarded(plugin: str, found: Implementation) -> Callable[..., object]:
    if found.hook in EXECUTOR_HOOKS:  # their failure is the run's
        return found.method
    guard = guarded_wrapper if found.wraps else guarded
    return guard(plugin, found.method, CHECKS.get(found.hook))
