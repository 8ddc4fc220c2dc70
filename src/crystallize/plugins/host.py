"""The plugin manager of one experiment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pluggy

from crystallize import hookspecs
from crystallize.checks import Faults, keys_among
from crystallize.errors import (
    CrystallizeError,
    DuplicateNameError,
    OptionError,
    PluginError,
    listing,
    suggestion,
)
from crystallize.hookspecs import PROJECT_NAME
from crystallize.plugins.catalog import Catalog, Kind, PluginInfo
from crystallize.plugins.loading import build
from crystallize.worker.interruption import Interruption

MARK = f"{PROJECT_NAME}_impl"
"""Where pluggy's marker leaves its options on a function."""

PLAIN_MARK: Mapping[str, Any] = getattr(hookspecs.hookimpl(lambda: None), MARK)
"""The options of a mark without any."""

HOOKS = tuple(
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT_NAME}_spec")
)
EXECUTOR_HOOKS = ("execute", "run_experiment_loop")
AGGREGATOR_HOOKS = ("aggregate_results", "extend_result")
FIRST_RESULT_HOOKS = tuple(
    hook
    for hook in HOOKS
    if getattr(getattr(hookspecs, hook), f"{PROJECT_NAME}_spec")["firstresult"]
)


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
        executor_options: Mapping[str, Any] | None = None,
        aggregators: Sequence[str | object] = (),
        aggregator_options: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Sequence[str | object] = (),
        defaults: Sequence[object] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self.executor_options = dict(executor_options or {})
        self._catalog = Catalog.installed() if catalog is None else catalog
        self._manager = _Manager()
        self._used: list[UsedPlugin] = []
        self._callers: dict[str, list[tuple[str, pluggy.HookCaller]]] = {}
        self.hook = self._manager.hook
        for default in defaults:
            self._manager.add("aggregator", type(default).__name__, default)
        faults = Faults()
        found = set(self._found("plugin", plugins))
        observers = [info.qualified for info in self._catalog.observers() if info not in found]
        for plugin in (*observers, *plugins):
            faults(self._add, "plugin", plugin, {}, HOOKS)
        options = dict(aggregator_options or {})
        for aggregator in aggregators:
            own = options.get(aggregator, {}) if isinstance(aggregator, str) else {}
            faults(self._add, "aggregator", aggregator, own, AGGREGATOR_HOOKS)
        names = [aggregator for aggregator in aggregators if isinstance(aggregator, str)]
        faults(keys_among, "aggregator_options", options, "aggregator", names)
        self.executor = faults(
            self._add, "executor", executor, executor_options or {}, EXECUTOR_HOOKS
        )
        faults.raise_any()
        self.executor_name = self._used[-1].name
        self.used = tuple(self._used)
        self._callers = {hook: list(self._manager.one_by_one(hook)) for hook in HOOKS}

    def implements(self, hook: str) -> bool:
        """Whether any plugin has an implementation of a hook."""
        return bool(self._callers[hook])

    def each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
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

    def _found(self, kind: Kind, plugins: Iterable[object]) -> Iterator[PluginInfo]:
        """Those of some names that lead to a plugin; the others are refused when they are added."""
        for name in plugins:
            if isinstance(name, str):
                with suppress(CrystallizeError):
                    yield self._catalog.find(kind, name)

    def _add(
        self, kind: Kind, plugin: str | object, options: Mapping[str, Any], hooks: Sequence[str]
    ) -> Any:
        """Register a plugin, which must have one of `hooks`; build it first where it is a name."""
        if isinstance(plugin, str):
            info = self._catalog.find(kind, plugin)
            used = UsedPlugin(info.name, kind, info.distribution, info.version)
            if used in self._used:
                raise DuplicateNameError(f"The {kind} {info} is named twice; name it once.")
            built = build(info, options)
            self._manager.add(kind, info.name, built, hooks, origin=info)
            self._used.append(used)
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
        name = self._manager.add(kind, type(plugin).__name__, plugin, hooks)
        self._used.append(UsedPlugin(name, kind, None, None))
        return plugin


@dataclass(frozen=True)
class _Implementation:
    """A plugin's method for a hook, and the options that its mark carries."""

    hook: str
    method: Callable[..., Any]
    options: Mapping[str, Any]

    @property
    def wraps(self) -> bool:
        return bool(self.options.get("wrapper") or self.options.get("hookwrapper"))


class _Registered:
    """A plugin in the manager: told apart by identity, whatever its own ``==`` says."""

    def __init__(self, plugin: object, implementations: Iterable[_Implementation]) -> None:
        self.plugin = plugin
        self.implementations = {found.hook: found for found in implementations}
        vars(self).update({hook: found.method for hook, found in self.implementations.items()})

    def has(self, hook: str) -> bool:
        """Whether it implements a hook itself, not only wraps those that do."""
        return hook in self.implementations and not self.implementations[hook].wraps


class _Manager(pluggy.PluginManager):
    """A pluggy manager that refuses what pluggy would accept and then ignore."""

    def __init__(self) -> None:
        super().__init__(PROJECT_NAME)
        self.add_hookspecs(hookspecs)
        self._plugins: dict[str, _Registered] = {}

    def add(
        self,
        kind: Kind,
        name: str,
        plugin: object,
        hooks: Sequence[str] = HOOKS,
        origin: PluginInfo | None = None,
    ) -> str:
        """Check every implementation of a plugin, then register it: all of it or nothing."""
        label = name if origin is None else str(origin)
        if any(other.plugin is plugin for other in self._plugins.values()):
            raise DuplicateNameError(
                f"The {kind} {label} is given twice; once is enough for all of its hooks."
            )
        found = list(_implementations(label, plugin))
        if kind == "executor" and not {i.hook for i in found} & set(EXECUTOR_HOOKS):
            found += _unmarked_loops(label, plugin)
        registered = _Registered(plugin, found)
        _check_role(kind, label, registered, hooks)
        unique = self._unique(
            name if origin is None or name not in self._plugins else origin.qualified
        )
        self.register(registered, unique)
        self._plugins[unique] = registered
        return unique

    def one_by_one(self, hook: str) -> Iterator[tuple[str, pluggy.HookCaller]]:
        """A caller for each plugin that implements a hook."""
        for name, registered in self._plugins.items():
            if registered.has(hook):
                others = [other for other in self._plugins.values() if other is not registered]
                yield name, self.subset_hook_caller(hook, others)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        found = plugin.implementations.get(name) if isinstance(plugin, _Registered) else None
        return None if found is None else cast("pluggy.HookimplOpts", dict(found.options))

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._plugins:
            number += 1
            unique = f"{name}-{number}"
        return unique


def _static_attributes(plugin: object) -> dict[str, Any]:
    """What :func:`inspect.getattr_static` finds under every name, in a tenth of the time."""
    found: dict[str, Any] = {}
    for kind in reversed(type(plugin).__mro__[:-1]):
        found.update(vars(kind))
    with suppress(AttributeError):
        found.update(object.__getattribute__(plugin, "__dict__"))
    return found


def _implementations(label: str, plugin: object) -> Iterator[_Implementation]:
    # Looked up without running properties, which may do anything.
    for name, static in sorted(_static_attributes(plugin).items()):
        options = _mark(static)
        if options is None:
            _check_not_lost(label, plugin, name, static)
            continue
        hook = options.get("specname") or name
        if hook not in HOOKS:
            raise PluginError(
                f"Plugin {label} implements {hook!r}, which is no hook."
                f"{suggestion(hook, HOOKS)} Hooks: {listing(HOOKS)}."
            )
        found = _Implementation(hook, getattr(plugin, name), options)
        _check_form(label, found)
        _check_arguments(label, found)
        yield found


def _unmarked_loops(label: str, plugin: object) -> Iterator[_Implementation]:
    """The methods of an object that was given as an executor: what they are for is plain."""
    for hook in EXECUTOR_HOOKS:
        if inspect.isroutine(inspect.getattr_static(plugin, hook, None)):
            method = getattr(plugin, hook)
            found = _Implementation(hook, method, PLAIN_MARK)
            _check_form(label, found)
            _check_arguments(label, found)
            yield found


def _mark(static: object) -> Mapping[str, Any] | None:
    """The options of :data:`crystallize.hookimpl`, above or below ``@staticmethod``."""
    function = static.__func__ if isinstance(static, (classmethod, staticmethod)) else static
    if not inspect.isroutine(function):
        return None
    options: Mapping[str, Any] | None = getattr(function, MARK, None) or getattr(static, MARK, None)
    return options


def _check_not_lost(label: str, plugin: object, name: str, static: object) -> None:
    if name not in HOOKS or not inspect.isroutine(static):
        return
    for base in type(plugin).__mro__:
        if _mark(vars(base).get(name)) is not None:
            raise PluginError(
                f"Plugin {label} overrides {name} of {base.__name__} without the mark, which would "
                "turn it off: put @crystallize.hookimpl on it."
            )


def _check_role(kind: Kind, label: str, registered: _Registered, hooks: Sequence[str]) -> None:
    if kind != "executor":
        for hook in filter(registered.has, EXECUTOR_HOOKS):
            raise PluginError(
                f"The {kind} {label} implements {hook}, which is the executor's; "
                "give it as the execution instead, or make it a wrapper."
            )
    has = registered.has if kind == "executor" else registered.implementations.__contains__
    if any(map(has, hooks)):
        return
    plugin = registered.plugin
    unmarked = [h for h in hooks if inspect.isroutine(inspect.getattr_static(plugin, h, None))]
    advice = (
        f"Its {unmarked[0]} lacks the mark: put @crystallize.hookimpl on it."
        if unmarked
        else f"Give it one of {listing(hooks)}, marked with @crystallize.hookimpl."
    )
    article = "an" if kind[0] in "ae" else "a"
    raise PluginError(f"{label} is not {article} {kind}. {advice}")


def _check_form(label: str, found: _Implementation) -> None:
    hook, method = found.hook, found.method
    streams = hook == "execute"
    if inspect.iscoroutinefunction(method) or (inspect.isasyncgenfunction(method) and not streams):
        raise PluginError(
            f"Plugin {label} implements {hook} with 'async def', which nobody would await. "
            "Only execute may be asynchronous, as an async generator."
        )
    if found.wraps:
        if hook not in FIRST_RESULT_HOOKS:
            raise PluginError(
                f"Plugin {label} implements {hook} as a wrapper, but each plugin is called on its "
                f"own there. Hooks that can be wrapped: {listing(FIRST_RESULT_HOOKS)}."
            )
        if not inspect.isgeneratorfunction(method):
            raise PluginError(f"Plugin {label} implements {hook} as a wrapper without a 'yield'.")
    elif inspect.isgeneratorfunction(method) and not streams:
        raise PluginError(
            f"Plugin {label} implements {hook} as a generator, whose body nobody would run. "
            "Only execute may 'yield'."
        )


@cache
def _specified(hook: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(hookspecs, hook)).parameters


def _check_arguments(label: str, found: _Implementation) -> None:
    specified = _specified(found.hook)
    shown = f"{found.hook}({', '.join(specified)})"
    for parameter in inspect.signature(found.method).parameters.values():
        where = f"Plugin {label}, hook {shown}: the argument {parameter.name!r}"
        if parameter.name not in specified:
            raise PluginError(f"{where} does not exist.{suggestion(parameter.name, specified)}")
        if parameter.default is not parameter.empty:
            raise PluginError(f"{where} has a default, so pluggy would never fill it in.")
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(f"{where} is keyword-only, so pluggy would never fill it in.")
