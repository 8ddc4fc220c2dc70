"""Progress, as it is shown."""

import subprocess
import sys

from crystallize import Experiment


def test_progress_is_shown_on_standard_error(capsys):
    def trial(replicate):
        return 1 / replicate

    Experiment(trial, replicates=5, progress=True, name="bars").run()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bars" in shown.err
    assert "5/5" in shown.err
    assert "failed=1" in shown.err


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
