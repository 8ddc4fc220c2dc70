"""``crystallize verify``: whether a config's experiment gives the same numbers everywhere."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from crystallize.checks import Faults, not_negative, optional
from crystallize.cli.overriding import set_option
from crystallize.cli.streams import print_answer, say, stdout_kept_clean
from crystallize.description.config import read_config
from crystallize.description.from_config import all_arguments
from crystallize.description.spec import RULES
from crystallize.experiments.experiment import Experiment
from crystallize.located import FromFile
from crystallize.verification.certificate import Certificate
from crystallize.verification.study import Study

NOT_THE_SAME = 1
REPLICATES = 10


@click.command("verify")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--replicates",
    type=int,
    help=f"How many, from the first on: {REPLICATES} if not given; with --against, all of them.",
)
@click.option(
    "--strategy",
    "strategies",
    metavar="NAME",
    multiple=True,
    help="Try this one instead of all that are installed; may be given more than once.",
)
@click.option(
    "--against",
    metavar="RESULT_OR_STORE",
    type=click.Path(path_type=Path),
    help="Run a study again that somebody saved, and compare with it.",
)
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    help="By how much two numbers may differ, or by which share of the larger.",
)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print the certificate as JSON alone.")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    replicates: int | None,
    strategies: tuple[str, ...],
    against: Path | None,
    tolerance: float,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run the first replicates of CONFIG in every way there is, and compare every byte.

    That is twice under the config's strategy, under every installed one that takes the
    function, with other numbers of workers, and under other values of PYTHONHASHSEED.
    Nothing is kept.  Exit codes: 0 the same everywhere; 1 not the same; 2 a wrong call or
    config, or nothing could be run; 130 and 143 interrupted.
    """
    try:
        with stdout_kept_clean():
            faults = Faults()
            faults(optional(RULES["replicates"]), "--replicates", replicates)
            faults(not_negative, "--tolerance", tolerance)
            faults.raise_any()
            certificate = _certificate(
                config, replicates, strategies, against, tolerance, overrides
            )
    except KeyboardInterrupt as error:
        say("Interrupted.", err=True)
        ctx.exit(128 + getattr(error, "signum", signal.SIGINT))
    content = certificate.to_dict()
    print_answer(json.dumps(content, allow_nan=False, indent=2) if as_json else str(certificate))
    ctx.exit(0 if certificate.same else NOT_THE_SAME)


def _certificate(
    path: Path,
    replicates: int | None,
    strategies: tuple[str, ...],
    against: Path | None,
    tolerance: float,
    overrides: tuple[str, ...],
) -> Certificate:
    config = read_config(path, overrides)
    beside = path.resolve().parent
    arguments = all_arguments(config, beside)
    if against is not None and arguments["seed"] is None:
        theirs = Study(against).result
        arguments = {"seed_rule": theirs.seed_rule} | arguments | {"seed": theirs.root}
    experiment = Experiment(**arguments)
    return experiment.verify(
        [FromFile(name, beside) for name in strategies] or None,
        REPLICATES if replicates is None and against is None else replicates,
        against=against,
        tolerance=tolerance,
    )
