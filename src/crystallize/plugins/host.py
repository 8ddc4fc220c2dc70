"""Which plugins an experiment has, and how their hooks are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crystallize.checks import Faults, keys_among
from crystallize.errors import (
    CrystallizeError,
    DuplicateNameError,
    OptionError,
    PluginError,
    listing,
)
from crystallize.plugins.catalog import Catalog, Kind
from crystallize.plugins.guard import HookCall
from crystallize.plugins.loading import build
from crystallize.plugins.manager import Manager

Options = Mapping[str, object]


@dataclass(frozen=True)
class UsedPlugin:
    """A plugin that an experiment uses, for its provenance."""

    name: str
    kind: Kind
    distribution: str | None
    version: str | None


class Host:
    """The plugins of one experiment, loaded, checked and registered.

    Parameters
    ----------
    executor : str or object
        An installed strategy's name, or an executor.
    executor_options : mapping
        Options of the strategy that is named.
    aggregators, plugins : sequence of (str or object)
    aggregator_options : mapping
        Name of an aggregator -> its options.
    defaults : sequence of object
        The core's own plugins, called last.
    catalog : Catalog, optional
        Default: what is installed.

    Attributes
    ----------
    executor : object
    executor_name : str
    executor_options : dict
    hook : pluggy.HookRelay
    used : tuple of UsedPlugin

    Raises
    ------
    UnknownNameError, DuplicateNameError, OptionError, PluginError, PluginLoadError
    InvalidValuesError
        If there is more than one of these; lists them all.
    """

    def __init__(
        self,
        *,
        executor: str | object,
        executor_options: Options | None = None,
        aggregators: Sequence[str | object] = (),
        aggregator_options: Mapping[str, Options] | None = None,
        plugins: Sequence[str | object] = (),
        defaults: Sequence[object] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self.executor_options = dict(executor_options or {})
        self._catalog = Catalog.installed() if catalog is None else catalog
        self._manager = Manager()
        self._used: list[UsedPlugin] = []
        self.hook = self._manager.hook
        faults = Faults()
        self._add_plugins(plugins, faults)
        self._add_aggregators(aggregators, aggregator_options or {}, faults)
        self.executor = faults(self._add, "executor", executor, self.executor_options)
        faults.raise_any()
        self.executor_name = self._used[-1].name
        self.used = tuple(self._used)
        for default in defaults:
            self._manager.add("plugin", type(default).__name__, default)
        self._manager.complete()

    def implements(self, hook: str) -> bool:
        """Whether any plugin has an implementation of a hook, or wraps it."""
        return self._manager.implements(hook)

    def answers(self, hook: str) -> bool:
        """Whether any plugin answers a hook itself."""
        return self._manager.answers(hook)

    def ask(self, call: HookCall, hook: str, **arguments: object) -> Any:
        """Call a hook so that a plugin which fails stops no other; what the hook gives.

        Parameters
        ----------
        call : HookCall
            Learns who answered and who failed, also where a signal ends the call.
        hook : str
        **arguments
            All that are specified.
        """
        return call.made(lambda: getattr(self.hook, hook)(**arguments))

    def origin(self, plugin: str) -> str:
        """A plugin with its distribution and version, where it has them."""
        for used in self.used:
            if used.name == plugin and used.distribution is not None:
                return f"{used.name} ({used.distribution} {used.version})"
        return plugin

    def _add_plugins(self, plugins: Sequence[str | object], faults: Faults) -> None:
        """The observers that are active in every experiment, then those that were given."""
        named = set()
        for name in plugins:
            if isinstance(name, str):
                with suppress(CrystallizeError):  # which adding it raises again
                    named.add(self._catalog.find("plugin", name))
        observers = [info.qualified for info in self._catalog.observers() if info not in named]
        for plugin in (*observers, *plugins):
            faults(self._add, "plugin", plugin, {})

    def _add_aggregators(
        self, aggregators: Sequence[str | object], options: Mapping[str, Options], faults: Faults
    ) -> None:
        for aggregator in aggregators:
            own = options.get(aggregator, {}) if isinstance(aggregator, str) else {}
            faults(self._add, "aggregator", aggregator, own)
        names = [aggregator for aggregator in aggregators if isinstance(aggregator, str)]
        faults(keys_among, "aggregator_options", options, "aggregator", names)

    def _add(self, kind: Kind, plugin: str | object, options: Options) -> object:
        """Register a plugin; build it first where it is a name."""
        if isinstance(plugin, str):
            return self._add_named(kind, plugin, options)
        if options:
            raise OptionError(
                f"Options go with a name; the {kind} is an object, {plugin!r}, which already has "
                f"its own. Got: {listing(options)}."
            )
        if isinstance(plugin, type):
            raise PluginError(
                f"The {kind} {plugin.__name__} is a class; give an object: {plugin.__name__}(…)."
            )
        name = self._manager.add(kind, type(plugin).__name__, plugin)
        self._used.append(UsedPlugin(name, kind, None, None))
        return plugin

    def _add_named(self, kind: Kind, name: str, options: Options) -> object:
        info = self._catalog.find(kind, name)
        used = UsedPlugin(info.name, kind, info.distribution, info.version)
        if used in self._used:
            raise DuplicateNameError(f"The {kind} {info} is named twice; name it once.")
        built = build(info, options)
        if built is None and kind != "executor":
            return None  # a factory that has nothing to register
        self._manager.add(kind, info.name, built, origin=info)
        self._used.append(used)
        return built
