"""``crystallize report``: what a store or a saved result says, for people to read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from crystallize import InvalidValueError
from crystallize_report.opening import opened
from crystallize_report.writing import write, written_figures


@click.command("report")
@click.argument("source", metavar="STORE_OR_RESULT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the report goes; beside STORE_OR_RESULT, with the ending .html, if not given.",
)
@click.option(
    "--mcse",
    type=float,
    help="Say how many replicates it takes for this Monte Carlo standard error.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="What 'crystallize verify CONFIG --json' printed, to be part of the report.",
)
@click.option(
    "--figures",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write every figure there too, as SVG, PDF and PNG, and the data behind it as CSV.",
)
@click.option("--no-figures", is_flag=True, help="Have no figures in the report.")
def report(
    source: Path,
    output: Path | None,
    mcse: float | None,
    certificate: Path | None,
    figures: Path | None,
    no_figures: bool,
) -> None:
    """Write one HTML file of a store, or of a result that was saved with --output x.zip.

    It loads nothing from elsewhere, so it can be mailed and read offline.  Nothing that
    STORE_OR_RESULT names is imported.
    """
    target = source.with_suffix(".html") if output is None else output
    with suppress(OSError):  # of what no file can be, opening and writing say what it is
        if target.samefile(source):
            raise InvalidValueError("--output", str(target), f"another file than {source} itself")
    result = opened(source)
    write(result, target, mcse=mcse, certificate=certificate, figures=not no_figures)
    click.echo(target)
    if figures is not None:
        for path in written_figures(result, figures):
            click.echo(path)
