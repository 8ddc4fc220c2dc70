"""The strategy ``futures`` on MPI: real ranks, started as users start them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.mpi]  # the first keeps them out of quick runs

SECONDS = 120
RANKS = 2

FUNCTION = """
import os
from crystallize import Experiment


def trial(rng, replicate):
    if replicate == 7:
        raise LookupError("seven")
    return {"x": rng.random(), "pid": float(os.getpid())}


def compare(result):
    serial = Experiment(trial, replicates=200, seed=1).run()
    assert [error.replicate for error in result.errors] == [7], result.errors
    x = result.metrics["baseline"]["x"]
    assert x.tobytes() == serial.metrics["baseline"]["x"].tobytes()
    pids = set(result.metrics["baseline"]["pid"][8:])
    assert pids and os.getpid() not in pids, pids
    print("the same bytes", len(pids), flush=True)

"""

BY_NAME = (
    FUNCTION
    + """
options = {"factory": "mpi4py.futures:MPIPoolExecutor", "workers": 1, "worker_type": "remote"}
if __name__ == "__main__":
    for _ in range(2):
        experiment = Experiment(
            trial, replicates=200, seed=1, execution="futures", execution_options=options
        )
        compare(experiment.run())
"""
)

GIVEN = (
    FUNCTION
    + """
from mpi4py.futures import MPICommExecutor
from crystallize.plugins.execution import FactoryExecution

if __name__ == "__main__":
    with MPICommExecutor() as pool:
        if pool is not None:  # on the one rank that drives
            execution = FactoryExecution(pool, workers=1, worker_type="remote")
            for _ in range(2):
                compare(Experiment(trial, replicates=200, seed=1, execution=execution).run())
"""
)

CONFIG = """
[experiment]
function = "mine:trial"
replicates = 50
seed = 1

[execution]
strategy = "futures"
factory = "mpi4py.futures:MPIPoolExecutor"
workers = 1
worker_type = "remote"
"""


def mpiexec(folder: Path, *arguments: str) -> str:
    """What a program prints on so many ranks."""
    command = shutil.which("mpiexec")
    assert command, "there is no mpiexec: install Open MPI or MPICH (Debian's openmpi-bin)"
    version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout
    options = ["--allow-run-as-root", "--oversubscribe"] if "Open" in version else []
    done = subprocess.run(
        [command, *options, "-n", str(RANKS), sys.executable, "-W", "error", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_pool_of_ranks_by_name_gives_the_bytes_of_a_serial_run(tmp_path):
    (tmp_path / "program.py").write_text(BY_NAME)
    printed = mpiexec(tmp_path, "-m", "mpi4py.futures", "program.py")
    assert printed.splitlines() == ["the same bytes 1"] * 2


def test_the_communicator_of_a_program_is_used_and_left_open(tmp_path):
    (tmp_path / "program.py").write_text(GIVEN)
    assert mpiexec(tmp_path, "program.py").splitlines() == ["the same bytes 1"] * 2


def test_the_command_runs_a_config_on_ranks(tmp_path):
    (tmp_path / "mine.py").write_text("def trial(rng):\n    return rng.random()\n")
    (tmp_path / "experiment.toml").write_text(CONFIG)
    run = ("run", "experiment.toml", "--json")
    printed = mpiexec(tmp_path, "-m", "mpi4py.futures", "-m", "crystallize", *run)

    serial = subprocess.run(
        [sys.executable, "-m", "crystallize", *run, "--execution", "serial"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert serial.returncode == 0, serial.stderr
    assert json.loads(printed)["metrics"] == json.loads(serial.stdout)["metrics"]
