"""``crystallize copy``: a store -> a file, as it is at one moment, also while a run goes on."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from crystallize.cli.refusal import refusing, show_warning
from crystallize.cli.streams import say
from crystallize.errors import ExportError, StoreError
from crystallize.results.exporting import check_place
from crystallize.results.replacing import replaced_whole
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment


@click.command("copy")
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("to", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace TO where it is there.")
def command(store: Path, to: Path, overwrite: bool) -> None:
    """Copy STORE to the file TO, also while a run writes to it.

    What was reported as done by then is in the copy, which is one file.  A file
    that is there stays as it is until the copy is complete.
    """
    warnings.showwarning = show_warning
    with refusing():
        check_place(to)
        if to.exists() and not overwrite:
            raise StoreError(f"{to}: there is a file already. --overwrite replaces it.")
        with Store(store, read_only=True) as opened:
            if to.exists() and to.samefile(store):
                raise StoreError(f"{to}: this is the store itself. Give another path.")
            try:
                with replaced_whole(to) as beside:
                    opened.copy_to(beside)
            except (OSError, StoreError) as error:
                raise ExportError(f"{store}: it could not be copied to {to} ({error}).") from error
        counts = StoredExperiment(to).counts()
    done, failed = (sum(row[what] for row in counts) for what in ("done", "failed"))
    say(f"{to}: {done} cells done, {failed} failed")
