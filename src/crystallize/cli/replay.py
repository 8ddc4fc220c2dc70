"""``crystallize replay``: one cell of a store's experiment, in this process."""

from __future__ import annotations

import pdb
import sys
import traceback
from pathlib import Path

import click

from crystallize.checks import known, whole_number
from crystallize.cli.refusal import refusing
from crystallize.cli.streams import say
from crystallize.description.lookup import find_function
from crystallize.errors import StoreError, listing
from crystallize.experiments.experiment import Experiment
from crystallize.store.generations import Generation
from crystallize.store.stored import StoredExperiment


@click.command("replay")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--replicate", required=True, type=int, help="Which replicate.")
@click.option("--condition", help="Which condition; the baseline if not given.")
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where it raises.")
@click.pass_context
def command(
    ctx: click.Context, store: Path, replicate: int, condition: str | None, debug: bool
) -> None:
    """Run one cell of the experiment in STORE here, with the same seed.

    Imports the experiment's function.  Prints what it returns, or its traceback
    with exit code 1; the store is not changed.
    """
    with refusing():
        replicate = whole_number("--replicate", replicate)
        experiment = _experiment(StoredExperiment(store), condition)
    try:
        say(repr(experiment.replay(replicate)))
    except Exception:
        traceback.print_exc()
        if debug:
            pdb.post_mortem(sys.exc_info()[2])
        ctx.exit(1)


def _experiment(stored: StoredExperiment, condition: str | None) -> Experiment:
    identity = stored.identity
    condition = identity["baseline"] if condition is None else condition
    known("--condition", condition, "condition", identity["conditions"])
    if opaque := identity["opaque"].get(condition):
        raise StoreError(
            f"{stored.path}: the parameters {listing(opaque)} of condition {condition!r} are not "
            "plain data, so the store has no more than a digest of them. Use Experiment.replay."
        )
    folder = Path(identity["file"]).parent if identity["file"] else Path.cwd()
    parameters = identity["conditions"][condition]
    function = find_function(f"{identity['module']}:{identity['function']}", folder)
    experiment = Experiment(
        function,
        {condition: parameters},
        seed=identity["seed"],
        seed_rule=identity.get("seed_rule", "numpy"),
        # Those that the condition does not give say nothing of its streams.
        streams=[name for name in identity.get("streams", ()) if name in parameters],
        name=identity["name"],
    )
    now = Generation.now(experiment.spec, identity)
    for change in stored.latest.changes(now) + stored.latest.versions(now):
        say(f"Warning: since the store was made: {change}", err=True)
    return experiment
