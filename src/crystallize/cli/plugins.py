"""``crystallize plugins``: what is installed, and what one of the plugins is like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crystallize.cli.commands import BUILT_IN as OUR_COMMANDS
from crystallize.cli.plugin_page import as_text, page
from crystallize.cli.refusal import refusing
from crystallize.cli.streams import print_answer, say, stdout_kept_clean
from crystallize.errors import UnknownNameError
from crystallize.installed.catalog import Catalog, PluginInfo

if TYPE_CHECKING:
    from crystallize.plugins.inspection import Inspection

COLUMNS = ("name", "kind", "distribution", "version", "status")
BUSY = "import"
"""The column of how long an import took, where there was one."""


class _WithNew(click.Command):
    """``new`` is a word of the command's own; a plugin of that name is called by its whole one."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args[:1] == ["new"]:
            return new.make_context(f"{info_name} new", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("new")
@click.argument("name")
@click.option("--kind", required=True, help="executor, aggregator, observer, command or exporter.")
def new(name: str, kind: str) -> None:
    """Write a plugin that works to the folder crystallize-NAME, with tests that pass."""
    from crystallize.scaffold.distribution import write_distribution

    with refusing():
        folder = write_distribution(name, kind, Path.cwd())
    say(f"{folder.name} is a plugin that works; make it yours. Its README says how it is tested.")


@click.command("plugins", cls=_WithNew)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", is_flag=True, help="Import and build each plugin; say which are broken.")
@click.pass_context
def command(ctx: click.Context, name: str | None, as_json: bool, check: bool) -> None:
    """List the installed plugins, or say what the one of that NAME is like.

    The list has everything that concerns Crystallize in the metadata of what is
    installed, also what cannot be used and why, and imports nothing.  --check
    imports each plugin, builds it where no option is required, and looks at its
    hooks.  The exit code is 1 if something that was looked at is broken.

    'crystallize plugins new NAME --kind KIND' writes a new one.
    """
    catalog = Catalog.installed()
    if name is not None:
        with refusing():
            seen = [_inspected(info) for info in _named(catalog, name)]
        pages = [page(one, _status(one.info)) for one in seen]
        _echo_json(pages) if as_json else say("\n\n".join(map(as_text, pages)))
        broken = any(one.problem for one in seen)
    else:
        rows, broken = _rows(catalog, check=check)
        _echo_json(rows) if as_json else _echo_table(rows)
    if broken:
        ctx.exit(1)


def _named(catalog: Catalog, name: str) -> list[PluginInfo]:
    found = catalog.named(name)
    if not found:
        known = dict.fromkeys(info.name for info in catalog.entries)
        raise UnknownNameError(
            "plugin", name, list(known), advice="'crystallize plugins' lists them."
        )
    return found


def _rows(catalog: Catalog, *, check: bool) -> tuple[list[dict[str, Any]], bool]:
    rows: list[dict[str, Any]] = []
    broken = False
    for info in catalog.entries:
        row = _row(info.name, info.kind, info.distribution, info.version, _status(info))
        if check:
            seen = _inspected(info)
            row["seconds"] = seen.seconds
            if seen.problem is not None:
                row["status"], broken = f"broken: {seen.problem}", True
        rows.append(row)
    for problem in catalog.problems:
        row = _row(
            problem.name, problem.group, problem.distribution, problem.version, problem.status
        )
        rows.append(row | ({"seconds": None} if check else {}))
        broken = broken or (check and problem.is_broken)
    return rows, broken


def _row(*cells: str) -> dict[str, Any]:
    return dict(zip(COLUMNS, cells, strict=True))


def _status(info: PluginInfo) -> str:
    from crystallize.results.exporting import BUILT_IN as OUR_ENDINGS

    if info.status == "available" and info.kind == "command" and info.name in OUR_COMMANDS:
        return f"hidden by the built-in command; call it as {info.qualified}"
    if info.status == "available" and info.kind == "exporter" and info.name in OUR_ENDINGS:
        return "hidden by the built-in exporter"
    return info.status


def _inspected(info: PluginInfo) -> Inspection:
    from crystallize.plugins.inspection import Inspection, inspected

    if info.status == "blocked":  # as it is said, it is not imported here either
        return Inspection(info)
    with stdout_kept_clean():
        return inspected(info)


def _echo_json(rows: list[dict[str, Any]]) -> None:
    print_answer(json.dumps(rows, indent=2))


def _echo_table(rows: list[dict[str, Any]]) -> None:
    columns = list(COLUMNS)
    if any("seconds" in row for row in rows):
        columns.insert(-1, BUSY)  # the status may be long
        for row in rows:
            seconds = row["seconds"]
            row[BUSY] = "-" if seconds is None else f"{seconds:.3f}s"
    widths = [max(len(c), *(len(row[c]) for row in rows), 0) for c in columns]
    for row in ({c: c for c in columns}, *rows):
        cells = (row[c].ljust(width) for c, width in zip(columns, widths, strict=True))
        say("  ".join(cells).rstrip())
