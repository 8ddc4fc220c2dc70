"""``crystallize run``: a config file -> a result."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from crystallize.cells.plain import json_data
from crystallize.checks import Faults, text
from crystallize.cli.failures import Replay, failure_lines, replay_of_config
from crystallize.cli.output import Output, is_written, output_to
from crystallize.cli.overriding import set_option
from crystallize.cli.refusal import NOT_WRITTEN, REFUSED, say_error, show_warning
from crystallize.cli.sharding import (
    from_merge_option,
    in_parts,
    merged_into,
    merged_stores,
    say_shard,
    shard_option,
)
from crystallize.cli.streams import print_answer, say, stdout_kept_clean
from crystallize.cli.tables import Wanted, table_options
from crystallize.description.conditions import selected
from crystallize.description.config import Config, read_config
from crystallize.description.from_config import all_arguments
from crystallize.description.grid import ONLY_CONDITION
from crystallize.description.overrides import Override
from crystallize.description.shard import filled_in
from crystallize.description.spec import RULES
from crystallize.errors import CrystallizeError, ExportError, OptionError, PluginError, StoreError
from crystallize.experiments.experiment import Experiment
from crystallize.results.errors import CellFailedError, Interrupted, TooManyFailuresError
from crystallize.results.result import Result

OK, SOME_FAILED, BY_SIGNAL = 0, 1, 128

KEY_OF = {
    "execution": ("execution", "strategy"),
    "replicates": ("experiment", "replicates"),
    "seed": ("experiment", "seed"),
    "time_limit": ("experiment", "time_limit"),
    "store": ("store", "path"),
    "log": ("experiment", "log"),
}
"""What an option overrides in the config."""
OPTION_RULES = {**RULES, "execution": text}


@click.command("run")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("stores", nargs=-1, metavar="")
@click.option("--execution", metavar="NAME", help="Use this strategy instead of the file's.")
@set_option
@click.option("--replicates", type=int, help="That of every condition, whatever the file says.")
@click.option("--seed", type=int, help="Override experiment.seed.")
@click.option(
    "--time-limit",
    metavar="DURATION",
    help="End with what there is after so long: 90, 15m, 1h30m. Overrides experiment.time_limit.",
)
@click.option(
    "--condition",
    "conditions",
    metavar="NAME",
    multiple=True,
    help="Run this condition alone, or those that match: 'n=10,*'; may be given more than once.",
)
@shard_option
@click.option("--store", type=click.Path(path_type=Path), help="Keep finished cells in this file.")
@from_merge_option
@click.option(
    "--log", type=click.Path(path_type=Path), help="Add lines on what happens to this file."
)
@click.option("--retry-failed", is_flag=True, help="Run cells again that failed before.")
@click.option("--accept-changes", is_flag=True, help="Go on with a store of a changed experiment.")
@click.option(
    "--block",
    metavar="NAME",
    multiple=True,
    help="Do without an installed plugin; may be given more than once.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER/",
    help="Write the result to this file too, as its ending says, or to a new folder in a folder.",
)
@table_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON alone.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and run nothing.")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    stores: tuple[str, ...],
    execution: str | None,
    overrides: tuple[str, ...],
    replicates: int | None,
    seed: int | None,
    time_limit: str | None,
    conditions: tuple[str, ...],
    shard: str | None,
    store: Path | None,
    merged: tuple[str, ...],
    log: Path | None,
    retry_failed: bool,
    accept_changes: bool,
    block: tuple[str, ...],
    output: str | None,
    by: tuple[str, ...],
    across: tuple[str, ...],
    all_rows: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run the experiment that CONFIG describes and print its result.

    With a store, cells that it holds are not run again.  A shard has a store of its
    own, 'NAME-3of10.db' if none is given.  Exit codes: 0 all
    cells fine; 1 some cells failed; 2 a wrong call or config; 3 the output could
    not be written; 130 and 143 interrupted by Ctrl-C and SIGTERM.  What finished
    is printed in any case.
    """
    warnings.showwarning = show_warning
    result: Result | None
    tables = Wanted(by, across, all_rows)
    target: Output | None = None
    try:
        with stdout_kept_clean():
            given = {
                "replicates": replicates,
                "seed": seed,
                "time_limit": time_limit,
                "store": store,
                "log": log,
                "execution": execution,
            }
            read = read_config(config, overrides, _options(given))
            wanted: dict[str, Any] = {
                "retry_failed": retry_failed,
                "accept_changes": accept_changes,
            }
            sources = merged_stores(merged, stores, dry_run=dry_run)
            wanted |= in_parts(read, shard, {"store": store, "log": log}, sources)
            if conditions:
                wanted |= _selected(read, conditions)
            experiment = _experiment(config, read, block, wanted)
            if output is not None:
                # Before anything is computed that nobody could write down.
                target = output_to(filled_in(output, experiment.spec.shard), tables, block)
            has_own_seed = seed is None and read.experiment.values["seed"] is not None
            root = None if has_own_seed else experiment.seed
            replay = replay_of_config(config, overrides, root)
            tables.check(experiment.spec.factors, as_json=as_json)
            would = experiment.dry_run() if dry_run else None
            say_shard(experiment.spec)
        if would is not None:
            content = json.dumps(json_data(would.to_dict()), allow_nan=False)
            print_answer(content if as_json else str(would))
            ctx.exit(OK)
        with stdout_kept_clean(), merged_into(experiment.spec, sources):
            if target is not None:
                target.claim(experiment.name)
            result, code = experiment.run(), OK
        if not isinstance(result, Result):
            raise PluginError(
                f"An aggregator replaced the result by a {type(result).__name__}, which this "
                "command cannot print. Run it from Python, or leave that aggregator out."
            )
        _say_found(result, experiment.spec.cells)
        _say_stopped(result)
        for line in result.duration_lines():
            say(line, err=True)
        if result.errors:
            code = SOME_FAILED
            _show_errors(result, replay)
    except (CellFailedError, TooManyFailuresError) as error:
        say(f"Error: {error}", err=True)
        result, code = error.result, SOME_FAILED
        if isinstance(error, TooManyFailuresError) and isinstance(result, Result):
            _show_errors(result, replay)
    except Interrupted as error:
        say(f"Interrupted; this is what had finished. {_advice(error.result)}", err=True)
        result, code = error.result, BY_SIGNAL + error.signum
        if isinstance(result, Result):
            _show_errors(result, replay)
    except KeyboardInterrupt:
        say("Interrupted.", err=True)
        result, code = None, BY_SIGNAL + signal.SIGINT
    except ExportError as error:
        say(f"Error: {error}", err=True)
        result, code = None, NOT_WRITTEN
    except CrystallizeError as error:
        say(f"Error: {error}", err=True)
        result = error.result
        # With a result, the run had begun, and its cells could not be kept.
        unkept = isinstance(error, StoreError) and result is not None
        code = NOT_WRITTEN if unkept else REFUSED
    if target is not None and isinstance(result, Result):
        written = is_written(target, result, experiment.spec.store)
        code = code if written or code >= BY_SIGNAL else NOT_WRITTEN
    elif target is not None:
        target.give_up()
    if result is not None and not _is_printed(result, None if as_json else tables):
        code = code if code >= BY_SIGNAL else NOT_WRITTEN
    ctx.exit(code)


def _options(given: dict[str, Any]) -> list[Override]:
    """The options that stand for keys of the config, each as what it overrides there."""
    faults = Faults()
    options = []
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            checked = faults(OPTION_RULES[name], option, value)
            # A path from here, not from where the config is.
            checked = str(checked.absolute()) if isinstance(checked, Path) else checked
            options.append(Override(KEY_OF[name], checked, f"{option} {value}"))
    faults.raise_any()
    return options


def _experiment(
    path: Path,
    config: Config,
    block: tuple[str, ...],
    wanted: dict[str, Any],
) -> Experiment:
    if config.store is None and "store" not in wanted:
        for name in ("retry_failed", "accept_changes"):
            if wanted[name]:
                option = f"--{name.replace('_', '-')}"
                raise OptionError(f"{option} goes with a store, and there is none: --store FILE.")
    if block:
        wanted["block"] = [*config.experiment.values.get("block", ()), *block]
    beside = path.resolve().parent
    arguments = all_arguments(config, beside, wanted)
    arguments.setdefault("progress", sys.stderr.isatty() or "long")
    return Experiment(**arguments)


def _selected(config: Config, patterns: tuple[str, ...]) -> dict[str, Any]:
    """The conditions that are run, and the baseline where it is another one then."""
    given = {name: dict(own) for name, own in (config.conditions or {ONLY_CONDITION: {}}).items()}
    conditions = selected("--condition", patterns, given)
    baseline = config.experiment.values["baseline"] or next(iter(given))
    if baseline in conditions:
        return {"conditions": conditions, "baseline": baseline}
    first = next(iter(conditions))
    if len(conditions) > 1:
        say(f"Baseline: {first!r}, since --condition leaves out {baseline!r}.", err=True)
    return {"conditions": conditions, "baseline": first}


def _say_found(result: Result, cells: int) -> None:
    store = result.provenance["store"]
    if store is not None and store["found"]:
        say(f"Resumed: {store['found']} of {cells} cells were in the store.", err=True)


def _say_stopped(result: Result) -> None:
    stopped = result.provenance["stopped"]
    if stopped is not None and "cells" in stopped:
        counted = f"{stopped['cells']} of {stopped['of']} cells are done"
        say(f"Stopped: {stopped['reason']}; {counted}. {_advice(result)}", err=True)


def _advice(result: Result) -> str:
    if result.provenance["store"] is None:
        return "With --store FILE what is computed is kept."
    return "It is in the store; run the same command again to resume."


def _show_errors(result: Result, replay: Replay) -> None:
    for line in failure_lines(result.errors, replay):
        say(line, err=True)


def _is_printed(result: Result, tables: Wanted | None) -> bool:
    """Print a result as tables, or as JSON where none are wanted."""
    text = json.dumps(result.to_dict(), allow_nan=False) if tables is None else tables.shown(result)
    try:
        print_answer(text)
    except ExportError as error:
        say_error(error, _advice(result))
        return False
    return True
