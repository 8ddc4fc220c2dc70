"""A result for other programs: a data frame, and strict JSON."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd

from crystallize import Experiment
from crystallize.cells.outcome import CellError
from crystallize.results.exports import error_data, metric_data


def test_a_frame_has_a_row_for_each_cell(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (10, 10)
    wide = frame[frame.condition == "wide"].set_index("replicate")
    assert wide.x[4] == result.metrics["wide"]["x"][4]
    assert np.isnan(wide.x[2])
    assert list(frame)[:3] == ["condition", "replicate", "scale"]
    assert wide.scale.tolist() == [2.0] * 5


def test_the_dict_is_strict_json_with_null_where_a_cell_failed(result):
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(content) == [
        "metrics", "factors", "seeds", "errors", "warnings", "summary", "sections", "provenance",
    ]  # fmt: skip
    assert content["metrics"]["wide"]["x"][2] is None
    assert content["metrics"]["wide"]["x"][3] == result.metrics["wide"]["x"][3]
    assert content["metrics"]["narrow"]["n"] == [0, 1, 2, 3, 4]
    assert content["metrics"]["narrow"]["array"][3] == [3, 3]
    assert content["seeds"] == result.seeds
    (error,) = content["errors"]
    assert (error["condition"], error["replicate"], error["message"]) == ("wide", 2, "two <b>")


def test_to_json_writes_the_dict(result, tmp_path):
    result.to_json(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == result.to_dict()


def test_infinities_and_nan_are_values():
    values = [math.inf, 1.0, math.nan]
    result = Experiment(lambda replicate: values[replicate], replicates=3).run()
    assert result.errors == []
    listed = result.to_dict()["metrics"]["baseline"]["value"]
    assert listed == ["Infinity", 1.0, "NaN"]
    assert np.array(listed, dtype=float)[0] == math.inf


def test_a_cell_that_has_not_finished_is_null_whatever_its_place_holds():
    done = np.array([True, False, True])
    assert metric_data(np.array([1.5, 2.5, math.inf]), done) == [1.5, None, "Infinity"]
    assert metric_data(np.zeros((3, 2)), done) == [[0.0, 0.0], None, [0.0, 0.0]]


def test_an_error_keeps_all_its_fields():
    error = CellError("c", 3, 2**63, "ValueError", "no", "Traceback", 2)
    data = error_data(error)
    assert CellError(**json.loads(json.dumps(data))) == error


def test_a_run_and_its_summary_load_no_pandas():
    program = (
        "import sys\nfrom crystallize import Experiment\n"
        "repr(Experiment(lambda: 1.0).run())\nprint('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_metric_may_be_called_like_an_index_column():
    frame = Experiment(lambda: {"condition": 1.0, "replicate": 7.0}, replicates=2).run().to_frame()
    assert frame["replicate"].tolist() == [0, 1]
    assert frame["metric.replicate"].tolist() == [7.0, 7.0]
