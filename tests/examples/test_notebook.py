"""The notebook, executed by a kernel of its own, and what somebody would see in it."""

import json
import re
import subprocess
import sys

import pytest

from crystallize import Experiment, grid

EXECUTE = """
import sys, nbclient, nbformat
from jupyter_client.manager import AsyncKernelManager
notebook = nbformat.read(sys.argv[1], 4)
manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
nbclient.NotebookClient(notebook, km=manager, timeout=60).execute()
nbformat.write(notebook, sys.argv[2])
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def path(pytestconfig):
    return pytestconfig.rootpath / "examples" / "notebook" / "first_look.ipynb"


@pytest.fixture(scope="module")
def notebook(path, tmp_path_factory):
    executed = tmp_path_factory.mktemp("notebook") / "executed.ipynb"
    # The client leaves sockets for its interpreter to close, and their files in its folder.
    command = [sys.executable, "-c", EXECUTE, path, executed]
    subprocess.run(command, check=True, timeout=120, cwd=executed.parent)
    return json.loads(executed.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shown(notebook):
    """What each cell of code shows, by its source."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return {"".join(cell["source"]): cell["outputs"] for cell in cells}


def whole(lines):
    """A text, which files of notebooks keep by lines."""
    return "".join(lines)


def test_it_is_kept_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs")]


def test_it_shows_nothing_but_what_was_asked_for(shown):
    kinds = [[output["output_type"] for output in outputs] for outputs in shown.values()]
    result = "execute_result"
    assert kinds == [[], [result], ["display_data"], [result], [result]]


def test_an_experiment_shows_its_conditions(shown):
    source = next(source for source in shown if source.endswith("\nexperiment"))
    html = whole(shown[source][0]["data"]["text/html"])
    assert "skewed, seed 2001, parallel" in html
    assert html.count("<tr>") == 1 + 4
    for text in ("n=10,method=mean (baseline)", "40", "median", "500"):
        assert f">{text}</td>" in html


def test_progress_is_the_notebooks_own_bar(notebook, shown):
    assert WIDGET in shown["result = experiment.run()"][0]["data"]
    widgets = notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    states = [widget["state"] for widget in widgets.values()]
    [bar] = [state for state in states if state["_model_name"] == "FloatProgressModel"]
    assert (bar["value"], bar["max"], bar["bar_style"]) == (2000, 2000, "success")
    texts = [state["value"] for state in states if state["_model_name"] == "HTMLModel"]
    assert any("skewed" in text for text in texts)
    assert any("failed=6" in text for text in texts)


def test_a_result_shows_factors_pictures_and_failures(shown):
    html = whole(shown["result"][0]["data"]["text/html"])
    assert "<li>n: 10, 40</li><li>method: mean, median</li>" in html
    pictures = re.findall(r'<svg role="img" aria-label="([^"]+)"', html)
    assert len(pictures) == 2 * 4 * 2  # values and mean, of four conditions and two metrics
    assert pictures[0].startswith("500 values on a scale from ")
    assert "an outlier, which our instrument does not record" in html


def test_its_numbers_are_those_of_a_serial_run_elsewhere(shown):
    def trial(rng, n, method):
        sample = rng.exponential(size=n)
        if sample.max() > 9:
            raise ValueError
        centers = {"mean": sample.mean(), "median": sorted(sample)[n // 2 - 1 : n // 2 + 1]}
        center = sum(centers["median"]) / 2 if method == "median" else centers["mean"]
        return {"error": abs(center - 1.0), "too low": bool(center < 1.0)}

    sets = grid(n=[10, 40], method=["mean", "median"])
    here = Experiment(trial, sets, replicates=500, seed=2001).run()
    assert whole(shown["result"][0]["data"]["text/plain"]) == repr(here)
