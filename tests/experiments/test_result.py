"""A result: its summary, its tables, its files."""

import json
import math
import zipfile

import numpy as np
import pandas as pd
import pytest

from crystallize import CrystallizeError, Experiment, Result
from crystallize.errors import ResultFileError
from crystallize.testing import same_result


def trial(rng, replicate, scale):
    if replicate == 2 and scale > 1:
        raise ValueError("two <b>")
    return {
        "x": rng.normal() * scale,
        "n": replicate,
        "odd": replicate % 2 == 1,
        "name": f"r{replicate}",
        "mixed": [None, 1.5, "text", 2**70, 1 + 2j][replicate],
        "array": np.full(2, replicate),
        "ragged": np.zeros(replicate),
    }


@pytest.fixture
def result():
    conditions = {"narrow": {"scale": 1.0}, "wide": {"scale": 2.0}}
    return Experiment(trial, conditions, replicates=5, seed=1, name="kinds").run()


def test_the_summary_is_that_of_numpy(result):
    row = next(r for r in result.summary() if (r["condition"], r["metric"]) == ("wide", "x"))
    kept = np.delete(result.metrics["wide"]["x"], 2)
    assert (row["n"], row["failed"]) == (4, 1)
    assert row["mean"] == kept.mean()
    assert row["sd"] == kept.std(ddof=1)
    assert row["mcse"] == pytest.approx(kept.std(ddof=1) / 2)
    assert (row["min"], row["max"]) == (kept.min(), kept.max())


def test_text_has_no_mean(result):
    row = next(r for r in result.summary() if r["metric"] == "name")
    assert (row["n"], row["mean"], row["sd"]) == (5, None, None)


def test_one_replicate_has_no_standard_deviation():
    (row,) = Experiment(lambda: 2.0).run().summary()
    assert (row["mean"], row["sd"], row["mcse"]) == (2.0, None, None)


def test_infinities_and_nan_are_values():
    values = [math.inf, 1.0, math.nan]
    result = Experiment(lambda replicate: values[replicate], replicates=3).run()
    assert result.errors == []
    listed = result.to_dict()["metrics"]["baseline"]["value"]
    assert listed == ["Infinity", 1.0, "NaN"]
    assert np.array(listed, dtype=float)[0] == math.inf


def test_the_table_shows_every_condition_and_metric(result):
    lines = repr(result).splitlines()
    assert lines[0].split() == [
        "condition", "metric", "n", "failed", "mean", "sd", "mcse", "min", "max",
    ]  # fmt: skip
    assert len(lines) == 1 + 2 * 7 + 1
    assert lines[-1] == "1 cell failed; see .errors"


def test_html_escapes_names():
    html = (
        Experiment(lambda x: {"<script>": 1.0}, {"<b>&": {"x": 1}}, replicates=2)
        .run()
        ._repr_html_()
    )
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;&amp;" in html


def test_a_frame_has_a_row_for_each_cell(result):
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (10, 9)
    wide = frame[frame.condition == "wide"].set_index("replicate")
    assert wide.x[4] == result.metrics["wide"]["x"][4]
    assert np.isnan(wide.x[2])


def test_the_dict_is_strict_json_with_null_where_a_cell_failed(result):
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(content) == ["metrics", "seeds", "errors", "summary", "sections", "provenance"]
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


def test_a_saved_result_is_the_same_when_loaded(result, tmp_path):
    result.sections["notes"] = {"a": [1, 2.5, None]}
    result.save(tmp_path / "r.zip")
    loaded = Result.load(tmp_path / "r.zip")
    same_result(result, loaded)
    assert loaded.to_dict() == result.to_dict()
    assert repr(loaded) == repr(result)
    assert (loaded.baseline, loaded.root) == (result.baseline, result.root)
    loaded.save(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "r.zip").read_bytes()


def test_a_saved_result_holds_no_pickle(result, tmp_path):
    result.save(tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        names = archive.namelist()
        assert all(name == "result.json" or name.endswith(".npy") for name in names)
        for name in names[1:]:
            np.load(archive.open(name), allow_pickle=False)


def test_a_pickle_in_a_file_is_not_opened(result, tmp_path):
    result.save(tmp_path / "r.zip")
    evil = np.array([print], dtype=object)
    with (
        zipfile.ZipFile(tmp_path / "r.zip") as old,
        zipfile.ZipFile(tmp_path / "e.zip", "w") as new,
    ):
        for name in old.namelist():
            if name == "0.npy":
                with new.open(name, "w") as entry:
                    np.lib.format.write_array(entry, evil, allow_pickle=True)
            else:
                new.writestr(name, old.read(name))
    with pytest.raises(ResultFileError, match="not a saved result, or it is damaged"):
        Result.load(tmp_path / "e.zip")


@pytest.mark.parametrize("content", [b"", b"PK nonsense", b"{}"])
def test_a_file_that_is_no_result_is_refused(content, tmp_path):
    (tmp_path / "r.zip").write_bytes(content)
    with pytest.raises(CrystallizeError, match=r"r\.zip: this is not a saved result"):
        Result.load(tmp_path / "r.zip")
    with pytest.raises(CrystallizeError, match="missing"):
        Result.load(tmp_path / "missing.zip")


def test_a_result_of_another_version_is_refused(result, tmp_path):
    result.save(tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        content = json.loads(archive.read("result.json"))
    content["version"] = 99
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.writestr("result.json", json.dumps(content))
    with pytest.raises(ResultFileError, match="version 99"):
        Result.load(tmp_path / "new.zip")


@pytest.mark.parametrize(
    "name", ["it's; DROP TABLE", "../../up", "nul\0", "two\nlines", "😀", "x" * 10_000]
)
def test_any_name_is_kept_and_shown_on_one_line(name, tmp_path):
    result = Experiment(lambda p: {name: p}, {name: {"p": 1.0}}, replicates=2, name=name).run()
    assert len(repr(result).splitlines()) == 2
    result.save(tmp_path / "r.zip")
    assert Result.load(tmp_path / "r.zip").metrics[name][name].tolist() == [1.0, 1.0]


def test_provenance_says_where_a_result_comes_from(result):
    provenance = result.provenance
    assert provenance["experiment"] == "kinds"
    assert provenance["function"]["name"] == "trial"
    assert len(provenance["function"]["source_sha256"]) == 64
    assert provenance["conditions"] == {"narrow": {"scale": 1.0}, "wide": {"scale": 2.0}}
    assert provenance["seed"]["root"] == 1
    assert "SeedSequence(root).spawn(n)[replicate]" in provenance["seed"]["rule"]
    assert set(provenance["versions"]) == {"python", "numpy", "crystallize-core"}
    assert provenance["execution"]["strategy"] == "serial"
    assert provenance["execution"]["workers"] == 1
    assert provenance["plugins"][-1]["distribution"] == "crystallize-core"
    assert provenance["seconds"] > 0
    assert provenance["started"].endswith("+00:00")
    assert provenance["platform"]


def test_provenance_names_the_commit_and_a_dirty_tree(tmp_path, monkeypatch):
    import subprocess

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    module = tmp_path / "committed_module.py"
    module.write_text("def trial(): return 1.0\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.syspath_prepend(str(tmp_path))
    import committed_module

    state = Experiment(committed_module.trial).run().provenance["git"]
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    module.write_text("def trial(): return 1.0  # changed\n")
    assert Experiment(committed_module.trial).run().provenance["git"]["dirty"] is True


def test_large_parameters_are_a_digest():
    result = Experiment(lambda data: data.sum(), {"a": {"data": np.arange(9.0)}}).run()
    shown = result.provenance["conditions"]["a"]["data"]["array"]
    assert (shown["dtype"], shown["shape"]) == ("float64", [9])
    json.dumps(result.to_dict(), allow_nan=False)
