"""``crystallize plan``, ``run --dry-run`` and ``[until]`` of a config."""

import json

import pytest

from crystallize.description.config import read_config
from crystallize.errors import ConfigError

CONFIG = """
[experiment]
function = "study_of_plans:trial"
seed = 3
[conditions.a]
shift = 0
[conditions.b]
shift = 1
[until]
metric = "late"
half_width = 0.08
"""
SOURCE = """
def trial(rng, shift):
    x = rng.normal() + shift
    return {"x": x, "late": bool(x > 1)}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "study_of_plans.py").write_text(SOURCE)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def answer(in_process):
    def call(*arguments):
        done = in_process(*arguments)
        return done.exit_code, done.stdout, done.stderr

    return call


def test_a_plan_as_a_table_and_as_data(config, answer):
    code, out, _ = answer("plan", config, "--pilot", 20, "--strategy", "serial")
    assert code == 0
    assert "for_until" in out
    given = ("--set", "experiment.replicates=500", "--mcse", 0.01, "--metric", "late", "--json")
    code, out, _ = answer("plan", config, "--pilot", 20, "--strategy", "serial", *given)
    content = json.loads(out)
    assert code == 0
    assert content["pilot"] == 20
    assert all(row["metric"] == "late" for row in content["metrics"])
    needed = [row["for_mcse"] for row in (*content["metrics"], *content["comparisons"])]
    assert content["replicates"] == {"a": max(needed), "b": max(needed)}


def test_what_cannot_be_planned_is_refused(config, answer):
    for given, message in (
        (("--metric", "lat"), "Did you mean 'late'?"),
        (("--pilot", 1), "pilot: expected a whole number, 2 or more"),
        (("--strategy", "seril"), "Did you mean 'serial'?"),
    ):
        code, out, err = answer("plan", config, *given)
        assert (code, out) == (2, "")
        assert message in err


def test_a_dry_run(config, tmp_path, answer):
    store = tmp_path / "cells.db"
    code, out, _ = answer("run", config, "--dry-run", "--store", store)
    assert code == 0
    assert "mean of late ± 0.08, 100 to 100000 replicates" in out
    assert out.endswith("Nothing was run.\n")
    assert not store.exists()
    code, out, _ = answer("run", config, "--dry-run", "--json", "--replicates", 40)
    assert code == 0
    assert json.loads(out)["conditions"] == {"a": 40, "b": 40}
    assert json.loads(out)["until"] == []


def test_until_in_a_config_runs_and_resumes_with_more_precision(config, tmp_path, answer):
    store = tmp_path / "cells.db"
    code, out, _ = answer("run", config, "--store", store, "--json")
    assert code == 0
    rough = json.loads(out)["provenance"]["replicates"]
    finer = ("--set", "until.half_width=0.05")
    code, out, err = answer("run", config, "--store", store, "--json", *finer)
    assert code == 0
    assert json.loads(out)["provenance"]["replicates"] > rough
    assert "were in the store" in err
    rows = json.loads(out)["sections"]["until"]
    assert [row["reached"] for row in rows] == [True, True]
    code, out, _ = answer("show", store)
    sizes = sorted(
        {
            len(v["late"])
            for v in metrics_of(answer("run", config, "--store", store, "--json", *finer))
        }
    )
    assert f"replicates  {' to '.join(map(str, sizes))}" in out


def metrics_of(done):
    return json.loads(done[1])["metrics"].values()


def test_a_number_that_is_given_is_instead_of_until(config, answer):
    code, out, _ = answer("run", config, "--json", "--replicates", 20)
    assert code == 0
    assert json.loads(out)["provenance"]["replicates"] == 20
    read = read_config(config, ["experiment.replicates=7"])
    assert read.experiment.values["replicates"] == 7
    config.write_text(CONFIG.replace("seed = 3", "replicates = 9").partition("[until]")[0])
    read = read_config(config, ["until.metric=x", "until.half_width=1"])
    assert read.experiment.values["replicates"][0].metric == "x"


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("[until]\nmetric = 'x'", "until.half_width, until.relative: give one or the other"),
        ("[until]\nhalf_width = 1", "until.metric: missing"),
        ("[until]\nmetric = 'x'\nwidth = 1", "until.width: 'width' is not among the keys"),
        ("[until]\nmetric = 'x'\nhalf_width = -1", "until.half_width: expected a number above 0"),
        (
            "[[until]]\nmetric = 'x'\nhalf_width = 1\n[[until]]\nmetric = 5\nhalf_width = 1",
            r"until\[1\].metric: expected a name",
        ),
        (
            "[[until]]\nmetric = 'x'\nhalf_width = 1\n"
            "[[until]]\nmetric = 'y'\nhalf_width = 1\nat_most = 300",
            "at_most is that of the whole run",
        ),
        ("until = 5", "until: expected a mapping"),
    ],
)
def test_what_until_cannot_be_is_refused(config, until, message):
    head = CONFIG.partition("[until]")[0]
    config.write_text(f"{until}\n{head}" if until[0] != "[" else head + until)
    with pytest.raises(ConfigError, match=message):
        read_config(config)


def test_replicates_and_until_together_are_refused(config):
    config.write_text(CONFIG.replace("seed = 3", "replicates = 30"))
    with pytest.raises(ConfigError, match=r"experiment\.replicates, until: give one or the other"):
        read_config(config)
