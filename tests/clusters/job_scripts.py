"""The job scripts of docs/clusters.md on a real Slurm of one node: ``nox -s slurm`` runs this."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_node import Slurm, await_, slurm

from crystallize import Result
from crystallize.errors import StoreError
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
FENCE = re.compile(
    r"^```(?:toml|python|bash)\n((?:#!/bin/bash\n)?# ([\w.]+)\n.*?)^```$", re.M | re.S
)
SLOW = "\n    import os, time\n    time.sleep(float(os.environ.get('CELL_SECONDS', 0)))\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # Open MPI wants to be told that it may be started by who this session needs to be.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    with slurm(tmp_path_factory.mktemp("slurm"), environment) as started:
        yield started


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with the files of the page, with cells that can be slow."""
    for text, name in FENCE.findall(PAGE.read_text(encoding="utf-8")):
        if name == "intervals.py":
            text = text.replace("):\n", f"):{SLOW}", 1)
        (tmp_path / name).write_text(text)
    return tmp_path


def whole(study: Path) -> Result:
    subprocess.run(
        [sys.executable, "-m", "crystallize", "run", "coverage.toml", "--store", "whole.db"],
        cwd=study,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Result.from_store(study / "whole.db")


def log_of(study: Path, name: str) -> str:
    return (study / name).read_text(encoding="utf-8")


def test_an_array_of_which_a_task_was_killed_and_run_again_is_one_run(
    cluster: Slurm, study: Path
) -> None:
    expected = whole(study)
    job = cluster.submit("--export=ALL,CELL_SECONDS=0.02", "shards.sh", cwd=study)
    fourth = study / "coverage-4of10.db"
    await_(lambda: finished(fourth) > 0, "cells of task 4", 120)
    cluster.call("scancel", "--signal=KILL", "--full", f"{job}_4")
    codes = cluster.wait(job)
    killed = codes.pop("4")
    assert killed != "0", killed
    assert codes == {str(number): "0" for number in range(1, 11) if number != 4}
    assert 0 < finished(fourth) < 400
    said = log_of(study, "coverage-3.log")
    assert said.startswith("Shard 3/10 (SLURM_ARRAY_TASK_ID=3, SLURM_ARRAY_TASK_MIN=1,"), said

    again = cluster.submit("shards.sh", cwd=study)
    together = cluster.submit(f"--dependency=afterany:{again}", "together.sh", cwd=study)
    assert set(cluster.wait(together).values()) == {"0"}, log_of(study, "together.log")
    assert set(cluster.wait(again).values()) == {"0"}
    assert "Resumed: 400 of 400 cells" in log_of(study, "coverage-3.log")
    same_result(expected, Result.from_store(study / "coverage.db"))
    content = json.loads((study / "coverage.json").read_text())
    assert content["metrics"] == expected.to_dict()["metrics"]
    assert "Resumed: 4000 of 4000 cells" in log_of(study, "together.log")


def finished(store: Path) -> int:
    """How many cells are in a store, if there is one yet."""
    try:
        return sum(StoredExperiment(store).done.values())
    except StoreError:
        return 0


def test_a_task_before_its_time_limit_keeps_what_it_has(cluster: Slurm, study: Path) -> None:
    options = ("--export=ALL,CELL_SECONDS=0.1", "--array=1-2")
    job = cluster.submit(*options, "shards.sh", cwd=study)
    first = study / "coverage-1of2.db"
    await_(lambda: finished(first) > 0, "cells of task 1", 120)
    cluster.call("scancel", "--signal=TERM", "--batch", f"{job}_1")
    await_(lambda: not [line for line in cluster.running(job) if f"{job}_1 " in line], "its end")
    assert "Interrupted; this is what had finished" in log_of(study, "coverage-1.log")
    cluster.call("scancel", job)
    assert 0 < finished(first) < 2000


def test_a_task_that_is_submitted_alone_is_told_what_to_say(cluster: Slurm, study: Path) -> None:
    job = cluster.submit("--array=3", "shards.sh", cwd=study)
    assert cluster.wait(job) == {"3": "2"}
    assert 'Say of how many: "$SLURM_ARRAY_TASK_ID/N"' in log_of(study, "coverage-3.log")


def test_the_ranks_of_a_job_are_one_run(cluster: Slurm, study: Path) -> None:
    job = cluster.submit("ranks.sh", cwd=study)
    assert cluster.wait(job) == {"": "0"}, log_of(study, "ranks.log")
    same_result(whole(study), Result.from_store(study / "ranks.db"))
