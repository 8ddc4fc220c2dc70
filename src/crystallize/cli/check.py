"""``crystallize check``: verify a store and set damaged blocks aside."""

from __future__ import annotations

from pathlib import Path

import click

from crystallize.cli.refusal import refusing
from crystallize.cli.streams import say
from crystallize.store import Store
from crystallize.store.records import is_readable


@click.command("check")
@click.argument("store", type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, store: Path) -> None:
    """Compare every block of STORE with its checksum.

    Damaged blocks are named and set aside; the next run on the store runs their
    cells again.  Exit code 1 if there were any.
    """
    with refusing(), Store(store) as opened:
        opened.check_pages()
        damaged = opened.set_aside(is_readable)
        good = sum(1 for _ in opened.records())
    for name in damaged:
        say(f"damaged, set aside: {name!r}")
    say(f"{good} blocks are good, {len(damaged)} were damaged")
    if damaged:
        ctx.exit(1)
