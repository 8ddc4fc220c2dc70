"""Statistics that are chosen, arrays taken apart, and summaries without values in files."""

import json
import math
import zipfile

import numpy as np
import pytest

from crystallize import (
    Experiment,
    InvalidValueError,
    InvalidValuesError,
    Result,
    ResultFileError,
    UnknownNameError,
)
from crystallize.description.summarized import COUNTS


def trial(rng, replicate):
    return {
        "x": rng.normal(),
        "at": np.array([[replicate, 1.0], [2.0, math.nan]]),
        "ragged": np.arange(replicate % 3),
        "name": "text",
    }


def experiment(**options):
    return Experiment(trial, **{"replicates": 30, "seed": 1, **options})


@pytest.fixture(scope="module", params=["values", "summary"])
def result(request):
    chosen = {"statistics": ["mean", "mcse", "q95", "sum"], "elements": ["at", "ragged"]}
    return experiment(summary=chosen, keep=request.param).run()


def test_the_columns_are_the_statistics_that_were_chosen(result):
    for row in result.summary():
        assert list(row) == ["condition", "metric", *COUNTS, "mean", "mcse", "q95", "sum"]
    assert "q95" in repr(result) and "sd" not in repr(result)
    assert "<th>q95</th>" in result._repr_html_()


def test_other_statistics_can_be_asked_for(result):
    rows = result.summary(["median", "n", "q0", "q100", "q97.5"])
    assert list(rows[0]) == ["condition", "metric", *COUNTS, "median", "q0", "q100", "q97.5"]
    (extremes,) = [r for r in result.summary(["min", "max"]) if r["metric"] == "x"]
    assert (rows[0]["q0"], rows[0]["q100"]) == (extremes["min"], extremes["max"])


def test_elements_have_rows_of_their_own_in_the_order_of_the_array(result):
    rows = {row["metric"]: row for row in result.summary(["mean", "max"])}
    assert list(rows) == [
        "x", "at[0,0]", "at[0,1]", "at[1,0]", "at[1,1]", "ragged[0]", "ragged[1]", "name",
    ]  # fmt: skip
    assert rows["at[0,0]"]["mean"] == 14.5
    assert (rows["at[1,1]"]["n"], rows["at[1,1]"]["nan"], rows["at[1,1]"]["mean"]) == (0, 30, None)
    assert (rows["ragged[0]"]["n"], rows["ragged[1]"]["n"], rows["ragged[1]"]["max"]) == (20, 10, 1)


def test_arrays_that_are_not_taken_apart_are_counted():
    rows = {row["metric"]: row for row in experiment().run().summary()}
    assert list(rows) == ["x", "at", "ragged", "name"]
    assert (rows["at"]["n"], rows["at"]["mean"]) == (30, None)
    assert len(experiment().run().summary(elements=True)) == 8
    assert len(experiment().run().summary(elements=["at"])) == 7


def test_a_metric_that_is_sometimes_an_array_has_a_row_for_itself_too():
    def mixed(replicate):
        return {"m": 1.0 if replicate % 2 else np.array([2.0, 3.0])}

    rows = [
        Experiment(mixed, replicates=50, seed=1, summary={"elements": True}, keep=keep)
        .run()
        .summary()
        for keep in ("values", "summary")
    ]
    assert rows[0] == rows[1]
    assert [(row["metric"], row["n"], row["mean"]) for row in rows[0]] == [
        ("m", 25, 1.0), ("m[0]", 25, 2.0), ("m[1]", 25, 3.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "error", "message"),
    [
        ({"statistics": ["mcsee"]}, UnknownNameError, "summary.statistics: 'mcsee' is not among"),
        ({"statistics": ["mcsee"]}, UnknownNameError, "Did you mean 'mcse'"),
        ({"statistics": ["q101"]}, InvalidValueError, "a quantile from q0 to q100, got 'q101'"),
        ({"statistics": "mean"}, InvalidValueError, "summary.statistics: expected a list"),
        ({"statistic": ["mean"]}, UnknownNameError, "Did you mean 'statistics'"),
        ({"elements": 3}, InvalidValueError, "summary.elements: expected a list"),
        ({"elements": [3], "statistics": ["no"]}, InvalidValuesError, "2 values cannot be used"),
        (["mean"], InvalidValueError, "summary: expected a mapping"),
    ],
)
def test_what_is_no_choice_is_refused_with_what_there_is(summary, error, message):
    with pytest.raises(error, match=message):
        experiment(summary=summary)


def test_what_is_kept_is_one_of_two():
    with pytest.raises(InvalidValueError, match="keep: expected 'values' or 'summary', got 'none'"):
        experiment(keep="none")


def test_a_config_chooses(tmp_path):
    (tmp_path / "chosen_trials.py").write_text("def trial(rng):\n    return rng.normal()\n")
    config = tmp_path / "c.toml"
    config.write_text(
        '[experiment]\nfunction = "chosen_trials:trial"\nreplicates = 20\nkeep = "summary"\n'
        'seed = 1\n[summary]\nstatistics = ["sum"]\n'
    )
    made = Experiment.from_config(config)
    (row,) = made.run().summary()
    assert list(row)[-1] == "sum"
    assert made.spec.keep == "summary"


def test_quantiles_of_kept_values_are_exact_however_many():
    made = Experiment(lambda rng: rng.normal(), replicates=5000, seed=1).run()
    values = made.metrics["baseline"]["value"]
    (row,) = made.summary(["median", "q2.5"])
    assert row["median"] == np.quantile(values, 0.5)
    assert row["q2.5"] == pytest.approx(np.quantile(values, 0.025), rel=1e-14)


def large(replicate, rng):
    if replicate == 5:
        raise ValueError("five")
    return {"x": rng.normal() if replicate % 7 else math.inf, "at": rng.normal(size=2)}


@pytest.fixture
def saved(tmp_path):
    summary = {"statistics": ["mean", "kurtosis", "median"], "elements": ["at"]}
    kept = Experiment(large, replicates=3000, seed=1, keep="summary", summary=summary).run()
    kept.sections["mine"] = [{"condition": "baseline", "value": 1.0}]
    kept.save(tmp_path / "r.zip")
    return kept, tmp_path / "r.zip"


def test_a_result_without_values_is_saved_and_loaded_with_its_summary(saved):
    kept, path = saved
    loaded = Result.load(path)
    assert repr(loaded.summary()) == repr(kept.summary())
    for statistics in (["q1", "q99"], ["sum", "skewness", "mcse"]):
        assert repr(loaded.summary(statistics)) == repr(kept.summary(statistics))
    assert repr(loaded) == repr(kept)
    assert repr(loaded.to_dict()) == repr(kept.to_dict())
    assert (loaded.replicates, loaded.cells, len(loaded.errors)) == (3000, 3000, 1)
    assert loaded.keeps_values is False
    loaded.save(path.with_name("again.zip"))
    assert path.with_name("again.zip").read_bytes() == path.read_bytes()


def test_json_of_a_result_without_values_is_strict(saved, tmp_path):
    kept, _ = saved
    kept.to_json(tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert (content["metrics"], content["seeds"]) == (None, None)
    assert content["summary"][0]["mean"] == "Infinity"


def changed(path, change):
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(entries["result.json"])
    change(content, content["conditions"][0], content["conditions"][0]["metrics"][0]["places"][0])
    entries["result.json"] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


CRAFTED = {
    "no conditions": lambda content, condition, place: content.update(conditions=[]),
    "more finished than there are": lambda content, condition, place: condition.update(
        finished=3001
    ),
    "counts of others": lambda content, condition, place: place.update(counts=place["keys"]),
    "waiting of another kind": lambda content, condition, place: place.update(
        waiting={"objects": [1.0]}
    ),
    "more values than numbers": lambda content, condition, place: place.update(present=7),
    "moments that are none": lambda content, condition, place: place["numbers"].pop(),
    "a negative spread": lambda content, condition, place: place["numbers"][-1].__setitem__(
        4, -1.0
    ),
    "text for a moment": lambda content, condition, place: place["numbers"][-1].__setitem__(
        2, "one"
    ),
    "a statistic that there is not": lambda content, condition, place: content["summary"].update(
        statistics=["no"]
    ),
    "an error of no replicate": lambda content, condition, place: content["errors"][0].__setitem__(
        1, 3000
    ),
}


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_summary_is_refused(saved, change):
    _, path = saved
    changed(path, change)
    with pytest.raises(ResultFileError, match="not a saved result, or it is damaged"):
        Result.load(path)
