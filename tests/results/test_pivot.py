"""Tables by factors: each number where its levels are, nothing averaged, nothing lost."""

import numpy as np
import pytest

from crystallize import Experiment, InvalidValueError, Result, UnknownNameError, grid, hookimpl


def trial(rng, n, method):
    return {"x": rng.normal(size=n).mean(), "shift": float(method == "b")}


def run(conditions=None, **options):
    conditions = grid(n=[10, 40], method=["a", "b"]) if conditions is None else conditions
    return Experiment(trial, conditions, replicates=20, seed=1, **options).run()


def test_rows_and_columns_are_the_levels_of_factors():
    table = run().table("n", "method")
    assert (table.by, table.across) == (("metric", "n"), ("method",))
    heading, columns, *_ = str(table).splitlines()
    assert (heading, columns.split()) == ("mean", ["metric", "n", "a", "b"])
    assert [line.split()[:2] for line in str(table).splitlines()[2:]] == [
        ["x", "10"], ["x", "40"], ["shift", "10"], ["shift", "40"],
    ]  # fmt: skip


def test_each_number_is_that_of_its_condition():
    result = run()
    cells = result.table("n", "method").cells
    for condition, levels in result.factors.items():
        entry = cells[("x", levels["n"]), (levels["method"],)]
        assert entry.value == result.metrics[condition]["x"].mean()
        assert entry.error == pytest.approx(result.metrics[condition]["x"].std(ddof=1) / 20**0.5)


def test_a_factor_that_is_not_named_is_in_the_rows():
    table = run().table(across="method")
    assert table.by == ("metric", "n")
    assert run().table("n").by == ("n", "method")
    assert run().table().across == ("metric",)


def test_several_factors_stand_across():
    table = run().table("metric", ["n", "method"])
    assert table.column_levels == [(10, "a"), (10, "b"), (40, "a"), (40, "b")]
    assert "n=10 a" in str(table)


def test_the_only_metric_is_named_in_the_heading():
    result = Experiment(lambda rng, n: rng.normal(), grid(n=[1, 2]), replicates=3, seed=1).run()
    assert str(result.table("n", ())).splitlines()[0] == "mean of value"


def test_levels_are_in_the_order_in_which_they_come():
    sets = grid(method=["b", "a"], n=[40, 10])
    assert run(sets).table("n", "method").row_levels == [
        ("x", 40), ("x", 10), ("shift", 40), ("shift", 10),
    ]  # fmt: skip


def test_conditions_that_no_factor_tells_apart_are_all_there():
    result = run({"one": {"n": 1, "method": "a"}, "two": {"n": 1, "method": "a"}})
    assert result.table().by == ("condition",)
    assert len(result.table().row_levels) == 2


def test_levels_that_look_alike_are_all_there():
    sets = {"a": {"x": True}, "b": {"x": "True"}, "c": {"x": 1}, "d": {"x": np.nan}}
    result = Experiment(lambda x: 1.0, sets).run()
    assert len(result.table().cells) == 4


def test_a_combination_that_is_not_there_is_a_dash():
    sets = grid(n=[10, 40], method=["a", "b"])
    del sets["n=40,method=b"]
    last = str(run(sets).table("n", "method")).splitlines()[-1]
    assert last.split() == ["shift", "40", "0", "(0)", "-"]


def test_another_statistic_stands_alone():
    result = run()
    assert result.table("n", "method", statistic="n").cells[("x", 10), ("a",)].value == 20
    with pytest.raises(UnknownNameError, match=r"'middle' is not among the statistics.*'mean'"):
        result.table(statistic="middle")


def test_a_name_that_is_no_factor_is_refused_with_those_there_are():
    with pytest.raises(
        UnknownNameError, match=r"by: 'nn' is not among the factors. Did you mean 'n'"
    ):
        run().table("nn")
    with pytest.raises(InvalidValueError, match="across: expected something else than by"):
        run().table("n", "n")


class Measures:
    @hookimpl
    def extend_result(self, result):
        return {
            "performance": [
                {"condition": c, **levels, "measure": m, "value": 0.12345, "mcse": 0.02}
                for c, levels in result.factors.items()
                for m in ("bias", "coverage")
            ],
            "other": {"a": 1},
        }


def test_a_section_has_a_block_of_rows_for_each_measure():
    result = run(aggregators=[Measures()])
    table = result.table("n", "method", section="performance")
    assert table.by == ("measure", "n")
    assert str(table).splitlines()[2].split() == ["bias", "10", *(["0.123", "(0.020)"] * 2)]
    assert result.table(section="performance").across == ("measure",)
    with pytest.raises(UnknownNameError, match="'perf' is not among the sections"):
        result.table(section="perf")
    with pytest.raises(InvalidValueError, match="a section whose rows have 'condition'"):
        result.table(section="other")


def test_html_has_the_same_table():
    html = run().table("n", "method")._repr_html_()
    assert html.count("<tr>") == 5
    assert "<th>method" not in html


def test_a_store_knows_the_factors(tmp_path):
    def median(values):
        return float(np.median(values))

    def estimated(rng, estimator, n):
        return estimator(rng.normal(size=n))

    sets = grid(estimator=[np.mean, median], n=(10, 40))
    path = tmp_path / "s.db"
    result = Experiment(estimated, sets, replicates=3, seed=1, store=path).run()
    assert Result.from_store(path).factors == result.factors
    assert str(Result.from_store(path)) == str(result)


def test_arrays_of_one_shape_are_told_apart_in_a_store(tmp_path):
    sets = {"zeros": {"w": np.zeros(3)}, "ones": {"w": np.ones(3)}, "none": {"w": np.nan}}
    path = tmp_path / "s.db"
    result = Experiment(lambda w: float(np.sum(w)), sets, store=path).run()
    assert repr(Result.from_store(path).factors) == repr(result.factors)


def test_a_store_of_two_runs_has_the_factors_of_both(tmp_path):
    path = tmp_path / "s.db"
    run({"one": {"n": 10, "method": "a"}}, store=path)
    run({"two": {"n": 40, "method": "a"}}, store=path)
    assert Result.from_store(path).factors == {"one": {"n": 10}, "two": {"n": 40}}
