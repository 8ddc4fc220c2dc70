"""``crystallize show``: what is in a store."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from crystallize.cells.plain import json_data
from crystallize.checks import above_zero, optional
from crystallize.cli.failures import failure_lines, replay_of_store
from crystallize.cli.output import write_store
from crystallize.cli.refusal import NOT_WRITTEN, refusing
from crystallize.cli.streams import print_answer, say
from crystallize.cli.tables import Wanted, table_options
from crystallize.cli.watch import watch
from crystallize.errors import OptionError
from crystallize.printable import one_line
from crystallize.results.exports import warning_data
from crystallize.results.result import Result
from crystallize.store.generations import counts
from crystallize.store.stored import Stored, StoredSummaries

SECOND = 1.0


@click.command("show")
@click.argument("store", type=click.Path(path_type=Path))
@table_options
@click.option("--watch", "watched", is_flag=True, help="Show how far its run is, until it ends.")
@click.option("--interval", type=float, help="Seconds between two looks: 1 if not given.")
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER/",
    help="Write it to this file too, as its ending says, or to a new folder in a folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    store: Path,
    by: tuple[str, ...],
    across: tuple[str, ...],
    all_rows: bool,
    watched: bool,
    interval: float | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Say what STORE holds: whose experiment, what is done, failed and missing.

    The experiment's code is not imported, and the store is not changed.

    With --watch the run that has the store is looked at every second, from another
    terminal or machine: what it has done, its rate, what is left, failures by type
    and message, and whether its driver lives.  It ends with the run.  Exit codes then:
    0 all cells are done; 1 some failed, or are missing; 130 Ctrl-C.
    """
    if watched:
        with refusing():
            _check_no_tables(by, across, all_rows=all_rows)
            if output is not None:
                raise OptionError("--output goes without --watch.")
            seconds = optional(above_zero)("--interval", interval)
            try:
                ctx.exit(watch(store, seconds or SECOND, as_json=as_json))
            except KeyboardInterrupt as error:
                ctx.exit(128 + getattr(error, "signum", signal.SIGINT))
    with refusing():
        if interval is not None:
            raise OptionError("--interval goes with --watch.")
        stored = StoredSummaries(store)
        result = Result.of_outcomes(stored.outcomes(), stored.baseline, stored.factors)
        tables = Wanted(by, across, all_rows)
        tables.check(result.factors, as_json=as_json)
        if output is not None and not write_store(output, tables, store, result):
            ctx.exit(NOT_WRITTEN)
    if as_json:
        content = {
            "identity": stored.identity,
            "generations": stored.generations.described(stored.cells),
            "cells": stored.counts(),
            "damaged": stored.damaged,
            "warnings": [warning_data(record) for record in result.warnings],
            "summary": result.summary(),
            "durations": result.duration_summary(),
        }
        print_answer(json.dumps(json_data(content), allow_nan=False, indent=2))
        return
    identity = stored.identity
    say(f"experiment  {one_line(identity['name'])}")
    say(f"function    {one_line(identity['module'])}:{one_line(identity['function'])}")
    say(f"seed        {identity['seed']}")
    sizes = sorted(set(stored.replicates.values()))
    say(f"replicates  {' to '.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))}")
    if stored.shard is not None:
        say(f"shard       {stored.shard}")
    for row in stored.counts():
        say(
            f"{one_line(row['condition'])}: {row['done']} done, {row['failed']} failed, "
            f"{row['missing']} missing"
        )
    for line in result.duration_lines():
        say(line)
    for name in stored.damaged:
        say(f"damaged: {one_line(name)}; 'crystallize check' sets it aside")
    if len(stored.cells) > 1:
        _show_generations(stored)
    for line in failure_lines(result.errors, replay_of_store(store)):
        say(line)
    say(f"\n{tables.shown(result)}")


def _check_no_tables(by: tuple[str, ...], across: tuple[str, ...], *, all_rows: bool) -> None:
    if by or across or all_rows:
        raise OptionError("--by, --across and --all are about tables; --watch prints none.")


def _show_generations(stored: Stored) -> None:
    """Say which cells ran under something else than the last, and what that is."""
    latest = stored.latest
    say(
        "cells ran under different code, parameters or versions; "
        f"the last run's is generation {latest.number}"
    )
    for number, conditions in counts(stored.cells).items():
        for condition, cells in conditions.items():
            say(f"generation {number}: {cells} cells of {one_line(condition)}")
        if number != latest.number:
            one = stored.generations[number]
            for why in one.changes(latest) + one.versions(latest):
                say(f"  - {one_line(why)}")
