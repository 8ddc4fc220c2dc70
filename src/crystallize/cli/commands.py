"""The commands that there are: ours, and those of plugins, none of which is loaded to be listed."""

from __future__ import annotations

from importlib import import_module

import click

from crystallize.cli.streams import stdout_kept_clean
from crystallize.errors import PluginError

BUILT_IN = {
    "check": "Verify a store; set damaged blocks aside.",
    "copy": "Copy a store, also while a run writes to it.",
    "drop": "Forget cells of a store, so that they are run again.",
    "merge": "Put the cells of several stores into a new one.",
    "plan": "Run a pilot, and say how many replicates it takes to know enough.",
    "plugins": "List the installed plugins; --check says which are broken.",
    "replay": "Run one cell of a store's experiment here, for a debugger.",
    "run": "Run the experiment that a config file describes.",
    "show": "Say what is in a store.",
    "verify": "Say whether a config gives the same numbers everywhere.",
}


def installed() -> dict[str, str]:
    """The commands of plugins, by the name that each is called by, and what help says of it."""
    from crystallize.installed.catalog import Catalog

    found = {}
    for info in Catalog.installed().of("command"):
        origin = f"From {info.distribution} {info.version}."
        if info.name in BUILT_IN:
            found[info.qualified] = f"{origin} ({info.name!r} is a command of Crystallize's own.)"
        elif info.status == "conflict":
            found[info.qualified] = f"{origin} (Another distribution has {info.name!r} too.)"
        elif info.status != "blocked":
            found[info.name] = origin
    return found


def find(name: str) -> click.Command:
    """Load a command.

    Raises
    ------
    UnknownNameError, DuplicateNameError, PluginError
        If there is none of that name, or it is broken.
    """
    if name in BUILT_IN:
        own: click.Command = import_module(f"crystallize.cli.{name}").command
        return own
    from crystallize.installed.catalog import Catalog
    from crystallize.installed.loading import load

    info = Catalog.installed().find("command", name)
    with stdout_kept_clean():
        command = load(info)
    if not isinstance(command, click.Command):
        raise PluginError(
            f"The command {info} is a {type(command).__name__}; {info.value!r} must lead to a "
            "click command, as @click.command() makes it."
        )
    return command
