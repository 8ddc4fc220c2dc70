"""What makes an object a plugin: marked implementations of hooks, whose form fits its role."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, MethodType
from weakref import WeakKeyDictionary

import pluggy

from crystallize import hookspecs
from crystallize.errors import PluginError, listing, suggestion
from crystallize.hookspecs import PROJECT_NAME
from crystallize.installed.api import check_api
from crystallize.installed.catalog import Kind

HOOKS = tuple(
    name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT_NAME}_spec")
)
HOOK_NAMES = frozenset(HOOKS)
EXECUTOR_HOOKS = ("execute", "run_experiment_loop")

ROLE_HOOKS: Mapping[Kind, tuple[str, ...]] = {
    "executor": EXECUTOR_HOOKS,
    "aggregator": ("aggregate_results", "extend_result"),
    "plugin": HOOKS,
}
"""Of which hooks a plugin that is given as an executor, an aggregator, … must have one."""

MARK = f"{PROJECT_NAME}_impl"
"""Where pluggy's marker leaves its options on a function."""

PLAIN_MARK: pluggy.HookimplOpts = getattr(hookspecs.hookimpl(lambda: None), MARK)
"""The options of a mark without any."""


DATA = frozenset({str, int, float, bool, type(None), tuple, list, dict, property})
"""Types of attributes that are no methods."""


@dataclass(frozen=True)
class Implementation:
    """A plugin's method for a hook, and the options that its mark carries."""

    name: str
    hook: str
    method: Callable[..., object]
    options: pluggy.HookimplOpts

    @property
    def wraps(self) -> bool:
        """Whether it is called around those of other plugins, and answers for none."""
        return bool(self.options.get("wrapper") or self.options.get("hookwrapper"))


def checked_implementations(kind: Kind, label: str, plugin: object) -> list[Implementation]:
    """What an object implements, all of which is as pluggy and its role need it.

    Parameters
    ----------
    kind : {"executor", "aggregator", "plugin"}
        What it was given as.
    label : str
        What messages call it.
    plugin : object

    Raises
    ------
    PluginError
        At what pluggy would refuse, and at what it would accept and then ignore.
    PluginLoadError
        If it is written for another version of the plugin API.
    """
    check_api(f"{kind} {label}", plugin)
    attributes = _static_attributes(plugin)
    found = list(_marked(label, plugin, attributes))
    if kind == "executor" and not {i.hook for i in found} & set(EXECUTOR_HOOKS):
        found += _unmarked_loops(label, plugin)
    _check_role(kind, label, plugin, found)
    _check_marks(label, attributes, found)
    return found


def _marked(
    label: str, plugin: object, attributes: Mapping[str, object]
) -> Iterator[Implementation]:
    # Looked up without running properties, which may do anything.
    for name, static in sorted(attributes.items()):
        options = _mark(static)
        if options is None:
            _check_not_lost(label, plugin, name, static)
            continue
        hook = options.get("specname") or name
        if options.get("optionalhook") and not _exists(hook, getattr(plugin, name)):
            continue
        if hook not in HOOKS:
            raise PluginError(
                f"Plugin {label} implements {hook!r}, which is no hook."
                f"{suggestion(hook, HOOKS)} Hooks: {listing(HOOKS)}."
            )
        yield _checked(label, Implementation(name, hook, getattr(plugin, name), options))


def _exists(hook: str, method: Callable[..., object]) -> bool:
    """Whether there is such a hook, with each of the arguments that an implementation takes."""
    return hook in HOOKS and set(inspect.signature(method).parameters) <= set(_specified(hook))


def _unmarked_loops(label: str, plugin: object) -> Iterator[Implementation]:
    """The methods of an object that was given as an executor: what they are for is plain."""
    for hook in filter(lambda hook: _has_method(plugin, hook), EXECUTOR_HOOKS):
        yield _checked(label, Implementation(hook, hook, getattr(plugin, hook), PLAIN_MARK))


def _static_attributes(plugin: object) -> dict[str, object]:
    """What :func:`inspect.getattr_static` finds under every name, in a tenth of the time.

    Every experiment pays for it when it is made, once for each plugin that it has.
    """
    found: dict[str, object] = {}
    for kind in reversed(type(plugin).__mro__[:-1]):
        found.update(vars(kind))
    with suppress(AttributeError):
        found.update(object.__getattribute__(plugin, "__dict__"))
    return found


def _has_method(plugin: object, name: str) -> bool:
    return inspect.isroutine(inspect.getattr_static(plugin, name, None))


def _mark(static: object) -> pluggy.HookimplOpts | None:
    """The options of :data:`crystallize.hookimpl`, above or below ``@staticmethod``."""
    function = static.__func__ if isinstance(static, (classmethod, staticmethod)) else static
    # Most are plain functions or data, of which that is known in a tenth of the time.
    kind = type(function)
    if kind in DATA or (kind is not FunctionType and not inspect.isroutine(function)):
        return None
    options: pluggy.HookimplOpts | None = getattr(function, MARK, None)
    return options or getattr(static, MARK, None)


def _check_not_lost(label: str, plugin: object, name: str, static: object) -> None:
    if name not in HOOK_NAMES or not inspect.isroutine(static):
        return
    for base in type(plugin).__mro__:
        if _mark(vars(base).get(name)) is not None:
            raise PluginError(
                f"Plugin {label} overrides {name} of {base.__name__} without the mark, which would "
                "turn it off: put @crystallize.hookimpl on it."
            )


def _check_role(
    kind: Kind, label: str, plugin: object, implementations: Collection[Implementation]
) -> None:
    answered = {found.hook for found in implementations if not found.wraps}
    if kind != "executor":
        for hook in filter(answered.__contains__, EXECUTOR_HOOKS):
            raise PluginError(
                f"The {kind} {label} implements {hook}, which is the executor's; "
                "give it as the execution instead, or make it a wrapper."
            )
    hooks = ROLE_HOOKS[kind]
    has = answered if kind == "executor" else {found.hook for found in implementations}
    if has.intersection(hooks):
        return
    unmarked = [hook for hook in hooks if _has_method(plugin, hook)]
    advice = (
        f"Its {unmarked[0]} lacks the mark: put @crystallize.hookimpl on it."
        if unmarked
        else f"Give it one of {listing(hooks)}, marked with @crystallize.hookimpl."
    )
    article = "an" if kind[0] in "ae" else "a"
    raise PluginError(f"{label} is not {article} {kind}. {advice}")


def _check_marks(
    label: str, attributes: Mapping[str, object], implementations: Collection[Implementation]
) -> None:
    """Refuse a method that is named like a hook and would never be called."""
    marked = {found.name for found in implementations}
    for hook in HOOKS:
        if hook in marked or hook not in attributes:
            continue
        found = attributes[hook]
        if not inspect.isroutine(found):
            continue
        if _mark(found) is not None:
            continue  # an optional one, of another version
        raise PluginError(
            f"Plugin {label} has a method {hook} without the mark, which nobody would call: put "
            "@crystallize.hookimpl on it, or give it another name."
        )


_in_order: WeakKeyDictionary[FunctionType, tuple[str, bool, CodeType]] = WeakKeyDictionary()
"""Functions of methods that are as a hook needs them, with the hook, whether it wraps it, and code.

Every experiment that is made registers the core's plugins, whose signatures stay what they are.
"""


def _checked(label: str, found: Implementation) -> Implementation:
    function = _plain_function(found.method)
    if function is not None:
        looked_at = found.hook, found.wraps, function.__code__
        if _in_order.get(function) == looked_at:
            return found
    _check_form(label, found)
    _check_arguments(label, found)
    if function is not None:
        _in_order[function] = looked_at
    return found


def _plain_function(method: object) -> FunctionType | None:
    """The function of a bound method, if its code says all that there is of its signature."""
    function = method.__func__ if type(method) is MethodType else None
    if type(function) is not FunctionType or function.__defaults__ or function.__kwdefaults__:
        return None
    return None if vars(function).keys() & {"__signature__", "__wrapped__"} else function


def _check_form(label: str, found: Implementation) -> None:
    hook, method = found.hook, found.method
    streams = hook == "execute"
    if inspect.iscoroutinefunction(method) or (inspect.isasyncgenfunction(method) and not streams):
        raise PluginError(
            f"Plugin {label} implements {hook} with 'async def', which nobody would await. "
            "Only execute may be asynchronous, as an async generator."
        )
    if found.wraps:
        _check_wrapper(label, found)
    elif inspect.isgeneratorfunction(method) and not streams:
        raise PluginError(
            f"Plugin {label} implements {hook} as a generator, whose body nobody would run. "
            "Only execute may 'yield'."
        )


def _check_wrapper(label: str, found: Implementation) -> None:
    if not inspect.isgeneratorfunction(found.method):
        raise PluginError(f"Plugin {label} implements {found.hook} as a wrapper without a 'yield'.")


@cache
def _specified(hook: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(hookspecs, hook)).parameters


def _check_arguments(label: str, found: Implementation) -> None:
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
