"""``crystallize replay``: one cell of a store's experiment, in this process.

A store may come from anywhere, and importing what it names would be to obey it: code comes from
a config or a function that the user has, and runs where the store's fingerprint is of it.
"""

from __future__ import annotations

import pdb
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from crystallize.checks import known, whole_number
from crystallize.cli.overriding import set_option
from crystallize.cli.refusal import refusing
from crystallize.cli.streams import say
from crystallize.description.config import Config, read_config
from crystallize.description.files import PARSERS
from crystallize.description.from_config import experiment_arguments
from crystallize.description.lookup import find_function, is_module_attribute
from crystallize.errors import (
    ConfigError,
    OptionError,
    StoreError,
    StoreMismatchError,
    listing,
    text_of,
)
from crystallize.experiments.experiment import Experiment
from crystallize.store.generations import Generation
from crystallize.store.stored import StoredExperiment


@click.command("replay")
@click.argument("store", metavar="STORE|CONFIG", type=click.Path(path_type=Path))
@click.option("--replicate", required=True, type=int, help="Which replicate.")
@click.option("--condition", help="Which condition; the baseline if not given.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The config that says what function it is; the one beside STORE if not given.",
)
@click.option(
    "--function", metavar="MODULE:NAME", help="The function, looked up in this folder first."
)
@click.option(
    "--accept-changes", is_flag=True, help="Run it though it is not what the store's cells ran."
)
@set_option
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it raises.")
@click.pass_context
def command(
    ctx: click.Context,
    store: Path,
    replicate: int,
    condition: str | None,
    config: Path | None,
    function: str | None,
    accept_changes: bool,
    overrides: tuple[str, ...],
    debug: bool,
) -> None:
    """Run one cell of the experiment in STORE, or of CONFIG, here, with the same seed.

    Nothing is imported because STORE says so: the function is that of a config, or the one
    that is named, and it runs if it is what the store's cells ran.  Prints what it returns,
    or its traceback with exit code 1; the store is not changed.  A CONFIG, by its ending, needs
    no store; --set goes with it.
    """
    with refusing():
        replicate = whole_number("--replicate", replicate)
        if config is not None and function is not None:
            raise OptionError("--config and --function both say what function it is; give one.")
        if store.suffix.lower() in PARSERS:
            if config is not None or function is not None or accept_changes:
                raise OptionError(
                    f"--config, --function and --accept-changes go with a store; {store} is a "
                    "config."
                )
            experiment, name = _of_config_alone(store, overrides, condition)
        elif overrides:
            raise OptionError("--set goes with a config; a store says what its parameters are.")
        else:
            stored = StoredExperiment(store)
            name = _condition(stored, condition)
            if function is None:
                path = config or _config_beside(stored)
                experiment = _of_config(stored, name, path, accept_changes)
            else:
                found = find_function(function, Path.cwd())
                experiment = _experiment(stored, name, found, [], accept_changes)
    try:
        say(text_of(experiment.replay(replicate, name)))
    except Exception:
        traceback.print_exc()
        if debug:
            pdb.post_mortem(sys.exc_info()[2])
        ctx.exit(1)


def _of_config_alone(
    path: Path, overrides: tuple[str, ...], condition: str | None
) -> tuple[Experiment, str]:
    """What a config describes, and which of its conditions."""
    config = read_config(path, overrides)
    if config.experiment.values["seed"] is None:
        raise OptionError(
            f"{path}: it has no seed, so a replicate has none. Give the root seed of the run: "
            "--set experiment.seed=N."
        )
    beside = path.resolve().parent
    arguments = experiment_arguments(config, beside, {"store": None, "log": None})
    experiment = Experiment(find_function(config.experiment.function, beside), **arguments)
    name = experiment.baseline if condition is None else condition
    return experiment, known("--condition", name, "condition", experiment.conditions)


def _condition(stored: StoredExperiment, condition: str | None) -> str:
    identity = stored.identity
    condition = str(identity["baseline"]) if condition is None else condition
    known("--condition", condition, "condition", identity["conditions"])
    if opaque := identity["opaque"].get(condition):
        raise StoreError(
            f"{stored.path}: the parameters {listing(opaque)} of condition {condition!r} are not "
            "plain data, or secrets, so the store has no more than a digest of them. Use "
            "Experiment.replay."
        )
    return condition


def _config_beside(stored: StoredExperiment) -> Path:
    """The one config in the store's folder that has the function of the store.

    Raises
    ------
    OptionError
        If there is none, or more than one.
    """
    function = _named(stored)
    found = []
    for path in sorted(stored.path.resolve().parent.iterdir()):
        if path.suffix.lower() in PARSERS:
            try:
                config = read_config(path)
            except ConfigError:
                continue
            if config.experiment.function == function and _may_be_of(config, path, stored):
                found.append(path)
    if len(found) == 1:
        return found[0]
    there = f"there is no config with it beside the store, {stored.path.resolve().parent}"
    if found:
        there = f"more than one config has it: {listing(path.name for path in found)}"
    option = f", or --function {function}" if is_module_attribute(function) else ""
    raise OptionError(
        f"{stored.path}: this store says that its function is {function}, which is not imported "
        f"for that alone, and {there}. If you know that code, name it: --config FILE{option}."
    )


def _may_be_of(config: Config, path: Path, stored: StoredExperiment) -> bool:
    """Whether the config keeps its cells in this store, or says nothing of one."""
    if config.store is None:
        return True
    return (path.parent / config.store).resolve() == stored.path.resolve()


def _of_config(
    stored: StoredExperiment, condition: str, path: Path, accept_changes: bool
) -> Experiment:
    config = read_config(path)
    function = find_function(config.experiment.function, path.resolve().parent)
    theirs = stored.identity["conditions"][condition]
    ours = (config.conditions or {}).get(condition)
    changes = []
    if ours is not None and ours != theirs:
        changes = [f"condition {condition!r}: {theirs!r:.200}, in {path.name} {ours!r:.200}"]
    return _experiment(stored, condition, function, changes, accept_changes)


def _experiment(
    stored: StoredExperiment,
    condition: str,
    function: Callable[..., Any],
    changes: list[str],
    accept_changes: bool,
) -> Experiment:
    """The cell's experiment, if the function is what the store's cells ran.

    Raises
    ------
    StoreMismatchError
        If it is not, and changes are not accepted.
    """
    identity = stored.identity
    parameters = identity["conditions"][condition]
    experiment = Experiment(
        function,
        {condition: parameters},
        seed=identity["seed"],
        seed_rule=identity.get("seed_rule", "numpy"),
        # Those that the condition does not give say nothing of its streams.
        streams=[name for name in identity.get("streams", ()) if name in parameters],
        name=identity["name"],
    )
    then = stored.latest.only([condition])
    now = Generation.now(experiment.spec, identity)
    changes = [*changes, *then.changes(now)]
    if changes and not accept_changes:
        raise StoreMismatchError(
            f"{stored.path}: this is not what the store's cells ran:\n"
            + "\n".join(f"  - {change}" for change in changes)
            + "\nIf it is what you want to run, say so: --accept-changes."
        )
    for change in changes + then.versions(now):
        say(f"Warning: since the store was made: {change}", err=True)
    return experiment


def _named(stored: StoredExperiment) -> str:
    return f"{stored.identity['module']}:{stored.identity['function']}"
