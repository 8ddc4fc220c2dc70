"""A config that extends another, several grids, and parameters that all conditions share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import Experiment
from crystallize.description.config import Config, read_config
from crystallize.description.extending import read_extended
from crystallize.errors import ConfigError

FUNCTION = '[experiment]\nfunction = "coverage:trial"\n'


def read(folder: Path, text: str, *overrides: str) -> Config:
    path = folder / "study.toml"
    path.write_text(text)
    return read_config(path, overrides)


def conditions(folder: Path, text: str, *overrides: str) -> Any:
    return read(folder, FUNCTION + text, *overrides).conditions


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value)


def test_all_conditions_have_the_parameters_that_are_shared(tmp_path):
    text = "[parameters]\nn = 40\nq = 1\n[conditions.a]\n[conditions.b]\nq = 2\n"
    assert conditions(tmp_path, text) == {"a": {"n": 40, "q": 1}, "b": {"n": 40, "q": 2}}
    assert conditions(tmp_path, text, "parameters.n=50")["b"] == {"n": 50, "q": 2}


def test_parameters_alone_are_one_condition(tmp_path):
    assert conditions(tmp_path, "[parameters]\nn = 40\n") == {"baseline": {"n": 40}}


def test_a_grid_has_the_shared_parameters_without_naming_them(tmp_path):
    text = "[parameters]\nq = 1\n[grid]\nn = [1, 2]\n"
    assert conditions(tmp_path, text) == {"n=1": {"q": 1, "n": 1}, "n=2": {"q": 1, "n": 2}}


def test_several_grids_are_the_conditions_of_all(tmp_path):
    text = "[[grid]]\nn = [1, 2]\n[[grid]]\nn = [2]\nm = [3]\n[[grid]]\nn = [2, 5]\n"
    assert list(conditions(tmp_path, text)) == ["n=1", "n=2", "n=2,m=3", "n=5"]


def test_a_grid_leaves_out_and_varies_together(tmp_path):
    text = "[grid]\nn = [10, 40]\np = [0.1, 0.5]\n"
    assert len(conditions(tmp_path, text + "exclude = [{ n = 10, p = 0.5 }]\n")) == 3
    assert list(conditions(tmp_path, text, 'grid.zip=["n", "p"]')) == ["n=10,p=0.1", "n=40,p=0.5"]


def test_a_sweep_is_given_in_the_shell(tmp_path):
    text = "[grid]\nn = [1]\n"
    assert list(conditions(tmp_path, text, "grid.n=[10, 40]")) == ["n=10", "n=40"]
    several = conditions(tmp_path, text, "grid=[{n=[1]}, {m=[2]}]")
    assert list(several) == ["n=1", "m=2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[grid]]\nn = [1]\n[[grid]]\nn = 2\n", "grid 2.n: expected a list of values"),
        ("[[grid]]\nn = [1]\n[[grid]]\nn = ['1']\n", "two conditions are named 'n=1'"),
        ("[grid]\nn = [1]\nexclude = [{ m = 1 }]\n", "grid.exclude: 'm' is not among"),
        ("[parameters]\nn = 1\n[grid]\n", "grid: expected a mapping"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(tmp_path, text, message):
    assert message in refused(tmp_path, FUNCTION + text)


class TestExtends:
    @pytest.fixture(autouse=True)
    def base(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        (tmp_path / "base.toml").write_text(
            '[experiment]\nfunction = "own_trials:trial"\nreplicates = 5\nseed = 1\n'
            "[conditions.a]\nx = 1\nlabel = 'base'\n[conditions.b]\nx = 2\n"
            "[execution]\nstrategy = 'parallel'\nmax_workers = 2\n"
        )

    def test_tables_are_merged_and_values_replaced(self):
        config = read(
            self.folder,
            'extends = "base.toml"\n[experiment]\nseed = 7\n[conditions.a]\nx = 10\n'
            "[conditions.c]\nx = 3\n",
        )
        assert config.experiment.values["seed"] == 7
        assert config.experiment.values["replicates"] == 5
        assert config.conditions == {"a": {"x": 10, "label": "base"}, "b": {"x": 2}, "c": {"x": 3}}
        assert type(config.conditions["a"]["label"]) is str
        assert dict(config.execution.options) == {"max_workers": 2}

    def test_a_grid_takes_the_place_of_conditions(self):
        config = read(self.folder, 'extends = "base.toml"\n[grid]\nx = [8]\n')
        assert config.conditions == {"x=8": {"x": 8}}

    def test_another_strategy_has_none_of_the_options(self):
        text = 'extends = "base.toml"\n[execution]\nstrategy = "async"\n'
        assert dict(read(self.folder, text).execution.options) == {}
        same = 'extends = "base.toml"\n[execution]\nexecutor_type = "process"\n'
        assert len(read(self.folder, same).execution.options) == 2

    def test_what_a_file_names_is_beside_that_file(self, monkeypatch):
        shared = self.folder / "shared"
        shared.mkdir()
        (shared / "own_trials.py").write_text("def trial(x=0, label=None):\n    return x\n")
        (self.folder / "base.toml").rename(shared / "base.toml")
        with (shared / "base.toml").open("a") as file:
            file.write("[store]\npath = 'cells.db'\n")
        (self.folder / "study.toml").write_text('extends = "shared/base.toml"\n')
        monkeypatch.chdir(self.folder)
        result = Experiment.from_config("study.toml").run()
        assert result.metrics["b"]["value"].tolist() == [2] * 5
        assert (shared / "cells.db").exists()

    def test_an_override_comes_after_both(self):
        text = 'extends = "base.toml"\n[experiment]\nseed = 7\n'
        config = read(self.folder, text, "experiment.seed=9", "conditions.b=")
        assert config.experiment.values["seed"] == 9
        assert list(config.conditions) == ["a"]

    def test_a_fault_is_said_to_be_in_the_file_that_has_it(self):
        (self.folder / "faulty.toml").write_text(
            'extends = "base.toml"\n[experiment]\nreplicates = "many"\n'
        )
        message = refused(self.folder, 'extends = "faulty.toml"\n[experiment]\nseed = -1\n')
        assert "faulty.toml: experiment.replicates: expected a whole number" in message
        assert "  - experiment.seed: expected" in message

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('extends = "study.toml"\n', "extends itself (study.toml -> study.toml)"),
            ('extends = "there.toml"\n', "extends: 'there.toml' is not there"),
            ("extends = 3\n", "extends: expected the path of another config, got 3"),
            ('extend = "base.toml"\n' + FUNCTION, "Did you mean 'extends'?"),
        ],
    )
    def test_what_cannot_be_extended_is_refused(self, text, message):
        assert message in refused(self.folder, text)

    def test_a_circle_is_named(self):
        (self.folder / "base.toml").write_text('extends = "study.toml"\n')
        message = refused(self.folder, 'extends = "base.toml"\n')
        assert "(study.toml -> base.toml -> study.toml)" in message

    def test_a_file_without_it_is_read_as_it_is(self):
        assert read_extended(self.folder / "base.toml").origins == []
