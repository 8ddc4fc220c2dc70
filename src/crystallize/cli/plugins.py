"""``crystallize plugins``: what is installed."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from crystallize.cli.streams import stdout_kept_clean
from crystallize.errors import PluginLoadError, described
from crystallize.installed.catalog import Catalog, PluginInfo

COLUMNS = ("name", "kind", "distribution", "version", "status")


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", is_flag=True, help="Import each plugin and say which are broken.")
@click.pass_context
def command(ctx: click.Context, as_json: bool, check: bool) -> None:
    """List the installed executors, aggregators and observers.

    Nothing is imported unless --check asks for it; then the exit code is 1 if
    any plugin is broken.
    """
    rows = []
    broken = False
    for info in Catalog.installed().entries:
        row = {column: str(asdict(info)[column]) for column in COLUMNS}
        if check and info.status != "blocked" and (problem := _problem(info)):
            row["status"], broken = f"broken: {problem}", True
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _echo_table(rows)
    if broken:
        ctx.exit(1)


def _problem(info: PluginInfo) -> str | None:
    from crystallize.installed.loading import load

    try:
        with stdout_kept_clean():
            load(info)
    except PluginLoadError as error:
        return described(error.__cause__ or error)
    return None


def _echo_table(rows: list[dict[str, str]]) -> None:
    widths = [max(len(c), *(len(row[c]) for row in rows), 0) for c in COLUMNS]
    for row in ({c: c for c in COLUMNS}, *rows):
        cells = (row[c].ljust(width) for c, width in zip(COLUMNS, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
