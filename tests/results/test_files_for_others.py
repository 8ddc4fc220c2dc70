"""A result in files for other programs: nothing lost, nothing abbreviated, missing is missing."""

import csv
import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

from crystallize import Experiment, ExportError, grid

FACTORIAL = grid(n=[10, 40], method=["a", "b"])


def trial(rng, n, method):
    return {"x": rng.normal() + n, "flag": method == "a"}


def factorial(**options):
    return Experiment(trial, FACTORIAL, replicates=3, seed=1, **options).run()


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_has_every_digit_and_vectors_whole(tmp_path):
    def long(rng, replicate):
        if replicate == 1:
            raise ValueError
        return {"v": rng.normal(size=2000), "x": rng.normal(), "text": 'a "b",\nc', "nan": math.nan}

    result = Experiment(long, replicates=3, seed=1).run()
    result.to_csv(tmp_path / "r.csv")
    rows = rows_of(tmp_path / "r.csv")
    metrics = result.metrics["baseline"]
    assert list(rows[0]) == ["condition", "replicate", "v", "x", "text", "nan"]
    assert [row["replicate"] for row in rows] == ["0", "1", "2"]
    assert json.loads(rows[2]["v"]) == metrics["v"][2].tolist()
    assert float(rows[2]["x"]) == metrics["x"][2]
    assert (rows[0]["text"], rows[0]["nan"]) == ('a "b",\nc', "NaN")
    assert [rows[1][name] for name in ("v", "x", "text", "nan")] == [""] * 4


def test_csv_has_the_factors_and_tells_names_apart(tmp_path):
    result = Experiment(lambda n: {"n": n, "replicate": 7}, grid(n=[1, 2]), replicates=1).run()
    result.export(tmp_path / "r.csv")
    assert rows_of(tmp_path / "r.csv")[1] == {
        "condition": "n=2", "replicate": "0", "n": "2", "metric.n": "2", "metric.replicate": "7",
    }  # fmt: skip
    assert list(result.to_frame()) == list(rows_of(tmp_path / "r.csv")[0])


def test_csv_of_conditions_with_different_metrics_leaves_fields_empty(tmp_path):
    sets = {"a": {"name": "p"}, "b": {"name": "q"}}
    Experiment(lambda name: {name: 1.5}, sets).run().to_csv(tmp_path / "r.csv")
    assert [(row["p"], row["q"]) for row in rows_of(tmp_path / "r.csv")] == [
        ("1.5", ""),
        ("", "1.5"),
    ]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_parquet_and_arrow_have_types_and_nulls(result, tmp_path, ending):
    path = tmp_path / f"r.{ending}"
    result.export(path)
    table = pq.read_table(path) if ending == "parquet" else pa.ipc.open_file(path).read_all()
    assert table.column_names[:3] == ["condition", "replicate", "scale"]
    kinds = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert (kinds["x"], kinds["n"], kinds["odd"], kinds["name"]) == (
        "double", "double", "bool", "string",
    )  # fmt: skip
    assert kinds["array"].startswith("list<")
    rows = {(row["condition"], row["replicate"]): row for row in table.to_pylist()}
    failed = rows["wide", 2]
    assert {failed[name] for name in ("x", "n", "odd", "name", "array", "mixed")} == {None}
    for replicate in (0, 1, 3, 4):
        row = rows["wide", replicate]
        assert row["x"] == result.metrics["wide"]["x"][replicate]
        assert (row["n"], row["odd"], row["name"]) == (
            replicate,
            replicate % 2 == 1,
            f"r{replicate}",
        )
        assert row["array"] == [replicate] * 2
    assert json.loads(rows["narrow", 3]["mixed"]) == 2**70
    about = json.loads(table.schema.metadata[b"crystallize"])
    assert about["root"] == 1
    assert about["provenance"]["baseline"] == "narrow"


def test_a_nan_that_was_returned_is_no_null(tmp_path):
    result = Experiment(lambda replicate: [math.nan, 1.0][replicate], replicates=2).run()
    result.to_parquet(tmp_path / "r.parquet")
    column = pq.read_table(tmp_path / "r.parquet")["value"]
    assert column.null_count == 0
    assert math.isnan(column[0].as_py())


def test_xarray_has_factors_as_dimensions():
    result = factorial()
    data = result.to_xarray()
    assert dict(data.sizes) == {"n": 2, "method": 2, "replicate": 3}
    for condition, levels in FACTORIAL.items():
        own = data.sel(levels)
        assert own["x"].values.tolist() == result.metrics[condition]["x"].tolist()
        assert own["condition"].item() == condition
    assert data["x"].dtype == np.float64
    assert data["flag"].dtype == np.bool_
    assert data["x"].mean("replicate").dims == ("n", "method")


def test_xarray_has_nan_where_no_condition_is_and_where_a_cell_failed(result):
    sets = dict(FACTORIAL)
    del sets["n=40,method=b"]
    data = Experiment(trial, sets, replicates=3, seed=1).run().to_xarray()
    assert np.isnan(data["x"].sel({"n": 40, "method": "b"})).all()
    assert data["flag"].sel({"n": 40, "method": "b"}).values.tolist() == [None] * 3
    kinds = result.to_xarray()
    assert np.isnan(kinds["x"].sel(scale=2.0, replicate=2))
    assert kinds["array"].dims == ("scale", "replicate", "array_0")
    assert kinds["array"].sel(scale=1.0).values.tolist() == [[i, i] for i in range(5)]
    assert kinds["ragged"].sel(scale=1.0).values[3].tolist() == [0.0] * 3


def test_xarray_of_conditions_that_no_factor_tells_apart():
    sets = {
        "one": {"n": 1, "method": "a"},
        "two": {"n": 1, "method": "a"},
        "three": {"n": 2, "method": "a"},
    }
    data = Experiment(trial, sets, replicates=2, seed=1).run().to_xarray()
    assert data["x"].dims == ("condition", "replicate")
    assert data["n"].values.tolist() == [1, 1, 2]


def test_netcdf_is_what_xarray_reads(result, tmp_path):
    for name, one in (("a", factorial()), ("b", result)):
        path = tmp_path / f"{name}.nc"
        one.export(path)
        data, expected = xr.load_dataset(path, engine="h5netcdf"), one.to_xarray()
        assert dict(data.sizes) == dict(expected.sizes)
        np.testing.assert_array_equal(data["x"].values, expected["x"].values)
    assert json.loads(data["mixed"].values[0][3]) == 2**70
    assert data["name"].sel(scale=2.0).values.tolist() == ["r0", "r1", "", "r3", "r4"]
    assert json.loads(data.attrs["crystallize"])["root"] == 1


def test_markdown_has_the_tables_that_are_shown(tmp_path):
    sets = {"a|b": {"x_1": 1}, "c": {"x_1": 2}}
    Experiment(lambda x_1: float(x_1), sets, replicates=2).run().export(tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text().splitlines() == [
        r"| condition | x\_1 | metric | n | failed | mean | sd | mcse | min | max |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        r"| a\|b | 1 | value | 2 | 0 | 1 | 0 | 0 | 1 | 1 |",
        "| c | 2 | value | 2 | 0 | 2 | 0 | 0 | 2 | 2 |",
    ]


def test_latex_is_escaped_and_has_minus_signs(tmp_path):
    sets = {"50%": {"x_1": -1.5}, "c&d": {"x_1": 2}}
    Experiment(lambda x_1: float(x_1), sets, replicates=2).run().export(tmp_path / "r.tex")
    text = (tmp_path / "r.tex").read_text()
    assert r"condition & x\_1 & metric" in text
    assert r"50\% & $-$1.5 & value" in text
    assert r"c\&d & 2 & value" in text
    assert r"\begin{tabular}{lrlrrrrrrr}" in text


def test_tables_in_documents_can_be_by_factors(tmp_path):
    result = factorial()
    result.to_markdown(tmp_path / "r.md", by="n", across="method")
    lines = (tmp_path / "r.md").read_text().splitlines()
    assert lines[2] == "| metric | n | a | b |"
    assert len(lines) == 2 + 2 + 4


def test_the_command_writes_tables_as_it_shows_them(tmp_path):
    (tmp_path / "document_trials.py").write_text("def trial(n):\n    return {'x': n}\n")
    (tmp_path / "e.toml").write_text(
        '[experiment]\nfunction = "document_trials:trial"\nreplicates = 2\n[grid]\nn = [1, 2]\n'
    )
    command = [sys.executable, "-m", "crystallize", "run", "e.toml", "--across", "n"]
    subprocess.run([*command, "-o", "r.md"], cwd=tmp_path, check=True, capture_output=True)
    assert "| n=1 | n=2 |" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize(
    ("ending", "library", "extra"),
    [("parquet", "pyarrow", "arrow"), ("arrow", "pyarrow", "arrow"), ("nc", "xarray", "xarray"),
     ("nc", "h5netcdf", "xarray")],
)  # fmt: skip
def test_a_library_that_is_not_there_is_named_with_what_installs_it(
    tmp_path, monkeypatch, ending, library, extra
):
    result = Experiment(lambda: 1.0).run()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ExportError, match=rf"needs {library}: pip install 'crystallize-core\[{extra}\]'"
    ):
        result.export(tmp_path / f"r.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_a_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"crystallize-core\[pandas\]"):
        Experiment(lambda: 1.0).run().to_frame()


def test_no_library_is_loaded_until_it_is_needed():
    program = (
        "import sys\nfrom crystallize import Experiment\n"
        "repr(Experiment(lambda: 1.0).run())\n"
        "print({'pandas', 'pyarrow', 'xarray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_pandas_reads_the_csv(tmp_path):
    result = factorial()
    result.to_csv(tmp_path / "r.csv")
    frame = pd.read_csv(tmp_path / "r.csv")
    np.testing.assert_allclose(frame["x"], result.to_frame()["x"], rtol=1e-15)
    assert frame["flag"].dtype == bool
