"""The command ``crystallize``; each subcommand is imported when it is called."""

from __future__ import annotations

from typing import Any

import click

from crystallize.cli import commands
from crystallize.cli.refusal import NOT_WRITTEN, refusing, say_error
from crystallize.cli.streams import answering, make_streams_usable, say
from crystallize.errors import ExportError, UnknownNameError, suggestion


class _LazyGroup(click.Group):
    """Lists commands without importing them: some need libraries that are slow to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*commands.BUILT_IN, *commands.installed()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        with refusing():
            try:
                return commands.find(cmd_name)
            except UnknownNameError:
                if not ctx.resilient_parsing:
                    closest = suggestion(cmd_name, self.list_commands(ctx))
                    ctx.fail(f"No such command {cmd_name!r}.{closest}")
        return None

    def main(self, *args: Any, **extra: Any) -> Any:
        make_streams_usable()
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            with answering():  # --help and --version answer before there is a command
                return super().make_context(*args, **extra)
        except ExportError as error:
            say_error(error)
            raise click.exceptions.Exit(NOT_WRITTEN) from error

    def invoke(self, ctx: click.Context) -> Any:
        # A plugin's command need not know how ours say what is wrong.
        with refusing():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(commands.BUILT_IN.items()))
        if of_plugins := commands.installed():
            with formatter.section("Commands of plugins"):
                formatter.write_dl(list(of_plugins.items()))


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib_metadata import version

        say(f"crystallize {version('crystallize-core')}")
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
