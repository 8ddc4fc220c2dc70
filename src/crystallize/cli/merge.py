"""``crystallize merge``: several stores of one experiment -> a new one."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from crystallize.cli.refusal import refusing, show_warning
from crystallize.cli.sharding import say_missing
from crystallize.cli.streams import say
from crystallize.store.merging import merge, missing
from crystallize.store.stored import StoredExperiment


@click.command("merge")
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option(
    "--prefer-values",
    is_flag=True,
    help="Where a cell failed in one store and has a value in another, take the value.",
)
@click.option(
    "--accept-changes", is_flag=True, help="Put together what ran under other code or parameters."
)
@click.pass_context
def command(
    ctx: click.Context,
    stores: tuple[Path, ...],
    output: Path,
    prefer_values: bool,
    accept_changes: bool,
) -> None:
    """Put the cells of all STORES into a new store.

    Stores of different experiments are refused, and so is a cell that differs
    between two of them.  A damaged block is left out, and named, and so is what is
    missing, by shard if they are the stores of shards; exit code 1 then.
    """
    warnings.showwarning = show_warning
    with refusing():
        sources = [StoredExperiment(path) for path in stores]
        merge(
            sources,
            output,
            prefer_values=prefer_values,
            accept_changes=accept_changes,
        )
        merged = StoredExperiment(output)
    done = sum(row["done"] for row in merged.counts())
    say(f"{output}: {done} cells done, {len(merged.errors)} failed")
    damaged = [(source.path, name) for source in sources for name in source.damaged]
    for path, name in damaged:
        say(f"damaged, left out: {name!r} of {path}", err=True)
    lacking = missing(merged, sources)
    if lacking:
        say_missing(lacking, output)
    if damaged or lacking:
        ctx.exit(1)
