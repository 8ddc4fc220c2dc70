"""The plugin manager of one experiment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy

from crystallize import hookspecs
from crystallize.errors import (
    DuplicateNameError,
    OptionError,
    PluginError,
    UnknownNameError,
    listing,
    suggestion,
)
from crystallize.hookspecs import PROJECT_NAME
from crystallize.plugins.catalog import Catalog, Kind
from crystallize.plugins.loading import build

MARK = f"{PROJECT_NAME}_impl"
"""Where pluggy's marker leaves its options on a function."""

HOOKS = tuple(
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT_NAME}_spec")
)
EXECUTOR_HOOKS = ("execute", "run_experiment_loop")
AGGREGATOR_HOOKS = ("aggregate_results", "extend_result")


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

    exception: Exception


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
    hook : pluggy.HookRelay
    used : tuple of UsedPlugin

    Raises
    ------
    UnknownNameError, DuplicateNameError, OptionError, PluginError, PluginLoadError
    """

    def __init__(
        self,
        *,
        executor: str | object,
        executor_options: Mapping[str, Any] | None = None,
        aggregators: Sequence[str | object] = (),
        aggregator_options: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Sequence[str | object] = (),
        defaults: Sequence[object] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self._catalog = Catalog.installed() if catalog is None else catalog
        self._manager = _Manager()
        self._used: list[UsedPlugin] = []
        self._callers: dict[str, list[tuple[str, pluggy.HookCaller]]] = {}
        self.hook = self._manager.hook
        for default in defaults:
            self._manager.add(type(default).__name__, None, default)
        named = {plugin for plugin in plugins if isinstance(plugin, str)}
        for info in self._catalog.observers():
            if not named & {info.name, info.qualified}:
                self._add("plugin", info.qualified, {})
        for plugin in plugins:
            self._add("plugin", plugin, {})
        options = dict(aggregator_options or {})
        for aggregator in aggregators:
            own = options.pop(aggregator, {}) if isinstance(aggregator, str) else {}
            self._need(self._add("aggregator", aggregator, own), "aggregator", AGGREGATOR_HOOKS)
        if options:
            name = next(iter(options))
            known = [aggregator for aggregator in aggregators if isinstance(aggregator, str)]
            raise UnknownNameError("aggregator", name, known, advice="(options for it were given)")
        self.executor = self._add("executor", executor, executor_options or {})
        self.executor_name = self._used[-1].name
        self._need(self.executor, "executor", EXECUTOR_HOOKS)
        self.used = tuple(self._used)
        self._callers = {hook: list(self._manager.one_by_one(hook)) for hook in HOOKS}

    def implements(self, hook: str) -> bool:
        """Whether any plugin has an implementation of a hook."""
        return bool(self._callers[hook])

    def each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook plugin by plugin, so that one which fails stops no other.

        Yields
        ------
        (str, object)
            The plugin's name with what it returned, or with a :class:`HookFailure`.
        """
        for name, caller in self._callers[hook]:
            try:
                results = caller(**arguments)
            except Exception as error:
                yield name, HookFailure(error)
            else:
                yield name, results[0] if results else None

    def _add(self, kind: Kind, plugin: str | object, options: Mapping[str, Any]) -> Any:
        """Register a plugin; build it first where it is a name."""
        if isinstance(plugin, str):
            info = self._catalog.find(kind, plugin)
            built = build(info, options)
            self._manager.add(info.name, str(info), built)
            self._used.append(UsedPlugin(info.name, kind, info.distribution, info.version))
            return built
        if options:
            raise OptionError(
                f"Options go with a name; the {kind} is an object, {plugin!r}, which already has "
                f"its own. Got: {listing(options)}."
            )
        if isinstance(plugin, type):
            raise PluginError(
                f"The {kind} {plugin.__name__} is a class; give an object: {plugin.__name__}(…)."
            )
        name = type(plugin).__name__
        self._manager.add(name, None, plugin)
        self._used.append(UsedPlugin(name, kind, None, None))
        return plugin

    def _need(self, plugin: object, kind: Kind, hooks: Sequence[str]) -> None:
        implemented = self._manager.implemented(plugin)
        if any(hook in implemented for hook in hooks):
            return
        name = type(plugin).__name__
        unmarked = [hook for hook in hooks if callable(getattr(plugin, hook, None))]
        advice = (
            f"Its {unmarked[0]} lacks the mark: put @crystallize.hookimpl on it."
            if unmarked
            else f"Give it one of {listing(hooks)}, marked with @crystallize.hookimpl."
        )
        article = "an" if kind[0] in "ae" else "a"
        raise PluginError(f"{name} is not {article} {kind}. {advice}")


class _Registered:
    """A plugin in the manager: told apart by identity, whatever its own ``==`` says."""

    def __init__(self, plugin: object, implementations: Mapping[str, Callable[..., Any]]) -> None:
        self.plugin = plugin
        vars(self).update(implementations)


class _Manager(pluggy.PluginManager):
    """A pluggy manager that refuses what pluggy would accept and then ignore."""

    def __init__(self) -> None:
        super().__init__(PROJECT_NAME)
        self.add_hookspecs(hookspecs)
        self._plugins: list[tuple[str, _Registered]] = []

    def add(self, name: str, origin: str | None, plugin: object) -> None:
        """Check every implementation of a plugin, then register it: all of it or nothing."""
        label = origin or name
        registered = _Registered(plugin, dict(self._implementations(label, plugin)))
        taken = [other for other, _ in self._plugins]
        if origin is not None and name in taken:
            raise DuplicateNameError(f"The plugin {label} is named twice; name it once.")
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}-{number}"
        self.register(registered, unique)
        self._plugins.append((unique, registered))

    def implemented(self, plugin: object) -> set[str]:
        """The hooks that a plugin implements."""
        (found,) = (r for _, r in self._plugins if r.plugin is plugin)
        return set(vars(found)) - {"plugin"}

    def one_by_one(self, hook: str) -> Iterator[tuple[str, pluggy.HookCaller]]:
        """A caller for each plugin that implements a hook."""
        for name, registered in self._plugins:
            if hook in vars(registered):
                others = [other for _, other in self._plugins if other is not registered]
                yield name, self.subset_hook_caller(hook, others)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if name in HOOKS else None

    def _implementations(
        self, label: str, plugin: object
    ) -> Iterator[tuple[str, Callable[..., Any]]]:
        for name in dir(plugin):
            # Looked up without running properties, which may do anything.
            static = inspect.getattr_static(plugin, name, None)
            function = (
                static.__func__ if isinstance(static, (classmethod, staticmethod)) else static
            )
            options = getattr(function, MARK, None) if inspect.isroutine(function) else None
            if options is None:
                continue
            hook = options.get("specname") or name
            if hook not in HOOKS:
                raise PluginError(
                    f"Plugin {label} implements {hook!r}, which is no hook."
                    f"{suggestion(hook, HOOKS)} Hooks: {listing(HOOKS)}."
                )
            method = getattr(plugin, name)
            self._check_implementation(label, hook, method, options)
            yield name, method

    def _check_implementation(
        self, label: str, hook: str, method: Callable[..., Any], options: Mapping[str, Any]
    ) -> None:
        specified = inspect.signature(getattr(hookspecs, hook))
        shown = f"{hook}({', '.join(specified.parameters)})"
        if inspect.iscoroutinefunction(method):
            raise PluginError(
                f"Plugin {label} implements {hook} with 'async def', which nobody would await. "
                "Only execute may be asynchronous, as an async generator."
            )
        for parameter in inspect.signature(method).parameters.values():
            where = f"Plugin {label}, hook {shown}: the argument {parameter.name!r}"
            if parameter.name not in specified.parameters:
                raise PluginError(
                    f"{where} does not exist.{suggestion(parameter.name, specified.parameters)}"
                )
            if parameter.default is not parameter.empty:
                raise PluginError(f"{where} has a default, so pluggy would never fill it in.")
