"""Figures of the section ``performance``: lolly, curves, nested loop and zip plots."""

from __future__ import annotations

import numpy as np
import pytest
from crystallize_report.figures import curves, fitting, lolly, nested_loop, zip_plot
from crystallize_stats.performance import Performance
from scipy import stats

from crystallize import CrystallizeError, UnknownNameError, grid

SETS = grid(n=[10, 40, 160], method=["wald", "wilson"], p=[0.1, 0.5])


@pytest.fixture(scope="module")
def performed(study):
    """Estimates of 0.5 whose standard error is 0.1, in 20 replicates of each of 12 conditions."""
    rng = np.random.default_rng(20190417)
    columns = {
        name: {"theta": (0.5 + rng.normal(0, 0.1, 20)).tolist(), "se": [0.1] * 20} for name in SETS
    }
    section = Performance(estimate="theta", se="se", truth=0.5, alpha=0.1)
    return study(columns, section, factors=SETS)


def values(result, measure, **levels):
    return {
        row["condition"]: row["value"]
        for row in result.sections["performance"]
        if row["measure"] == measure
        and all(result.factors[row["condition"]][k] == v for k, v in levels.items())
    }


def test_a_lolly_is_where_its_measure_is_on_a_stick_from_what_it_should_be(performed):
    picture = lolly(performed, ["bias", "coverage"])
    for axes, measure, target in zip(picture.axes, ["bias", "coverage"], [0.0, 0.9], strict=True):
        stick, dots, _bars, line = axes.get_lines()
        expected = list(values(performed, measure).values())
        assert dots.get_xdata().tolist() == expected
        assert dots.get_ydata().tolist() == list(range(12))
        assert np.asarray(stick.get_xdata())[::3].tolist() == [target] * 12
        assert list(line.get_xdata()) == [target, target]
    assert [axes.get_title(loc="left") for axes in picture.axes] == ["bias", "coverage"]
    assert [text.get_text() for text in picture.axes[0].get_yticklabels()] == list(SETS)


def test_curves_have_a_line_for_each_method_and_a_panel_for_each_other_factor(performed):
    picture = curves(performed, "coverage")
    assert [axes.get_title(loc="left") for axes in picture.axes] == ["p = 0.1", "p = 0.5"]
    for axes, p in zip(picture.axes, [0.1, 0.5], strict=True):
        for line, method in zip(axes.get_lines(), ["wald", "wilson"], strict=False):
            assert list(line.get_xdata()) == [10, 40, 160]
            expected = values(performed, "coverage", method=method, p=p)
            assert list(line.get_ydata()) == list(expected.values())
        bands = [band.get_paths()[0].get_extents() for band in axes.collections]
        assert len(bands) == 2 and all(band.y0 < band.y1 for band in bands)
        assert list(axes.get_lines()[-1].get_ydata()) == [0.9, 0.9]
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["wald", "wilson"]


def test_the_factor_along_the_axis_and_that_of_lines_can_be_chosen(performed):
    picture = curves(performed, "rejection", x="p", lines="n")
    assert [axes.get_title(loc="left") for axes in picture.axes] == [
        "method = wald", "method = wilson",
    ]  # fmt: skip
    assert picture.axes[0].get_xlabel() == "p"
    with pytest.raises(UnknownNameError, match="x: 'N' is not among the factors"):
        curves(performed, "rejection", x="N")


def test_a_yes_or_no_has_curves_without_a_section_with_wilsons_bands(study):
    columns = {f"n={n}": {"hit": [True] * n + [False] * (20 - n)} for n in (5, 10, 20)}
    factors = {f"n={n}": {"n": n} for n in (5, 10, 20)}
    result = study(columns, factors=factors)
    picture = curves(result, "hit")
    assert list(picture.axes[0].get_lines()[0].get_ydata()) == [0.25, 0.5, 1.0]
    # Wilson (1927) for 10 of 20.
    assert [round(picture.data[1][key], 4) for key in ("lower", "upper")] == [0.2993, 0.7007]
    assert "curve-hit" in [drawn.name for drawn in fitting(result)]


def test_a_nested_loop_is_asked_for_and_has_its_factors_as_steps_below(performed):
    assert not any("nested" in drawn.name for drawn in fitting(performed))
    picture = nested_loop(performed, "coverage", order=["p", "n"])
    upper, lower = picture.axes
    order = [(p, n) for p in (0.1, 0.5) for n in (10, 40, 160)]
    for steps, method in zip(upper.patches, ["wald", "wilson"], strict=True):
        found = [values(performed, "coverage", method=method, p=p, n=n) for p, n in order]
        assert steps.get_data().values.tolist() == [next(iter(own.values())) for own in found]
    outer, inner = (np.diff(steps.get_data().values) for steps in lower.patches)
    assert np.flatnonzero(outer).tolist() == [2]
    assert np.flatnonzero(inner > 0).tolist() == [0, 1, 3, 4]
    assert [text.get_text() for text in lower.texts] == ["p: 0.1, 0.5", "n: 10, 40, 160"]
    assert "order of the loops" in picture.alt


@pytest.fixture(scope="module")
def intervals(study):
    """Five intervals of half width 1 around these, of which the third and fifth miss 0."""
    centres = [0.1, -0.5, 2.0, 0.9, -3.0]
    columns = {
        "one": {"x": centres, "low": [c - 1 for c in centres], "high": [c + 1 for c in centres]}
    }
    section = Performance(estimate="x", lower="low", upper="high", truth=0.0)
    return study(columns, section)


def test_a_zip_has_intervals_by_the_centile_of_z_with_those_that_miss_on_top(intervals):
    picture = zip_plot(intervals, lower="low", upper="high", truth=0.0)
    covering, missing, truth, nominal = picture.axes[0].get_lines()
    assert np.asarray(covering.get_ydata())[::3].tolist() == [20, 40, 60]
    assert np.asarray(covering.get_xdata())[::3].tolist() == [-0.9, -1.5, pytest.approx(-0.1)]
    assert np.asarray(missing.get_ydata())[::3].tolist() == [80, 100]
    assert np.asarray(missing.get_xdata())[1::3].tolist() == [3.0, -2.0]
    assert list(truth.get_xdata()) == [0, 0] and list(nominal.get_ydata()) == [95, 95]
    # The Monte Carlo band of 3 of 5: Wilson's.
    band = picture.axes[0].patches[0].get_extents().transformed(
        picture.axes[0].transData.inverted()
    )  # fmt: skip
    assert [round(bound, 2) for bound in (band.y0, band.y1)] == [23.07, 88.24]
    assert [row["covers"] for row in picture.data] == [True, True, True, False, False]


def test_which_metrics_are_bounds_and_truth_is_found_out_from_the_sections_numbers(intervals):
    named = zip_plot(intervals, lower="low", upper="high", estimate="x", truth=0.0)
    found = zip_plot(intervals)
    assert found.data == named.data
    assert "zip" in [drawn.name for drawn in fitting(intervals)]


def test_standard_errors_and_a_truth_that_is_a_metric_are_found_out_too(study, rng):
    truth = rng.normal(size=50)
    columns = {"one": {
        "x": (truth + rng.normal(size=50)).tolist(), "se": rng.gamma(9, 1 / 9, 50).tolist(),
        "t": truth.tolist(), "other": rng.normal(size=50).tolist(),
    }}  # fmt: skip
    result = study(columns, Performance(estimate="x", se="se", truth="t"))
    picture = zip_plot(result)
    named = zip_plot(result, estimate="x", se="se", truth="t")
    for key in ("replicate", "lower", "upper", "truth"):
        expected = [row[key] for row in named.data]
        assert [row[key] for row in picture.data] == pytest.approx(expected)
    covered = sum(row["covers"] for row in picture.data) / 50
    assert covered == values(result, "coverage")["one"]


def test_degrees_of_freedom_are_found_out_where_they_are_one_number_or_a_metric(study, rng):
    own = {"x": rng.normal(size=30).tolist(), "se": rng.gamma(9, 1 / 9, 30).tolist(),
           "df": rng.uniform(1, 9, 30).tolist()}  # fmt: skip
    for df, degrees in ((7, 7.0), ("df", np.array(own["df"]))):
        result = study({"one": own}, Performance(estimate="x", se="se", truth=0.0, df=df))
        half = stats.t.ppf(0.975, degrees) * np.array(own["se"])
        rows = sorted(zip_plot(result).data, key=lambda row: row["replicate"])
        assert [row["upper"] for row in rows] == pytest.approx(own["x"] + half)


def test_intervals_that_cannot_be_retraced_have_no_zip(study, rng):
    own = {"x": rng.normal(size=30).tolist(), "se": rng.gamma(9, 1 / 9, 30).tolist()}
    result = study({"one": own}, Performance(estimate="x", se="se", truth=0.0, df=3.3))
    assert "zip" not in [drawn.name for drawn in fitting(result)]
    with pytest.raises(CrystallizeError, match="Name truth and either lower and upper"):
        zip_plot(result)


def test_of_many_intervals_evenly_spaced_centiles_are_drawn(study, rng):
    columns = {"one": {"x": rng.normal(size=5000).tolist(), "se": [1.0] * 5000}}
    picture = zip_plot(study(columns), estimate="x", se="se", truth=0.0)
    centiles = [row["centile"] for row in picture.data]
    assert len(centiles) == 1600 and (centiles[0], centiles[-1]) == (0.02, 100.0)
    assert np.ptp(np.diff(centiles)) < 0.021
    assert "At most 1600 intervals a panel are drawn" in picture.alt
