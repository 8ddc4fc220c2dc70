"""The command and its workers hash texts alike, so that sets of them have one order everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults  # it takes long

STUDY = """
import sys
def trial(replicate):
    return {"order": "".join({"age", "income", "height", "weight"}), "hash": float(hash("a") % 997)}
"""
COMMANDS = {
    "module": ["-m", "crystallize"],
    "script": ["-c", "from crystallize.__main__ import command; command()"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.py").write_text(STUDY)
    (tmp_path / "c.toml").write_text(
        '[experiment]\nfunction = "study:trial"\nreplicates = 4\nseed = 1\n'
        '[execution]\nstrategy = "parallel"\nmax_workers = 2\nexecutor_type = "process"\n'
    )
    return tmp_path


def call(folder: Path, command: str, *arguments: str, seed: str | None = None) -> Any:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    if seed is not None:
        environment["PYTHONHASHSEED"] = seed
    return subprocess.run(
        [sys.executable, *COMMANDS[command], *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def run(folder: Path, command: str, seed: str | None = None) -> Any:
    return json.loads(call(folder, command, "run", "c.toml", "--json", seed=seed))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("seed", [None, "random"])
def test_where_the_hash_seed_is_random_the_command_fixes_it(
    folder: Path, command: str, seed: str | None
) -> None:
    printed = run(folder, command, seed)
    again = run(folder, command, seed)

    assert len(set(printed["metrics"]["baseline"]["hash"])) == 1
    assert printed["metrics"] == again["metrics"]
    assert printed["provenance"]["hash_seed"] == 0


def test_serial_and_process_have_one_order(folder: Path) -> None:
    (folder / "serial.toml").write_text((folder / "c.toml").read_text().split("[execution]")[0])
    serial = json.loads(call(folder, "module", "run", "serial.toml", "--json"))

    assert serial["metrics"] == run(folder, "module")["metrics"]


def test_a_hash_seed_of_the_users_own_is_kept(folder: Path) -> None:
    printed = run(folder, "module", "17")

    assert printed["provenance"]["hash_seed"] == 17
    assert printed["metrics"] != run(folder, "module", "0")["metrics"]


def test_a_replay_has_the_hash_seed_of_the_run(folder: Path) -> None:
    printed = json.loads(call(folder, "module", "run", "c.toml", "--json", "--store", "s.db"))

    replayed = call(folder, "module", "replay", "s.db", "--replicate", "2")

    assert repr(printed["metrics"]["baseline"]["order"][2]) in replayed
