"""Paths at which no file can be: refused with the reason, whichever command is given them."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from crystallize.cli import main

TOO_LONG = "n" * 5_000
CONFIG = """
[experiment]
function = "{function}:trial"
replicates = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "trials.py").write_text("def trial(replicate):\n    return replicate / 2\n")
    (tmp_path / "config.toml").write_text(CONFIG.format(function="trials"))
    (tmp_path / "long.toml").write_text(CONFIG.format(function=TOO_LONG))
    for name, base in (("long_base", TOO_LONG), ("round_base", "round")):
        (tmp_path / f"{name}.toml").write_text(f'extends = "{base}.toml"\n')
    (tmp_path / "round.toml").symlink_to("back")
    (tmp_path / "round").symlink_to("back")
    (tmp_path / "back").symlink_to("round.toml")
    (tmp_path / "round.json").symlink_to("round.json")
    yield
    sys.modules.pop("trials", None)


@pytest.mark.parametrize("place", [TOO_LONG, "/".join(["n" * 200] * 40), "round", "round/x"])
@pytest.mark.parametrize(
    "command",
    [
        "run {}",
        "run {}.toml",
        "run config.toml --store {}",
        "run config.toml --from-merge {}",
        "run config.toml --from-merge cells.db --store {}",
        "run config.toml --seed 1 --shard 1/3 --store {}",
        "run config.toml --output {}.json",
        "run config.toml --output {}/x.json",
        "plan {}",
        "run config.toml --dry-run --store {}",
        "verify {}",
        "verify config.toml --against {}",
        "show {}",
        "check {}",
        "merge {} config.toml -o out.db",
        "merge cells.db cells.db -o {}",
        "copy {} out.db",
        "copy cells.db {}",
        "replay {} --replicate 1",
        "drop {} --failed",
    ],
)
def test_a_place_where_no_file_can_be_is_refused(command, place):
    call = CliRunner().invoke
    made = call(main, ["run", "config.toml", "--store", "cells.db"])
    assert made.exit_code == 0, made.output

    ended = call(main, command.format(place).split())

    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code in (2, 3)
    assert "Error: " in ended.output


@pytest.mark.parametrize("config", ["long.toml", "long_base.toml", "round_base.toml"])
def test_a_config_that_names_such_a_place_is_refused(config):
    ended = CliRunner().invoke(main, ["run", config])

    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.exit_code == 2
    assert "Error: " in ended.output
