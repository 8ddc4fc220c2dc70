"""The command ``crystallize``; each subcommand is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "check": "Verify a store; set damaged blocks aside.",
    "merge": "Put the cells of several stores into a new one.",
    "plugins": "List the installed executors, aggregators and observers.",
    "replay": "Run one cell of a store's experiment here, for a debugger.",
    "run": "Run the experiment that a config file describes.",
    "show": "Say what is in a store.",
}


class _LazyGroup(click.Group):
    """Lists commands without importing them: some need libraries that are slow to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib_metadata import version

        click.echo(f"crystallize {version('crystallize-core')}")
        ctx.exit()


@click.group(cls=_LazyGroup)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main(**_: Any) -> None:
    """Replicated experiments under any execution strategy."""
