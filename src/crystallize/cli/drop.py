"""``crystallize drop``: forget cells of a store, so that they are run again."""

from __future__ import annotations

import re
from pathlib import Path

import click

from crystallize.cli.refusal import refusing
from crystallize.cli.streams import say
from crystallize.errors import InvalidValueError, StoreError
from crystallize.printable import one_line
from crystallize.store.dropping import drop


@click.command("drop")
@click.argument("store", type=click.Path(path_type=Path))
@click.option(
    "--condition",
    "conditions",
    metavar="NAME",
    multiple=True,
    help="Those of this condition; may be given more than once.",
)
@click.option("--failed", is_flag=True, help="Those that failed, and no others.")
@click.option(
    "--replicates",
    metavar="A:B",
    help="Those from A on, up to and without B; either may be left out.",
)
def command(store: Path, conditions: tuple[str, ...], failed: bool, replicates: str | None) -> None:
    """Forget the cells of STORE to which all options apply.

    The next run on the store runs them again.  The experiment's code is not
    imported; a store that a run is using is refused.
    """
    with refusing():
        if not (conditions or failed or replicates):
            raise StoreError(
                f"{store}: say which cells are to be forgotten, with --condition, --failed or "
                "--replicates; to forget all, delete the file."
            )
        counts = drop(store, conditions, failed=failed, replicates=_range(replicates))
    for condition, count in counts.items():
        say(f"{one_line(condition)}: {count} cells forgotten")
    say(f"{sum(counts.values())} cells are forgotten; the next run on the store runs them.")


def _range(text: str | None) -> range | None:
    """``A:B`` as Python has it, for indices from 0 on."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d*):(\d*)", text, re.ASCII)
    if match is None:
        expected = "A:B, two whole numbers of which either may be left out, as 10:20"
        raise InvalidValueError("--replicates", text, expected)
    start, stop = match.groups()
    return range(int(start or 0), int(stop) if stop else 2**63)
