"""How ``run`` and ``show`` show a result: by factors, and in a terminal's room."""

import os
import pty
import sys
from subprocess import Popen

import pytest

TRIALS = """
def trial(rng, n, method):
    return {"mean": rng.normal(size=n).mean(), "other": n}
"""
CONFIG = """
[experiment]
function = "table_trials:trial"
replicates = 4
seed = 3
[grid]
n = [10, 40]
method = ["a", "b"]
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "table_trials.py").write_text(TRIALS)
    path = tmp_path / "experiment.toml"
    path.write_text(CONFIG)
    return path


def on_terminal(*arguments, columns):
    """What the command writes on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24"}
    command = [sys.executable, "-m", "crystallize", *map(str, arguments)]
    with Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # on Linux the end of a terminal is an error
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 0
    return written.decode().replace("\r\n", "\n")


def test_run_and_show_have_the_same_table_by_factors(crystallize, config):
    store = config.with_name("s.db")
    ran = crystallize("run", config, "--store", store, "--by", "n", "--across", "method")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "mean (Monte Carlo standard error)"
    assert lines[1].split() == ["metric", "n", "a", "b"]
    assert [line.split()[:2] for line in lines[2:]] == [
        ["mean", "10"], ["mean", "40"], ["other", "10"], ["other", "40"],
    ]  # fmt: skip
    shown = crystallize("show", store, "--by", "n", "--across", "method")
    assert shown.stdout.endswith("\n\n" + ran.stdout)


def test_by_a_factor_alone_metrics_stand_across(crystallize, config):
    lines = crystallize("run", config, "--by", "n").stdout.splitlines()
    assert lines[1].split() == ["n", "method", "mean", "other"]


def test_a_name_that_is_no_factor_is_refused_before_the_first_replicate(crystallize, config):
    config.with_name("table_trials.py").write_text(TRIALS + "    raise SystemExit('ran')\n")
    done = crystallize("run", config, "--by", "methd")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--by: 'methd' is not among the factors. Did you mean 'method'?" in done.stderr
    done = crystallize("run", config, "--by", "n", "--json")
    assert done.returncode == 2
    assert "--json prints none" in done.stderr


def test_sections_are_shown_by_factors_too(crystallize, config):
    (config.parent / "table_sections.py").write_text(
        "from crystallize import hookimpl\n"
        "class Rows:\n"
        "    @hookimpl\n"
        "    def extend_result(self, result):\n"
        "        rows = [{'condition': c, 'measure': 'bias', 'value': 0.5, 'mcse': 0.1}\n"
        "                for c in result.conditions]\n"
        "        return {'performance': rows, 'plain': [{'a': 1.5}, {'a': 2.5}]}\n"
    )
    config.write_text(CONFIG + '[aggregation]\naggregators = ["table_sections:Rows"]\n')
    done = crystallize("run", config, "--across", "method")
    assert done.stdout.split("\n\n")[1:] == [
        "performance of bias\n n            a            b\n"
        "10  0.50 (0.10)  0.50 (0.10)\n40  0.50 (0.10)  0.50 (0.10)",
        "plain\n  a\n1.5\n2.5\n",
    ]


def test_a_terminal_shows_head_and_tail_and_is_not_too_narrow(crystallize, config):
    config.write_text(CONFIG.replace("[10, 40]", str(list(range(1, 41)))))
    shown = on_terminal("run", config, columns=50)
    lines = shown.splitlines()
    assert "… 100 rows more; --all shows them" in lines
    assert max(map(len, lines)) <= 50
    all_rows = on_terminal("run", config, "--all", columns=200)
    piped = crystallize("run", config).stdout
    assert all_rows == piped
    assert len(piped.splitlines()) == 161


def test_forty_conditions_fit_a_terminal_by_factors(config):
    config.write_text(CONFIG.replace("[10, 40]", str(list(range(1, 21)))))
    lines = on_terminal("run", config, "--by", "n", "--across", "method", columns=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 42
