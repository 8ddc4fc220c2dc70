"""``crystallize show``: what is in a store."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crystallize.cells.plain import json_data
from crystallize.cli.refusal import refusing
from crystallize.cli.streams import print_answer, say
from crystallize.cli.tables import Wanted, table_options
from crystallize.printable import one_line
from crystallize.results.exports import warning_data
from crystallize.results.result import Result
from crystallize.store.generations import counts
from crystallize.store.stored import Stored, StoredSummaries


@click.command("show")
@click.argument("store", type=click.Path(path_type=Path))
@table_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    store: Path,
    by: tuple[str, ...],
    across: tuple[str, ...],
    all_rows: bool,
    as_json: bool,
) -> None:
    """Say what STORE holds: whose experiment, what is done, failed and missing.

    The experiment's code is not imported, and the store is not changed.
    """
    with refusing():
        stored = StoredSummaries(store)
        result = Result.of_outcomes(stored.outcomes(), stored.baseline, stored.factors)
        tables = Wanted(by, across, all_rows)
        tables.check(result.factors, as_json=as_json)
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
    say(f"\n{tables.shown(result)}")


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
