"""What an installed plugin is like: imported, and built where no option is required."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from time import perf_counter

from crystallize.contracts import Capabilities
from crystallize.errors import CrystallizeError, PluginError, PluginLoadError, described, listing
from crystallize.installed.api import Needed, check_api, needed_api
from crystallize.installed.catalog import Kind, PluginInfo
from crystallize.installed.loading import constructed, imported
from crystallize.installed.options import DeclaredOption, declaration
from crystallize.plugins.validation import HOOKS, MARK, checked_implementations


@dataclass
class Inspection:
    """What was seen of a plugin.

    Attributes
    ----------
    info : PluginInfo
    seconds : float or None
        How long its import took.
    problem : str or None
        Why it cannot be used.
    options : sequence of DeclaredOption
    hooks : sequence of str
        Those that it implements.
    capabilities : mapping
        Of an executor, where it was built or says it in its class.
    cannot : sequence of str
        What an executor cannot have, and why.
    api : tuple of int or None
        The versions of the plugin API that it says it works with; ``None`` where it says nothing.
    is_built : bool
        Whether it could be built: no option of it is required.
    """

    info: PluginInfo
    seconds: float | None = None
    problem: str | None = None
    options: Sequence[DeclaredOption] = ()
    hooks: Sequence[str] = ()
    capabilities: Mapping[str, object] = field(default_factory=dict)
    cannot: Sequence[str] = ()
    api: Needed | None = None
    is_built: bool = False


def inspected(info: PluginInfo) -> Inspection:
    """Import a plugin and look at it; whatever it does, what is wrong is in the answer."""
    seen = Inspection(info)
    started = perf_counter()
    try:
        found = imported(info)
    except PluginLoadError as error:
        seen.problem = described(error.__cause__ or error)
        return seen
    finally:
        seen.seconds = perf_counter() - started
    try:
        label = f"{info.kind} {info}"
        seen.api = needed_api(label, found, info.module)
        check_api(label, found, info.module, info.distribution)
        _LOOKS[info.kind](seen, found)
    except CrystallizeError as error:
        seen.problem = " ".join(str(error).split())
    except (Exception, SystemExit) as error:
        seen.problem = described(error)
    return seen


def _look_at_plugin(seen: Inspection, found: object) -> None:
    built: object = None
    if callable(found):
        declared = declaration(found)
        seen.options = tuple(declared.options.values())
        if declared.required:
            seen.hooks = _marked(found)
            own = inspect.getattr_static(found, "capabilities", None)
            if seen.info.kind == "executor" and isinstance(own, Capabilities):
                _look_at_capabilities(seen, own)
            if seen.info.kind == "plugin":
                raise PluginError(
                    f"It is to be active in every experiment, but needs the option "
                    f"{listing(declared.required)}: one that has options belongs to the group "
                    "'crystallize.observers'."
                )
            return
    built = constructed(f"{seen.info.kind} {seen.info}", found, {})
    seen.is_built = True
    if built is None and seen.info.kind != "executor":
        return  # it has nothing to register here
    role: Kind = "plugin" if seen.info.kind == "observer" else seen.info.kind
    seen.hooks = sorted({i.hook for i in checked_implementations(role, str(seen.info), built)})
    if seen.info.kind == "executor":
        _look_at_capabilities(seen, Capabilities.of(built))


def _look_at_capabilities(seen: Inspection, can: Capabilities) -> None:
    seen.capabilities = {field.name: getattr(can, field.name) for field in fields(can)}
    seen.cannot = tuple(_lacks(can, has_loop_alone="execute" not in seen.hooks))


def _lacks(can: Capabilities, *, has_loop_alone: bool) -> list[str]:
    lacks = []
    if "async" not in can.functions:
        lacks.append("coroutine functions: it takes plain ones")
    if can.calls_are_async:
        lacks.append("plain functions: it takes coroutine functions")
    elif not can.can_cancel or has_loop_alone:
        lacks.append("timeout: it cannot end a call that is running")
    if can.shares_process:
        lacks.append("seed_globals: two cells may run at once in one process")
    if has_loop_alone:
        lacks += [
            "blocks: it has the plain loop alone, so that every replicate is handed out on its own",
            "cells that kill a worker found and left out: a worker that dies ends the run",
            "cells kept as they finish, where it runs them in other processes: those are kept "
            "when its loop is over",
        ]
    return lacks


def _look_at_command(seen: Inspection, found: object) -> None:
    import click

    if not isinstance(found, click.Command):
        raise PluginError(f"It is a {type(found).__name__}; it must be a click command.")


def _look_at_exporter(seen: Inspection, found: object) -> None:
    if not callable(found):
        raise PluginError(
            f"It is a {type(found).__name__}; it must be a function export(result, path)."
        )
    try:
        inspect.signature(found).bind(None, None)
    except ValueError:
        return  # it does not say what it takes
    except TypeError as error:
        raise PluginError(f"It cannot be called as export(result, path): {error}.") from error


_LOOKS = {
    "executor": _look_at_plugin,
    "aggregator": _look_at_plugin,
    "observer": _look_at_plugin,
    "plugin": _look_at_plugin,
    "command": _look_at_command,
    "exporter": _look_at_exporter,
}


def _marked(factory: object) -> list[str]:
    """The hooks that a class implements, as can be seen without an object of it."""
    if not isinstance(factory, type):
        return []
    hooks = set()
    for name in dir(factory):
        options = getattr(inspect.getattr_static(factory, name, None), MARK, None)
        if options is not None:
            hooks.add(options.get("specname") or name)
    return sorted(hooks & set(HOOKS))
