"""Which plugins an experiment has, and how their hooks are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pluggy

from crystallize.checks import Faults, keys_among
from crystallize.errors import (
    CrystallizeError,
    DuplicateNameError,
    OptionError,
    PluginError,
    listing,
)
from crystallize.plugins.catalog import Catalog, Kind
from crystallize.plugins.loading import build
from crystallize.plugins.manager import Manager
from crystallize.plugins.validation import HOOKS
from crystallize.worker.interruption import Interruption

Options = Mapping[str, object]


@dataclass(frozen=True)
class UsedPlugin:
    """A plugin that an experiment uses, for its provenance."""

    name: str
    kind: Kind
    distribution: str | None
    version: str | None


@dataclass(frozen=True)
class HookFailure:
    """What one plugin's implementation of a hook raised."""

    exception: BaseException


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
        The core's own plugins, registered first.
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
        for default in defaults:
            self._manager.add("plugin", type(default).__name__, default)
        faults = Faults()
        self._add_plugins(plugins, faults)
        self._add_aggregators(aggregators, aggregator_options or {}, faults)
        self.executor = faults(self._add, "executor", executor, self.executor_options)
        faults.raise_any()
        self.executor_name = self._used[-1].name
        self.used = tuple(self._used)
        self._callers: dict[str, list[tuple[str, pluggy.HookCaller]]] = {
            hook: list(self._manager.one_by_one(hook)) for hook in HOOKS
        }

    def implements(self, hook: str) -> bool:
        """Whether any plugin has an implementation of a hook."""
        return bool(self._callers[hook])

    def each(self, hook: str, **arguments: object) -> Iterator[tuple[str, object]]:
        """Call a hook plugin by plugin, so that one which fails stops no other.

        For hooks that every plugin answers, not those where the first result wins.

        Yields
        ------
        (str, object)
            The plugin's name with what it returned, or with a :class:`HookFailure`.
        """
        for name, caller in self._callers[hook]:
            try:
                results = caller(**arguments)
            except (KeyboardInterrupt, Interruption):
                raise
            except BaseException as error:  # sys.exit in a plugin costs no results either
                yield name, HookFailure(error)
            else:
                yield name, results[0] if results else None

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
        self._manager.add(kind, info.name, built, origin=info)
        self._used.append(used)
        return built
