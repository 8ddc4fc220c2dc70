"""Progress, as it is shown: a bar on a terminal, elsewhere lines."""

import io
import os
import re
import subprocess
import sys

import pytest

from crystallize import Experiment, Until
from crystallize.errors import InvalidValueError

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d "


class Terminal(io.StringIO):
    def isatty(self):
        return True


def trial(replicate):
    return 1 / replicate


def test_on_a_terminal_there_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Terminal())
    Experiment(trial, replicates=5, progress=True, name="bars").run()
    shown = sys.stderr.getvalue()
    assert capsys.readouterr().out == ""
    assert "bars" in shown
    assert "5/5" in shown
    assert "failed=1" in shown


def test_elsewhere_there_is_a_line_at_the_end(capsys):
    Experiment(trial, replicates=5, progress=True, name="two\nlines").run()
    shown = capsys.readouterr()
    assert shown.out == ""
    line = STAMP + r"two\\nlines: 4 of 5 cells done, 1 failed, [\d.]+ cells/s, in 0:00:00\n"
    assert re.fullmatch(line, shown.err)


def test_a_line_is_due_every_so_many_seconds_and_stands_alone(monkeypatch, capsys):
    monkeypatch.setenv("CRYSTALLIZE_PROGRESS_SECONDS", "1e-6")

    def prints(replicate):
        print("cell", replicate)
        return replicate

    # Both to one place, as a job's output is.
    monkeypatch.setattr(sys, "stdout", sys.stderr)
    Experiment(prints, replicates=3000, progress=True, name="lines").run()
    lines = capsys.readouterr().err.splitlines()
    cells = [line for line in lines if line.startswith("cell ")]
    assert cells == [f"cell {replicate}" for replicate in range(3000)]
    progress = [line for line in lines if line not in set(cells)]
    pattern = STAMP + r"lines: \d+ of 3000 cells done, 0 failed, [\d.]+ cells/\w+, .*(left|in) ?.*"
    assert len(progress) > 1
    assert all(re.fullmatch(pattern, line) for line in progress)


def test_of_a_short_run_nothing_is_shown_where_only_long_ones_are(monkeypatch, capsys):
    Experiment(trial, replicates=5, progress="long").run()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CRYSTALLIZE_PROGRESS_SECONDS", "1e-6")
    Experiment(trial, replicates=5, progress="long").run()
    assert "4 of 5 cells done" in capsys.readouterr().err


def test_what_is_known_so_far_is_in_the_line(capsys):
    def draw(rng):
        return {"x": rng.normal()}

    until = Until("x", half_width=0.2, at_most=2000)
    Experiment(draw, replicates=until, seed=1, progress=True).run()
    assert re.search(r", x ±0\.\d+ of 0\.2\n", capsys.readouterr().err)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan"])
def test_an_interval_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv("CRYSTALLIZE_PROGRESS_SECONDS", given)
    with pytest.raises(InvalidValueError, match="CRYSTALLIZE_PROGRESS_SECONDS: expected a number"):
        Experiment(trial, replicates=5, progress=True).run()


def test_a_notebook_without_widgets_has_a_bar_of_text():
    program = """
import sys
sys.modules["ipywidgets"] = None  # as where it is not installed
import ipykernel.zmqshell  # by which tqdm knows a notebook
from crystallize import Experiment
Experiment(lambda replicate: 1.0, replicates=5, progress=True, name="bars").run()
"""
    command = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "5/5" in done.stderr
    assert "Warning" not in done.stderr


def test_lines_of_the_driver_and_of_workers_are_whole(tmp_path):
    (tmp_path / "prints.py").write_text(
        "import time\n"
        "def trial(replicate):\n"
        "    time.sleep(0.001)\n"
        "    print('cell', replicate, 'x' * 90)\n"
        "    return replicate\n"
    )
    (tmp_path / "prints.toml").write_text(
        "[experiment]\nfunction = 'prints:trial'\nreplicates = 500\nprogress = true\n"
        "[execution]\nstrategy = 'parallel'\nexecutor_type = 'process'\nmax_workers = 2\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", tmp_path / "prints.toml"],
        env=environment | {"CRYSTALLIZE_PROGRESS_SECONDS": "0.001"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    cells = [line for line in lines if re.fullmatch(r"cell \d+ x{90}", line)]
    assert len(cells) == len(set(cells)) == 500
    others = [line for line in lines if line not in set(cells)]
    assert others and all(re.match(STAMP + "trial: ", line) for line in others)
