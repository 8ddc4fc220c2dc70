"""*start*: whole processes, from nothing to their end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.plan import Plan
from benchmarks.timing import Row, Table, interleave, timed

ROUNDS_EACH, QUICK_ROUNDS_EACH = 3, 2
"""Processes vary more than loops: so many rounds for each that was asked for."""
PEER = ("crystallize-ml, import", "crystallize-ml, one replicate")
ONE_REPLICATE = "from crystallize import Experiment; Experiment(lambda: 0.5, replicates=1).run()"
PEER_REPLICATE = """
from crystallize import Experiment, data_source, pipeline_step

@data_source
def source(ctx):
    return 0

@pipeline_step()
def step(data, ctx):
    return data, {"value": 0.5}

Experiment.builder("start").datasource(source()).add_step(step()).replicates(1).build().run()
"""


def script() -> list[str]:
    """The command that the package installs."""
    found = shutil.which("crystallize", path=str(Path(sys.executable).parent))
    return [found] if found else [sys.executable, "-m", "crystallize"]


def commands() -> dict[str, list[str]]:
    """Name -> command."""
    python = sys.executable
    return {
        "python": [python, "-c", "pass"],
        "import crystallize": [python, "-c", "import crystallize"],
        "crystallize --help": [*script(), "--help"],
        "crystallize plugins": [*script(), "plugins"],
        "crystallize, one replicate": [python, "-c", ONE_REPLICATE],
        "import numpy": [python, "-c", "import numpy"],
        "import joblib": [python, "-c", "import joblib"],
        "import mpire": [python, "-c", "import mpire"],
    }


def peer_commands(peer: Peer, folder: Path) -> dict[str, list[str]]:
    """The same of crystallize-ml; its experiment is in a file, since it reads its source."""
    experiment = folder / "experiment.py"
    experiment.write_text(PEER_REPLICATE)
    python = str(peer.python)
    return {
        PEER[0]: [python, "-c", "import crystallize"],
        PEER[1]: [python, str(experiment)],
    }


def measure(plan: Plan, peer: Peer) -> Table:
    """Every command, in turn."""
    wanted = {name: line for name, line in commands().items() if plan.wants(name)}
    with tempfile.TemporaryDirectory() as scratch:
        if any(map(plan.wants, PEER)):
            try:
                peer.install()
                of_peer = peer_commands(peer, Path(scratch))
                wanted |= {name: line for name, line in of_peer.items() if plan.wants(name)}
            except PeerUnavailable as error:
                plan.leave_out(str(error))
        table: Table = {}
        runs = {}
        for name, line in wanted.items():
            run = partial(_run, line, Path(scratch))
            try:
                run()  # once untimed: what it reads is then in the disk's cache, and compiled
            except subprocess.CalledProcessError:
                plan.leave_out(f"{name} is left out: it does not run here.")
                continue
            table[name] = Row(1)
            runs[name] = partial(timed, run)
        each = QUICK_ROUNDS_EACH if plan.quick else ROUNDS_EACH
        return interleave(runs, table, plan.rounds * each)


def _run(line: list[str], folder: Path) -> None:
    # Where another crystallize is on the path, crystallize-ml would import that.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(line, check=True, capture_output=True, cwd=folder, env=environment)
