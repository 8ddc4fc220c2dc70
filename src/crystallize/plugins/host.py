"""Which plugins an experiment has, and how their hooks are called."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from crystallize.checks import Faults, keys_among
from crystallize.errors import (
    CrystallizeError,
    DuplicateNameError,
    OptionError,
    PluginError,
    PluginWarning,
    described,
    listing,
    suggestion,
)
from crystallize.installed.api import check_api
from crystallize.installed.catalog import Catalog, Kind, PluginInfo
from crystallize.installed.loading import build, constructed
from crystallize.installed.lookup import factory_of
from crystallize.located import plain
from crystallize.plugins.guard import HookCall
from crystallize.plugins.manager import Manager

Options = Mapping[str, object]


@dataclass(frozen=True)
class UsedPlugin:
    """A plugin that an experiment uses, for its provenance."""

    name: str
    kind: Kind
    distribution: str | None
    version: str | None
    options: Options = field(default_factory=dict, compare=False)


class Host:
    """The plugins of one experiment, loaded, checked and registered.

    Parameters
    ----------
    executor : str or object
        An installed strategy's name, or an executor.
    executor_options : mapping
        Options of the strategy that is named.
    aggregators, plugins : sequence of (str or object)
    aggregator_options, plugin_options : mapping
        Name of an aggregator or observer -> its options.
    block : sequence of str
        Installed plugins that are not to be used.
    defaults : sequence of object
        The core's own plugins, called last.
    catalog : Catalog, optional
        Default: what is installed.

    Attributes
    ----------
    catalog : Catalog
        Where names are looked up.
    executor : object
    executor_name : str
    executor_options : dict
    hook : pluggy.HookRelay
    used : tuple of UsedPlugin
    left_out : list of dict
        The observers that should be active everywhere and could not be had, as the
        provenance has plugins that failed.

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
        plugin_options: Mapping[str, Options] | None = None,
        block: Sequence[str] = (),
        defaults: Sequence[object] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self.executor_options = plain(dict(executor_options or {}))
        self.catalog = Catalog.installed(block=block) if catalog is None else catalog
        self.left_out: list[dict[str, str]] = []
        self._manager = Manager()
        self._used: list[UsedPlugin] = []
        self.hook = self._manager.hook
        for name in self.catalog.unblocking():
            known = [info.name for info in self.catalog.entries]
            warnings.warn(
                f"block: there is no plugin {name!r}, so that nothing is blocked by it."
                f"{suggestion(name, known)} Installed: {listing(known)}.",
                PluginWarning,
                stacklevel=4,  # the line that makes the experiment
            )
        faults = Faults()
        self._add_everywhere(plugins)
        self._add_each("plugin", plugins, plugin_options or {}, faults)
        self._add_each("aggregator", aggregators, aggregator_options or {}, faults)
        self.executor = faults(self._add, "executor", executor, executor_options or {})
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

    def _add_everywhere(self, plugins: Sequence[str | object]) -> None:
        """The observers that are active in every experiment, but for those that are named.

        Nobody asked for them here, so that one which fails costs itself alone.
        """
        named = set()
        for name in plugins:
            if isinstance(name, str):
                with suppress(CrystallizeError):  # which adding it raises again
                    named.add(self.catalog.find("plugin", name))
        for info in self.catalog.observers():
            if info in named:
                continue
            try:
                self._add_installed("plugin", info, {})
            except Exception as error:
                self._leave_out(info, error)

    def _leave_out(self, info: PluginInfo, error: Exception) -> None:
        kind, _, message = described(error).partition(": ")
        self.left_out.append(
            {
                "plugin": info.name,
                "hook": "loading",
                "type": kind,
                "message": message,
                "traceback": "".join(traceback.format_exception(error)),
            }
        )
        warnings.warn(
            f"{message or kind} It would be active in every experiment; this one goes on without "
            f"it. With block=({info.name!r},) it does so without this warning.",
            PluginWarning,
            stacklevel=6,  # the line that makes the experiment
        )

    def _add_each(
        self,
        kind: Kind,
        plugins: Sequence[str | object],
        options: Mapping[str, Options],
        faults: Faults,
    ) -> None:
        for plugin in plugins:
            own = options.get(plugin, {}) if isinstance(plugin, str) else {}
            faults(self._add, kind, plugin, own)
        names = [plugin for plugin in plugins if isinstance(plugin, str)]
        faults(keys_among, f"{kind}_options", options, kind, names)

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
        found = factory_of(self.catalog, kind, name)
        if isinstance(found, PluginInfo):
            return self._add_installed(kind, found, options)
        used = UsedPlugin(str(name), kind, None, None, plain(dict(options)))
        self._refuse_second(kind, used, used.name)
        check_api(f"{kind} {name}", found)  # before it is given options that it may not have
        built = constructed(f"{kind} {name}", found, options)
        return self._register(kind, used, built, None)

    def _add_installed(self, kind: Kind, info: PluginInfo, options: Options) -> object:
        own = plain(dict(options))
        used = UsedPlugin(info.name, info.kind, info.distribution, info.version, own)
        self._refuse_second(kind, used, str(info))
        return self._register(kind, used, build(info, options), info)

    def _refuse_second(self, kind: Kind, used: UsedPlugin, shown: str) -> None:
        if used in self._used:
            raise DuplicateNameError(f"The {kind} {shown} is named twice; name it once.")

    def _register(
        self, kind: Kind, used: UsedPlugin, built: object, origin: PluginInfo | None
    ) -> object:
        if built is None and kind != "executor":
            return None  # a factory that has nothing to register here
        self._manager.add(kind, used.name, built, origin=origin)
        self._used.append(used)
        return built
