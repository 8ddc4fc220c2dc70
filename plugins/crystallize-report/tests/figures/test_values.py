"""Figures of values: forest, estimates, distributions, pairs, running means, ranks, failures."""

from __future__ import annotations

import numpy as np
import pytest
from crystallize_report.figures import (
    Drawn,
    critical_difference,
    ecdf,
    estimates,
    failures,
    fitting,
    forest,
    paired,
    running_mean,
    svg,
)
from crystallize_stats.compare import Compare
from scipy import stats

from crystallize import CrystallizeError, Result, UnknownNameError, ValuesNotKeptError, grid

SHIFTED = {
    "base": {"x": [1.0, 2.0, 3.0, 4.0]},
    "same": {"x": [1.1, 1.9, 3.1, 3.9]},
    "more": {"x": [3.0, 4.1, 5.0, 6.1]},
}


@pytest.fixture(scope="module")
def compared(study):
    return study(SHIFTED, Compare())


def test_a_forest_has_each_difference_with_its_interval_and_marks_those_without_0(compared):
    picture = forest(compared)
    (axes,) = picture.axes
    rows = compared.sections["compare"]
    points = axes.get_lines()[:2]
    assert [float(line.get_xdata()[0]) for line in points] == [row["difference"] for row in rows]
    assert [line.get_marker() for line in points] == ["o", "s"]
    segments = [part.get_segments()[0][:, 0].tolist() for part in axes.collections]
    assert segments == [[row["lower"], row["upper"]] for row in rows]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["same", "more"]
    assert axes.get_xlabel() == "difference in x from base"
    assert "1 of 2 exclude 0" in picture.alt


def test_estimates_are_all_values_around_their_means_where_there_are_few(compared):
    (axes,) = estimates(compared, truth=2.5).axes
    swarms = [line for line in axes.get_lines() if line.get_marker() == "."]
    assert [line.get_xdata().tolist() for line in swarms] == [own["x"] for own in SHIFTED.values()]
    means = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in means] == [2.5, 2.5, 4.55]
    assert any(list(line.get_xdata()) == [2.5, 2.5] for line in axes.get_lines())


def test_points_at_one_place_are_drawn_beside_each_other(study):
    (axes,) = estimates(study({"one": {"x": [2.0] * 5 + [9.0]}})).axes
    swarm = axes.get_lines()[0]
    assert len(set(zip(swarm.get_xdata(), swarm.get_ydata(), strict=True))) == 6


def test_many_values_are_a_density_that_peaks_where_they_are(study, rng):
    values = rng.normal(7.0, 2.0, 1000)
    picture = estimates(study({"one": {"x": values.tolist()}}))
    (axes,) = picture.axes
    outline = axes.collections[0].get_paths()[0].vertices
    assert outline[outline[:, 1].argmin(), 0] == pytest.approx(7.0, abs=1.0)
    half = 1.96 * values.std(ddof=1) / 1000**0.5
    found = [picture.data[0][key] for key in ("mean", "lower", "upper")]
    assert found == pytest.approx([values.mean(), values.mean() - half, values.mean() + half])


def test_a_density_is_that_of_scipy_but_for_its_bins(rng):
    from crystallize_report.figures.estimates import density

    values = rng.normal(size=2000)
    where, heights = density(values, -5.0, 5.0, 120)
    quartiles = np.quantile(values, [0.25, 0.75])
    bandwidth = 0.9 * min(values.std(), np.diff(quartiles)[0] / 1.34) * 2000**-0.2
    exact = stats.gaussian_kde(values, bandwidth / values.std(ddof=1))(where)
    assert np.abs(heights - exact / exact.max()).max() < 0.02


def test_outliers_are_beyond_the_axis_and_counted(study, rng):
    values = [*rng.normal(size=999).tolist(), 1e9]
    picture = estimates(study({"one": {"x": values}}))
    assert picture.axes[0].get_xlim()[1] < 10
    assert "values lie outside of the axis" in picture.alt


def test_an_ecdf_steps_at_each_value_and_its_band_holds_for_all_of_it(study):
    picture = ecdf(study({"one": {"x": [3.0, 1.0, 2.0, 2.0]}}))
    (line,) = picture.axes[0].get_lines()
    assert line.get_xdata().tolist() == [1.0, 1.0, 2.0, 3.0]
    assert line.get_ydata().tolist() == [0.0, 0.25, 0.75, 1.0]
    top = picture.axes[0].collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == 1.0  # the half width for four values is sqrt(log(40) / 8) = 0.68


def test_an_ecdf_of_many_values_is_thinned_to_points_of_the_whole_curve(study, rng):
    values = rng.normal(size=3000)
    picture = ecdf(study({"one": {"x": values.tolist()}}))
    (line,) = picture.axes[0].get_lines()
    x, shares = line.get_xdata()[1:], line.get_ydata()[1:]
    assert len(x) == 400 and x[0] == values.min() and x[-1] == values.max()
    assert shares.tolist() == [(values <= v).mean() for v in x]
    assert "at 400 quantiles" in picture.alt


def test_pairs_are_points_and_their_differences_a_histogram(compared):
    picture = paired(compared, "more")
    left, right = picture.axes
    points = left.get_lines()[0]
    assert points.get_xdata().tolist() == SHIFTED["base"]["x"]
    assert points.get_ydata().tolist() == SHIFTED["more"]["x"]
    assert sum(bar.get_height() for bar in right.patches) == 4
    row = compared.sections["compare"][1]
    segment = right.collections[0].get_segments()[0][:, 0]
    assert segment.tolist() == pytest.approx([row["lower"], row["upper"]])


def test_many_pairs_are_counted_in_hexagons(study, rng):
    columns = {name: {"x": rng.normal(size=900).tolist()} for name in ("one", "two")}
    picture = paired(study(columns))
    assert picture.axes[0].collections[0].get_array().sum() == 900
    assert "counted in hexagons" in picture.alt


def test_conditions_with_streams_of_their_own_are_no_pairs(study):
    result = study(
        {name: {"x": [1.0, 2.0]} for name in ("one", "two")},
        factors={"one": {"n": 1}, "two": {"n": 2}},
        streams=["n"],
    )
    assert not any(drawn.name.startswith("pairs") for drawn in fitting(result))
    with pytest.raises(CrystallizeError, match="streams of their own"):
        paired(result)


def test_a_running_mean_ends_at_the_mean_within_what_may_be_said_at_any_time(study):
    hits = [True] * 930 + [False] * 70
    picture = running_mean(study({"one": {"hit": hits}}))
    (line,) = picture.axes[0].get_lines()
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (10, 1000)
    assert (line.get_ydata()[0], line.get_ydata()[-1]) == (1.0, 0.93)
    # The docstring of ProportionSequence has these bounds.
    last = picture.data[-1]
    assert (round(last["lower"], 4), round(last["upper"], 4)) == (0.9031, 0.9522)


@pytest.fixture(scope="module")
def ranked(study):
    """Three methods in the same order on each of six data sets, but for one tie."""
    sets = grid(method=["a", "b", "c"], data=[1, 2, 3, 4, 5, 6])
    level = {"a": 3.0, "b": 2.0, "c": 1.0}
    columns = {
        name: {"score": [level[own["method"]] if own != {"method": "b", "data": 6} else 3.0] * 2}
        for name, own in sets.items()
    }
    return study(columns, Compare(datasets="data"), factors=sets)


def test_ranks_are_those_of_the_section_or_worked_out_the_same_without_it(ranked):
    from_section = critical_difference(ranked)
    computed = critical_difference(ranked, datasets="data")
    assert [row["rank"] for row in computed.data] == [6.5 / 6, 11.5 / 6, 3.0]
    # Demšar (2006), table 5: q = 2.343 for three methods at 5%.
    assert computed.data[0]["critical_difference"] == pytest.approx(2.343 * (12 / 36) ** 0.5, 1e-3)
    for key in ("rank", "critical_difference", "p"):
        assert [row[key] for row in from_section.data] == pytest.approx(
            [row[key] for row in computed.data]
        )
    assert [row["method"] for row in from_section.data] == ["a", "b", "c"]
    assert "6 data sets and 3 methods are few" in computed.alt
    assert "Not told apart: a to b; b to c" in computed.alt


def test_friedmans_p_value_is_that_of_scipy_in_iman_and_davenports_form(rng):
    from crystallize_report.figures.critical import _friedman

    values = rng.integers(0, 4, (12, 5)).astype(float)
    chi2 = stats.friedmanchisquare(*values.T).statistic
    f = 11 * chi2 / (12 * 4 - chi2)
    ranks = np.array([stats.rankdata(row) for row in values])
    assert _friedman(ranks) == pytest.approx(stats.f.sf(f, 4, 44))


def test_failures_stand_at_their_replicates_with_what_share_they_are(study):
    wrong = ValueError("no")
    columns = {
        "fine": {"x": [1.0] * 4},
        "bad": {"x": [1.0, wrong, wrong, 2.0]},
        "worse": {"x": [wrong, wrong, wrong, 1.0]},
    }
    picture = failures(study(columns))
    (axes,) = picture.axes
    ticks = [[float(s[0, 0]) for s in part.get_segments()] for part in axes.collections]
    assert ticks == [[1, 2], [0, 1, 2]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["bad  50%", "worse  75%"]
    assert "5 of 12 cells failed" in picture.alt and "ValueError 5" in picture.alt
    assert "1 conditions without a failure" in picture.alt


def test_every_kind_of_result_has_the_figures_that_it_has_what_it_takes_for(study):
    nan, wrong = float("nan"), ValueError("no")
    of = {
        "all failed": {"a": {"x": [wrong] * 3}, "b": {"x": [wrong] * 3}},
        "nan only": {"a": {"x": [nan] * 3}, "b": {"x": [nan] * 3}},
        "text": {"a": {"x": ["low"] * 3}},
        "some missing": {"a": {"x": [1.0, nan, 3.0]}, "b": {"x": [wrong, 2.0, 5.0]}},
        "infinite": {"a": {"x": [1.0, float("inf"), 3.0]}, "b": {"x": [1.0, 2.0, -1e200]}},
        "one replicate": {"a": {"x": [1.0]}, "b": {"x": [2.0]}},
    }
    names = {}
    for kind, columns in of.items():
        figures = fitting(study(columns, Compare()))
        assert all(svg(drawn) for drawn in figures), kind
        names[kind] = [drawn.name for drawn in figures]
    assert names["all failed"] == ["failures"]
    assert names["nan only"] == names["text"] == []
    every = ["differences-x", "estimates-x", "ecdf-x", "running-x", "pairs-x-b"]
    assert names["some missing"] == ["failures", *every]
    assert names["one replicate"] == every


def test_a_run_that_kept_no_values_has_the_figures_that_need_none(study):
    sets = {f"n={n}": {"n": n} for n in (1, 2, 3)}
    columns = {name: {"hit": [True, False], "x": [0.5, 2.5]} for name in sets}
    result = study(columns, factors=sets, keep="summary")
    figures = {drawn.name: drawn for drawn in fitting(result)}
    assert list(figures) == ["curve-hit", "estimates-hit", "estimates-x"]
    assert [row["mean"] for row in figures["estimates-x"].data] == [1.5] * 3
    with pytest.raises(ValuesNotKeptError):
        ecdf(result)


def test_what_is_not_there_is_an_error_that_says_what_is(compared, study):
    with pytest.raises(UnknownNameError, match=r"There is no metric 'z'.*Known: 'x'"):
        forest(compared, "z")
    with pytest.raises(UnknownNameError, match="Known: 'base', 'same', 'more'"):
        paired(compared, "z")
    with pytest.raises(CrystallizeError, match="aggregators = \\['compare'\\]"):
        forest(study({"one": {"x": [1.0]}}))
    with pytest.raises(CrystallizeError, match="no cell failed"):
        failures(compared)


def test_of_many_conditions_the_first_are_drawn_and_the_rest_is_said(study):
    sets = {f"n={n}": {"n": n} for n in range(60)}
    result = study({name: {"x": [1.0, 2.0]} for name in sets}, factors=sets)
    picture = estimates(result)
    assert len(picture.data) == 40
    assert "The first 40 of 60 conditions are drawn." in picture.alt
    assert "left out" in ecdf(result).alt


def test_many_panels_of_many_values_are_no_larger_figures(study, rng):
    sets = {f"n={n}": {"n": n} for n in range(12)}
    result = study({name: {"x": rng.normal(size=900).tolist()} for name in sets}, factors=sets)
    for figure in (ecdf(result), running_mean(result)):
        assert len(figure.axes) == 12
        assert len(svg(Drawn("panels", "Panels", lambda figure=figure: figure))) < 100_000


@pytest.fixture(scope="module")
def large():
    """A million replicates of two conditions."""
    rng = np.random.default_rng(1)
    names = [f"n={n}" for n in (10, 20)]
    return Result(
        metrics={name: {"x": rng.standard_t(3, 10**6), "hit": rng.random(10**6) < 0.9}
                 for name in names},
        done={name: np.ones(10**6, bool) for name in names},
        errors=[], root=1, baseline=names[0], provenance={},
        factors={name: {"n": int(name[2:])} for name in names},
    )  # fmt: skip


def test_a_million_replicates_are_figures_of_a_hundred_kilobytes(large):
    sizes = {drawn.name: len(svg(drawn)) for drawn in fitting(large)}
    assert max(sizes.values()) < 100_000, sizes
    assert {"estimates-x", "ecdf-x", "running-x", "pairs-x-n-20", "estimates-hit"} <= set(sizes)
