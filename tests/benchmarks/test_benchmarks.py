"""The benchmarks' own parts: who runs when, what is judged how, what is written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.counts import KEPT, row_name
from benchmarks.figures import FIGURES, Figure, best, judged
from benchmarks.report import BEGIN, END, Report, duration
from benchmarks.timing import Row, Sample, interleave, rotated
from benchmarks.workloads import WORKERS, WORKLOADS

ROOT = Path(__file__).parents[2]


def row(seconds, replicates=1, **values):
    return Row(replicates, [seconds], {name: [value] for name, value in values.items()})


def measured(figures, workload, what):
    (found,) = [f for f in figures if f.workload == workload and what in f.what]
    return found


def test_contenders_run_in_turn_and_each_round_starts_one_further():
    ran = []

    def contender(name, seconds):
        def run():
            ran.append(name)
            return Sample(seconds, {"held": seconds * 2})

        return run

    runs = {name: contender(name, place) for place, name in enumerate("abc", start=1)}
    table = interleave(runs, {name: Row(10) for name in runs}, rounds=4)
    assert "".join(ran) == "abcbcacababc"
    assert table["b"].seconds == [2, 2, 2, 2]
    assert table["b"].each == 0.2
    assert table["b"].value("held") == 4


def test_nobody_in_turn_is_nobody():
    assert list(rotated([], 3)) == []


def test_a_row_is_its_median_with_the_least_and_the_most():
    seen = Row(2, [3.0, 1.0, 10.0])
    assert (seen.median, seen.each, seen.spread) == (3.0, 1.5, (1.0, 10.0))


@pytest.mark.parametrize(
    ("value", "at_most", "reached"),
    [
        (1.0, True, True),
        (1.01, True, False),
        (1.0, False, True),
        (0.99, False, False),
        (None, True, None),
        (float("nan"), False, None),
    ],
)
def test_a_bound_itself_is_within_it_and_what_was_not_measured_is_neither(value, at_most, reached):
    assert Figure("null", "cost", 1.0, at_most, value=value).reached is reached


def test_figures_are_computed_a_replicate():
    null = {
        "bare loop": row(0.01, 100_000),
        "limit": row(0.001, 100_000),
        "Pool.imap": row(0.03, 100_000),
        "joblib loky": row(0.06, 100_000),
        "crystallize serial": row(0.08, 100_000),
        "crystallize thread": row(0.17, 100_000),
        "crystallize process": row(0.02, 100_000),
        "crystallize-ml serial": row(0.2, 2_000),
    }
    figures = judged({"null": null})
    beyond = measured(figures, "null", "beyond the bare loop")
    assert beyond.value == pytest.approx(0.7)
    assert beyond.reached
    assert measured(figures, "null", "crystallize-ml").value == pytest.approx(125)
    assert measured(figures, "null", "best that uses workers").value == pytest.approx(1.5)
    assert not measured(figures, "null", "speed of the bare loop").reached
    assert measured(figures, "null", "thread").value == pytest.approx(2.125)
    assert {figure.workload for figure in figures} == {"null"}


def test_the_best_contender_is_neither_the_limit_nor_one_of_ours():
    table = {"limit": row(1), "crystallize serial": row(2), "mpire": row(4), "bare loop": row(3)}
    assert best({"tiny": table}, "tiny") == "bare loop"


def test_the_largest_that_was_grown_is_compared_with_ten_thousand():
    grown = {}
    for count, seconds, kept in ((10**4, 0.01, 20.0), (10**6, 1.3, 9.0)):
        grown[row_name("crystallize serial", count)] = Row(count, [seconds], {KEPT: [kept]})
    figures = judged({"growth": grown})
    assert measured(figures, "growth", "serial, a replicate").value == pytest.approx(1.3)
    assert measured(figures, "growth", "serial, bytes kept").reached
    assert measured(figures, "growth", "serial, bytes at the peak").reached is None
    assert measured(figures, "growth", "process, a replicate").reached is None


def test_every_figure_is_of_a_contender_that_its_workload_has():
    # Of the loops; the others name their rows themselves.
    tables = {
        name: {contender: row(1.0) for contender in workload.contenders}
        for name, workload in WORKLOADS.items()
    }
    figures = judged(tables)
    assert len(figures) == sum(figure.workload in WORKLOADS for figure, _ in FIGURES)
    assert all(figure.value is not None for figure in figures)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
@pytest.mark.parametrize("count", [1, 7, 100])
def test_the_limit_runs_every_replicate_once(workload, count):
    shares = workload.shares(count)
    assert len(shares) == WORKERS
    assert sorted(index for share in shares for index in share) == list(range(count))


def test_the_limit_divides_skewed_work_evenly():
    workload = WORKLOADS["skew"]
    seconds = workload.seconds
    assert seconds is not None
    loads = [sum(seconds[i] for i in share) for share in workload.shares(2_000)]
    assert max(loads) == pytest.approx(sum(loads) / WORKERS, rel=0.001)


def test_what_others_draw_is_what_crystallize_draws():
    from crystallize import Experiment

    workload = WORKLOADS["rng"]
    result = Experiment(workload.named, replicates=3, seed=2001).run()
    assert result.metrics["baseline"]["value"].tolist() == [workload.indexed(i) for i in range(3)]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1.5, "1.5 s"), (0.9999, "1 s"), (0.0123, "12.3 ms"), (36e-9, "36 ns"), (0.0, "0 ns")],
)
def test_durations_have_a_fitting_unit(seconds, shown):
    assert duration(seconds) == shown


def test_the_page_is_rewritten_between_its_markers_only(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    tables = {"start": {"python": row(0.01)}}
    report = Report({"cores": "2"}, {"rounds": 1}, tables, {"start": "whole"}, judged(tables), [])
    report.write_page(page)
    once = page.read_text()
    assert once.startswith(f"before\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\nafter\n")
    assert "old" not in once
    assert "| python | 10 ms | 10 ms | 10 ms |  |" in once
    report.write_page(page)
    assert page.read_text() == once
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place for measurements"):
        report.write_page(page)


def test_the_page_of_the_docs_has_the_markers():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)


def test_the_command_runs_a_workload_and_writes_what_it_measured(tmp_path):
    options = ["--only", "null", "--contenders", "bare loop", "crystallize serial"]
    options += ["--replicates", "50", "--rounds", "2", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "results.json").read_text())
    null = written["workloads"]["null"]
    assert set(null) == {"bare loop", "crystallize serial"}
    for found in null.values():
        assert found["replicates"] == 50
        assert len(found["seconds"]) == 2
        assert found["least"] <= found["median"] <= found["most"]
    beyond = written["figures"][0]
    each = {name: found["median"] / 50 * 1e6 for name, found in null.items()}
    assert beyond["value"] == pytest.approx(each["crystallize serial"] - each["bare loop"])
    assert "crystallize serial" in done.stdout


def test_every_step_of_a_replicate_can_be_measured():
    command = [sys.executable, "-m", "benchmarks.steps", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    steps = [line.split("|")[1].strip() for line in page.splitlines() if line.endswith("s |")]
    printed = [line.strip() for line in done.stdout.splitlines()]
    assert len(steps) == len(printed)
    for step, line in zip(steps, printed, strict=True):
        assert line.startswith(step)
