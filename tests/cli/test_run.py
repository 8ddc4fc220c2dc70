"""``crystallize run``, as a user calls it."""

import json
import os
import signal
import subprocess
import sys

import pytest

CONFIG = """
[experiment]
name = "cli"
function = "cli_trials:trial"
replicates = 6
seed = 3
[conditions.a]
shift = 0.0
[conditions.b]
shift = 1.0
[execution]
strategy = "parallel"
max_workers = 2
"""
TRIALS = """
import time
def trial(rng, shift):
    return {"x": rng.random() + shift}
def fails(replicate, shift):
    if replicate == 2 and shift:
        raise ValueError("two")
    return {"x": replicate}
def prints(shift):
    print("from the function")
    return 1.0
def slow(replicate, shift):
    if replicate == 3:
        print("waiting", flush=True)
        for _ in range(1200):
            time.sleep(0.05)
    return replicate
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "cli_trials.py").write_text(TRIALS)
    path = tmp_path / "experiment.toml"
    path.write_text(CONFIG)
    return path


def test_the_table_is_on_stdout_and_nothing_else(crystallize, config):
    done = crystallize("run", config)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["condition", "shift", "metric"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "b"]
    assert done.stderr == ""


def test_json_alone_is_on_stdout(crystallize, config):
    done = crystallize("run", config, "--json")
    content = json.loads(done.stdout)
    names = {
        "metrics",
        "factors",
        "seeds",
        "errors",
        "warnings",
        "summary",
        "sections",
        "provenance",
    }
    assert set(content) == names
    assert len(content["metrics"]["a"]["x"]) == 6
    assert content["provenance"]["execution"]["strategy"] == "parallel"


def test_overrides(crystallize, config):
    done = crystallize(
        "run", config, "--json", "--replicates", 2, "--seed", 8, "--set", "experiment.name=other"
    )
    content = json.loads(done.stdout)
    assert len(content["seeds"]) == 2
    assert content["provenance"]["seed"]["root"] == 8
    assert content["provenance"]["experiment"] == "other"


def test_another_strategy_takes_none_of_the_files_options(crystallize, config):
    serial = json.loads(crystallize("run", config, "--json", "--execution", "serial").stdout)
    assert serial["provenance"]["execution"]["strategy"] == "serial"
    assert serial["provenance"]["execution"]["options"] == {}
    same = json.loads(crystallize("run", config, "--json", "--execution", "parallel").stdout)
    assert same["provenance"]["execution"]["options"] == {"max_workers": 2}
    assert same["metrics"] == serial["metrics"]


def test_options_that_are_set_go_with_the_strategy_that_is_named(crystallize, config):
    of_async = CONFIG.replace("parallel", "async").replace("max_workers", "max_concurrency")
    config.write_text(of_async)
    done = crystallize(
        "run", config, "--json", "--execution", "parallel", "--set", "execution.max_workers=3"
    )
    used = json.loads(done.stdout)["provenance"]["execution"]
    assert (used["strategy"], used["options"]) == ("parallel", {"max_workers": 3})


def test_a_store_that_is_given_replaces_the_files(crystallize, config, tmp_path):
    config.write_text(config.read_text() + "[store]\npath = 'of_the_file.db'\n")
    assert crystallize("run", config, "--store", "given.db", cwd=tmp_path).returncode == 0
    assert crystallize("run", config, "--set", "store=").returncode == 0
    assert [path.name for path in tmp_path.glob("*.db")] == ["given.db"]


def test_a_condition_can_be_left_out(crystallize, config):
    done = crystallize("run", config, "--json", "--set", "conditions.b=")
    assert list(json.loads(done.stdout)["metrics"]) == ["a"]


def test_failed_cells_exit_with_one_and_the_result_is_printed(crystallize, config):
    done = crystallize("run", config, "--set", "experiment.function=cli_trials:fails")
    assert done.returncode == 1
    assert "1 cell failed" in done.stdout
    assert "Failed: condition 'b', replicate 2, seed " in done.stderr
    assert "ValueError: two" in done.stderr


def test_raising_exits_with_one_and_prints_what_finished(crystallize, config):
    done = crystallize(
        "run", config, "--json", "--execution", "serial",
        "--set", "experiment.function=cli_trials:fails", "--set", "experiment.on_error=raise",
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["metrics"]["b"]["x"][:3] == [0, 1, None]
    assert "Replicate 2 of condition 'b'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--execution", "serail"], "Did you mean 'serial'"),
        (["--set", "experiment.replicats=3"], "Did you mean 'replicates'"),
        (["--set", "experiment.function=cli_trials:trail"], "Did you mean 'trial'"),
        (["--set", "execution.max_worker=3"], "Did you mean 'max_workers'"),
        (["--set", "execution.executor_type=fork"], "executor_type"),
        (["--set", "aggregation.aggregators=['none']"], "no aggregator 'none'"),
        (["--replicates", "0"], "--replicates: expected a whole number, 1 or more, got 0."),
        (["--replicates", "many"], "--replicates"),
        (["--seed", "-1"], "--seed: expected a whole number, 0 or more, got -1."),
        (["--seed", "-1", "--replicates", "0"], "2 values cannot be used:"),
        (["--exection", "serial"], "--exec"),
        (["--execution", ""], "--execution: expected a name"),
        (["--execution", "serial", "--set", "execution.max_workers=8"], "no option 'max_workers'"),
        (["--execution", "parallel", "--set", "execution.bogus=1"], "no option 'bogus'"),
        (["--set", "conditions.A.shift=1"], "Did you mean 'a'?"),
        (["--set", "conditions.a.shift=None"], "to unset it write --set conditions.a.shift="),
        (["--set", "conditions.a.shfit=1"], "gives 'shfit', which trial does not take"),
        (["--seed", "1", "--set", "experiment.seed=2"], "both say what experiment.seed is"),
        (["--replicates", "1", "--set", "experiment.replicates="], "both say what experiment"),
        (["--store", "s.db", "--set", "store.path=t.db"], "both say what store.path is"),
        (["--execution", "serial", "--set", "execution={}"], "both say what execution.strategy"),
        (["--retry-failed"], "--retry-failed goes with a store"),
        (["--accept-changes"], "--accept-changes goes with a store"),
    ],
)
def test_a_wrong_call_exits_with_two_and_no_traceback(crystallize, config, arguments, message):
    done = crystallize("run", config, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_config_exits_with_two(crystallize, tmp_path):
    done = crystallize("run", tmp_path / "none.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file" in done.stderr


def test_an_unknown_command_exits_with_two(crystallize):
    assert crystallize("rnu").returncode == 2


def test_a_closed_pipe_is_no_traceback(config):
    command = f"{sys.executable} -m crystallize run {config} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "override", ["execution.executor_type=thread", "execution.executor_type=process", None]
)
def test_ctrl_c_prints_what_finished_and_exits_with_130(start, config, override):
    strategy = ["--set", override] if override else ["--execution", "serial"]
    function = ["--set", "experiment.function=cli_trials:slow", "--replicates", "20"]
    command = [sys.executable, "-m", "crystallize", "run", config, "--json", *strategy, *function]
    running = start(*command, start_new_session=True)
    running.wait_for("waiting")
    running.send(signal.SIGINT, group=True)
    out = running.ended(code=130, timeout=10)
    assert "Interrupted" in running.err
    content = json.loads(out[out.index("{") :])
    kept = [(i, v) for i, v in enumerate(content["metrics"]["a"]["value"]) if v is not None]
    if override != "execution.executor_type=process":  # of which the first may start last
        assert kept[0] == (0, 0)
    assert all(value == i for i, value in kept)
    assert 0 < len(kept) < 20
    assert content["errors"] == []


def test_a_result_of_another_kind_is_refused_without_a_traceback(crystallize, config):
    folder = config.parent
    info = folder / "odd_aggregator-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-aggregator\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crystallize.aggregators]\nodd = odd_aggregator:Odd\n")
    (folder / "odd_aggregator.py").write_text(
        "from crystallize import hookimpl\nclass Odd:\n    @hookimpl\n"
        "    def aggregate_results(self):\n        return {'anything': 1}\n"
    )
    done = crystallize(
        "run",
        config,
        "--set",
        "aggregation.aggregators=['odd']",
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.returncode == 2
    assert "replaced the result by a dict" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_number_of_replicates_is_every_conditions(crystallize, config):
    own = ("--set", "conditions.b.replicates=2")
    counted = crystallize("run", config, *own, "--json")
    assert [len(own["x"]) for own in json.loads(counted.stdout)["metrics"].values()] == [6, 2]
    config.write_text(CONFIG.replace("shift = 1.0", "shift = 1.0\nreplicates = 2"))
    counted = crystallize("run", config, "--replicates", "4", "--json")
    assert [len(own["x"]) for own in json.loads(counted.stdout)["metrics"].values()] == [4, 4]
    planned = crystallize("run", config, "--dry-run")
    assert "a (6), b (2)" in planned.stdout


def test_a_time_limit_is_said_with_how_to_go_on(crystallize, config, tmp_path):
    naps = "def naps(rng, shift):\n    time.sleep(0.01)\n    return rng.random()\n"
    (tmp_path / "cli_trials.py").write_text(TRIALS + naps)
    wanted = ("--set", "experiment.function=cli_trials:naps", "--replicates", "500")
    cut = crystallize("run", config, *wanted, "--time-limit", "0.2s")
    assert cut.returncode == 0
    assert cut.stdout.startswith("condition")
    assert "Stopped: the time limit of 0.2 s was over; " in cut.stderr
    assert " of 1000 cells are done. With --store FILE what is computed is kept." in cut.stderr
    wrong = crystallize("run", config, "--time-limit", "soon")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--time-limit: expected seconds above 0, or text as in '90s'" in wrong.stderr


def test_help_and_version(crystallize):
    assert "run" in crystallize("--help").stdout
    assert crystallize("--version").stdout.startswith("crystallize 0.")
    assert "--replicates" in crystallize("run", "--help").stdout


def test_conditions_are_chosen_by_name_or_pattern(crystallize, config, tmp_path):
    store = tmp_path / "cells.db"
    done = crystallize("run", config, "--condition", "b", "--store", store)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["b"]
    rest = crystallize("run", config, "--condition", "[ab]", "--store", store)
    assert [line.split()[0] for line in rest.stdout.splitlines()[1:]] == ["a", "b"]
    assert "Resumed: 6 of 12 cells" in rest.stderr
    whole = json.loads(crystallize("run", config, "--json").stdout)["metrics"]
    assert (
        json.loads(crystallize("run", config, "--store", store, "--json").stdout)["metrics"]
        == whole
    )


def test_a_baseline_that_is_left_out_is_said(crystallize, config):
    with config.open("a") as file:
        file.write("[conditions.c]\nshift = 2.0\n")
    done = crystallize("run", config, "--condition", "b", "--condition", "c")
    assert done.returncode == 0
    assert "Baseline: 'b', since --condition leaves out 'a'." in done.stderr


def test_a_condition_that_is_not_there_is_refused(crystallize, config):
    done = crystallize("run", config, "--condition", "A*", "--condition", "aa")
    assert done.returncode == 2
    assert "--condition: 'A*' is not among the conditions" in done.stderr
    assert "Did you mean 'a'?" in done.stderr
