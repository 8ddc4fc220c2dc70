"""From what the catalog found to an object: import, check the options, construct."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module

from crystallize.errors import (
    CrystallizeError,
    OptionError,
    PluginLoadError,
    described,
    listing,
    suggestion,
)
from crystallize.plugins.catalog import BLOCK, PluginInfo


def load(info: PluginInfo) -> object:
    """Import a plugin.

    Raises
    ------
    PluginLoadError
        Whatever the import raised, chained; names the distribution.
    """
    module, _, attribute = info.value.partition(":")
    try:
        found: object = import_module(module.strip())
        for part in filter(None, attribute.split("[")[0].strip().split(".")):
            found = getattr(found, part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may do anything, sys.exit included
        raise PluginLoadError(
            f"The {info.kind} {info} could not be loaded from {info.value!r}: "
            f"{described(error)}. Fix or uninstall that distribution, name another, or block it "
            f"with the environment variable {BLOCK}={info.name}."
        ) from error
    return found


def build(info: PluginInfo, options: Mapping[str, object]) -> object:
    """Load a plugin and construct it with its options.

    Raises
    ------
    PluginLoadError
        If it cannot be imported, or its construction fails.
    OptionError
        If it does not take the options, or refuses a value.
    """
    factory = load(info)
    if not callable(factory):
        if options:
            raise OptionError(f"The {info.kind} {info} takes no options; got {listing(options)}.")
        return factory
    _check_options(info, factory, options)
    try:
        return factory(**options)
    except (CrystallizeError, TypeError, ValueError) as error:
        raise OptionError(f"The {info.kind} {info} refused its options: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginLoadError(
            f"The {info.kind} {info} could not be constructed: {described(error)}"
        ) from error


def _check_options(
    info: PluginInfo, factory: Callable[..., object], options: Mapping[str, object]
) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return  # no readable signature: the construction itself will tell
    known = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    unknown = [name for name in options if name not in known]
    if unknown and not takes_any:
        raise OptionError(
            f"The {info.kind} {info} has no option {unknown[0]!r}."
            f"{suggestion(unknown[0], known)} Its options: {listing(known)}."
        )
    missing = [p.name for p in known.values() if p.default is p.empty and p.name not in options]
    if missing:
        raise OptionError(f"The {info.kind} {info} needs the option {listing(missing)}.")
