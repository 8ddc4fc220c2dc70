"""``crystallize plan``: a pilot, and how many replicates it takes to know enough."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from crystallize.cells.plain import json_data
from crystallize.cli.overriding import set_option
from crystallize.cli.streams import print_answer, say, stdout_kept_clean
from crystallize.description.config import read_config
from crystallize.description.from_config import all_arguments
from crystallize.experiments.experiment import Experiment
from crystallize.located import FromFile


@click.command("plan")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--pilot", type=int, default=50, help="Replicates of the pilot: 50 if not given.")
@click.option("--mcse", type=float, help="The Monte Carlo standard error that is wanted.")
@click.option("--half-width", type=float, help="Half the width of an interval that is wanted.")
@click.option("--difference", type=float, help="A difference from the baseline to be found.")
@click.option("--power", type=float, default=0.8, help="With this power: 0.8 if not given.")
@click.option("--alpha", type=float, default=0.05, help="0.05 if not given.")
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="Plan for this one instead of all; may be given more than once.",
)
@click.option(
    "--strategy",
    "strategies",
    metavar="NAME",
    multiple=True,
    help="Beside the config's, time this one instead of all that are installed.",
)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON alone.")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    pilot: int,
    mcse: float | None,
    half_width: float | None,
    difference: float | None,
    power: float,
    alpha: float,
    metrics: tuple[str, ...],
    strategies: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a pilot of CONFIG, and say how many replicates it takes to know enough.

    That is for each metric, and for each condition's difference from the baseline: for a Monte
    Carlo standard error, half the width of an interval, or a difference that is to be found
    with some power; without any of these, what the config's replicates would tell.  And how
    long that takes here, under each strategy that is installed, and how much memory and store.
    Nothing is kept.
    """
    try:
        with stdout_kept_clean():
            read = read_config(config, overrides)
            beside = config.resolve().parent
            experiment = Experiment(**all_arguments(read, beside))
            made = experiment.plan(
                pilot,
                mcse=mcse,
                half_width=half_width,
                difference=difference,
                power=power,
                alpha=alpha,
                metrics=metrics,
                strategies=[FromFile(name, beside) for name in strategies] or None,
            )
    except KeyboardInterrupt as error:
        say("Interrupted.", err=True)
        ctx.exit(128 + getattr(error, "signum", signal.SIGINT))
    content = json_data(made.to_dict())
    print_answer(json.dumps(content, allow_nan=False, indent=2) if as_json else str(made))
