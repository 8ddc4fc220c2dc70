"""The reports of the examples, which the gallery shows and the tests open in a browser."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crystallize import Experiment, Result

RANK = {"differences": 0, "curve": 1, "performance": 2, "estimates": 3}
FOLDER = Path(__file__).parents[2] / "examples"


def write_reports(into: Path, *, quick: bool) -> dict[str, str]:
    """Run each example, and write its report into the folder of its name.

    Returns
    -------
    dict
        Of each a picture, as it stands in a page.
    """
    pictures = {}
    for name, run in EXAMPLES.items():
        result = run(quick)
        folder = into / name
        folder.mkdir(parents=True, exist_ok=True)
        result.export(folder / "report.html")
        pictures[name] = picture(name, result)
    return pictures


def picture(example: str, result: Result) -> str:
    """The figure that says most of a result; its name is no other example's."""
    from crystallize_report.figures import fitting, svg  # Matplotlib, which pages do not need.

    figures = fitting(result)
    drawn = min(figures, key=lambda one: RANK.get(one.name.partition("-")[0], len(RANK)))
    drawn.name = f"{example}-{drawn.name}"
    return svg(drawn)


def classifiers(quick: bool) -> Result:
    options = {"execution": "serial"} if quick else {}
    return from_config("classifiers/conclusion.toml", 5 if quick else 200, **options)


def survival(quick: bool) -> Result:
    return from_config("survival/experiment.toml", 40 if quick else 1600)


def coverage(quick: bool) -> Result:
    return from_config("coverage/experiment.toml", 200 if quick else 10_000)


def async_http(quick: bool) -> Result:
    server = imported("async_http", "main")
    with server.Server() as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        os.environ["FLAKY_SERVER_PORT"] = str(listening.server_port)
        try:
            return from_config("async_http/experiment.toml", 50 if quick else 300)
        finally:
            listening.shutdown()


def custom_plugin(quick: bool) -> Result:
    """With the plugin as an object, so that it need not be installed."""
    plugin = imported("custom_plugin/src", "crystallize_shuffled")
    return from_config(
        "custom_plugin/experiment.toml",
        100 if quick else 400,
        execution=plugin.ShuffledExecution(),
        aggregators=[plugin.Spread(probabilities=[0.05, 0.5, 0.95])],
    )


def calibration(quick: bool) -> Result:
    module = imported("calibration", "calibration")
    return Experiment(
        module.trial,
        module.CONDITIONS,
        name="calibration",
        replicates=10 if quick else 1000,
        seed=12,
        aggregators=["estimate"],
    ).run()


def notebook(quick: bool) -> Result:
    """What the cells of the notebook leave behind, all of them, for they take no time."""
    written = json.loads((FOLDER / "notebook" / "first_look.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in written["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    result: Result = names["result"]
    return result


EXAMPLES: dict[str, Callable[[bool], Result]] = {
    "classifiers": classifiers,
    "survival": survival,
    "coverage": coverage,
    "async_http": async_http,
    "custom_plugin": custom_plugin,
    "calibration": calibration,
    "notebook": notebook,
}


def from_config(config: str, replicates: int, **options: Any) -> Result:
    return Experiment.from_config(FOLDER / config, replicates=replicates, **options).run()


def imported(folder: str, module: str) -> Any:
    """A module of an example, which is looked up beside it."""
    sys.path.insert(0, str(FOLDER / folder))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.pop(0)
