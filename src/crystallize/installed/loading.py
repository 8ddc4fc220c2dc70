"""From what the catalog found to an object: import, check the options, construct."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from crystallize.errors import (
    CrystallizeError,
    OptionError,
    PluginLoadError,
    described,
    listing,
)
from crystallize.installed.api import check_api
from crystallize.installed.catalog import BLOCK, PluginInfo
from crystallize.installed.options import checked_options, declaration, refusal


def load(info: PluginInfo) -> object:
    """Import a plugin that fits this version.

    Raises
    ------
    PluginLoadError
        Whatever the import raised, chained, or which version of the plugin API it needs;
        names the distribution.
    """
    found = imported(info)
    check_api(f"{info.kind} {info}", found, info.module, info.distribution)
    return found


def imported(info: PluginInfo) -> object:
    """What an entry point leads to, whichever version it is written for.

    Raises
    ------
    PluginLoadError
        Whatever the import raised, chained; names the distribution.
    """
    attribute = info.value.partition(":")[2]
    try:
        found: object = import_module(info.module)
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
    OptionError, InvalidValuesError
        If it does not take the options, or refuses a value.
    """
    return constructed(f"{info.kind} {info}", load(info), options)


def constructed(plugin: str, factory: object, options: Mapping[str, object]) -> object:
    """What a factory makes of options; an object that is no factory as it is.

    Parameters
    ----------
    plugin : str
        What messages call it: ``executor dask (crystallize-dask 1.0)``.
    factory : object
    options : mapping

    Raises
    ------
    PluginLoadError
        If its construction fails.
    OptionError, InvalidValuesError
        If it does not take the options, or refuses a value.
    """
    if not callable(factory):
        if options:
            raise OptionError(f"The {plugin} takes no options; got {listing(options)}.")
        return factory
    declared = declaration(factory)
    checked = checked_options(plugin, declared, options)
    try:
        return factory(**declared.arguments(checked))
    except (CrystallizeError, TypeError, ValueError) as error:
        raise refusal(plugin, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginLoadError(
            f"The {plugin} could not be constructed: {described(error)}"
        ) from error
