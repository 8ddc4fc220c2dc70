"""What the sections of a report say."""

import doctest
import importlib
import pkgutil

import crystallize_report
import numpy as np
import pytest

from crystallize import Experiment, Result, Until

MODULE = '''
def trial(rng, size, method):
    """One sample.

    Aims
    ----
    Is the median as good?

    Data-generating mechanisms
    --------------------------
    Normal values.

    Parameters
    ----------
    size : int
    """
    values = rng.normal(size=size)
    theta = values.mean() if method == "mean" else sorted(values)[size // 2]
    return {"theta": theta, "se": size**-0.5, "covers": abs(theta) < 2 * size**-0.5}
'''
CONFIG = """
[experiment]
name = "centre"
function = "centres:trial"
replicates = 60
seed = 11
streams = ["size"]

[grid]
size = [5, 21]
method = ["mean", "median"]

[aggregation]
aggregators = ["performance", "compare"]

[aggregation.options.performance]
estimate = "theta"
se = "se"
truth = 0.0

[aggregation.options.compare]
metrics = ["theta", "covers"]
within = ["size"]

[hypothesis.narrow]
claim = '"size=21,method=mean".covers > 0.5'
"""


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    folder = tmp_path_factory.mktemp("centre")
    (folder / "centres.py").write_text(MODULE)
    (folder / "study.toml").write_text(CONFIG)
    return Experiment.from_config(folder / "study.toml").run(), folder


def test_what_was_asked_is_from_the_docstring_and_the_config(centre, page_of):
    text = page_of(centre[0]).text
    for said in (
        "Is the median as good?",
        "Normal values.",
        "method: mean, median",
        "theta estimates 0.0, the truth",
        'narrow: "size=21,method=mean".covers > 0.5',
        "Conditions share random streams but where they differ in size",
    ):
        assert said in text
    assert page_of(centre[0]).rows("design")[1][:3] == ["size=5,method=mean", "5", "mean"]


def test_a_hypothesis_has_its_verdict_at_the_top(centre, page_of):
    page = page_of(centre[0])
    before = page.text.partition("What was asked")[0]
    assert "supported" in before and "covers > 0.5" in before


def test_every_performance_measure_has_its_error_and_what_chance_could_have_made_is_marked(
    centre, page_of
):
    result, _ = centre
    page = page_of(result)
    head, *rows = page.rows("performance")
    assert head[:5] == ["size", "method", "measure", "value", "MCSE"]
    marked = {
        (row[0], row[1], row[2])
        for row in rows
        if row[head.index("remark")] == "within 1 MCSE of 0"
    }
    expected = {
        (str(row["size"]), row["method"], row["measure"])
        for row in result.sections["performance"]
        if row["measure"] in ("bias", "relative_error", "relative_precision")
        and row["value"] is not None
        and abs(row["value"]) < row["mcse"]
    }
    assert marked == expected
    assert page.rows("performance-by-factors")[0] == ["measure", "size", "mean", "median"]


def test_a_comparison_has_the_error_of_its_paired_differences(centre, page_of):
    result, _ = centre
    head, *rows = page_of(result).rows("compare")
    one, other = (result.metrics[f"size=5,method={m}"]["theta"] for m in ("median", "mean"))
    error = np.std(one - other, ddof=1) / 60**0.5
    assert float(rows[0][head.index("MCSE")]) == pytest.approx(error, rel=0.05)


def test_it_says_how_many_replicates_an_error_takes(centre, page_of):
    result, _ = centre
    row = next(r for r in result.summary() if r["metric"] == "theta")
    page = page_of(result, mcse=0.01)
    head, *rows = page.rows("replicates-for-metrics")
    needed = int(np.ceil(60 * (row["mcse"] / 0.01) ** 2))
    assert rows[0][head.index("replicates")] == f"{needed:,}"
    with pytest.raises(ValueError, match="mcse"):
        crystallize_report.html(result, mcse=-1.0)


def test_the_config_in_a_report_gives_the_same_result(centre, page_of, monkeypatch):
    result, folder = centre
    (folder / "again.toml").write_text(page_of(result).file("again.toml"))
    again = Experiment.from_config(folder / "again.toml").run()
    assert again.to_dict() | {"provenance": 0} == result.to_dict() | {"provenance": 0}


def test_a_config_has_what_was_set_for_failures_and_single_conditions(
    tmp_path, page_of, monkeypatch
):
    (tmp_path / "uneven.py").write_text("def trial(replicate, a):\n    return a + replicate\n")
    (tmp_path / "first.toml").write_text(
        '[experiment]\nfunction = "uneven:trial"\nreplicates = 9\nseed = 2\n'
        "retries = { times = 2, wait = 0.5, on = ['ValueError'] }\n"
        "[conditions.a]\na = 1.0\n[conditions.b]\na = 2.0\nreplicates = 4\n"
    )
    first = Experiment.from_config(tmp_path / "first.toml").run()
    (tmp_path / "again.toml").write_text(page_of(first).file("again.toml"))
    again = Experiment.from_config(tmp_path / "again.toml").run()
    assert again.replicates_of == {"a": 9, "b": 4}
    assert again.provenance["execution"] == first.provenance["execution"]


def test_the_data_behind_a_table_have_all_digits(centre, page_of):
    result, _ = centre
    lines = page_of(result).file("performance.csv").splitlines()
    assert lines[0].startswith("condition,size,method,measure,value,mcse")
    row = result.sections["performance"][1]
    assert f",{row['value']!r},{row['mcse']!r}," in lines[2]


def test_a_function_that_no_config_can_name_is_said_to_be_one(page_of):
    page = page_of(Experiment(lambda: 1.0, replicates=2, seed=1).run())
    assert "No config can name the function" in page.text
    assert page.count("pre") == 0 or "again.toml" not in page.text


def test_failures_are_counted_by_condition_and_type_with_one_traceback_each(page_of):
    def fragile(replicate, limit):
        if replicate < limit:
            raise ValueError("too small") if replicate % 2 else KeyError("none")
        return 1.0

    conditions = {"a": {"limit": 0}, "b": {"limit": 3}}
    page = page_of(Experiment(fragile, conditions, replicates=10, seed=1).run())
    assert "3 of 20 cells failed (15%)" in page.text
    assert "Not equally often under every condition" in page.text
    head, *rows = page.rows("failures")
    assert [row[head.index("type")] for row in rows] == ["KeyError", "ValueError"]
    assert [row[head.index("failed")] for row in rows] == ["2", "1"]
    assert page.text.count("in fragile") == 2
    assert "replicate 1" in page.text


def test_cells_that_took_more_than_one_attempt_are_counted(page_of):
    failures = iter([True, False, True])

    def flaky():
        if next(failures, False):
            raise OSError("busy")
        return 1.0

    page = page_of(Experiment(flaky, replicates=4, seed=1, retries=1).run())
    assert "No cell failed of 4. 2 cells failed at first and finished" in page.text
    assert page.rows("durations")[1][:2] == ["baseline", "4"]


def test_the_stopping_path_is_shown(page_of):
    until = Until("hit", half_width=0.2, at_least=16, at_most=2000)
    result = Experiment(
        lambda rng: {"hit": bool(rng.random() < 0.5)}, replicates=until, seed=1
    ).run()
    page = page_of(result)
    path = [row[-2:] for row in page.rows("stopping-path-1")[1:]]
    widths = [float(width) for _, width in path]
    assert widths[-1] <= 0.2 < widths[0] and int(path[-1][0].replace(",", "")) == result.replicates


def test_cells_that_are_missing_are_counted(page_of):
    done = np.array([True, True, False, False])
    result = Result({"a": {"x": np.ones(4)}}, {"a": done}, [], 1, "a", {})
    assert "2 cells not run yet" in page_of(result).text


def test_every_example_in_a_docstring_runs():
    for module in pkgutil.walk_packages(crystallize_report.__path__, "crystallize_report."):
        if ".figures" in module.name:  # which have tests of their own
            continue
        assert doctest.testmod(importlib.import_module(module.name)).failed == 0, module.name
