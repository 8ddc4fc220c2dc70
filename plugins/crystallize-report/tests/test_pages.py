"""A report is a page that loads nothing, runs nothing of others, and can be read by everyone."""

import base64
import contextlib
import hashlib
import json
import re
import sys
import uuid
from itertools import pairwise

import crystallize_report
import numpy as np
import pytest
from click.testing import CliRunner
from crystallize_report.budget import FIGURES

from crystallize import CellError, Experiment, InvalidValueError, Result, grid
from crystallize.cli import main

NAMES = {
    "script": "</script><script>alert(1)</script>",
    "quotes": """it's "so-called" & <b>bold</b> 'x' onload=alert(1)""",
    "emoji": "👩‍🔬 naïve ✓",
    "right to left": "العلاج وحده",
    "override": "abc\u202edcba\x00\x1b[31m\ud800",
    "template": "{{ 7 * 7 }}{% raw %}",
    "long": "long " * 2000,
}


def noisy(rng, shift=0.0):
    return {"x": rng.normal() + shift, "hit": bool(rng.random() < 0.5)}


@pytest.fixture
def study():
    return Experiment(noisy, {"a": {}, "b": {"shift": 0.5}}, replicates=40, seed=3).run()


def levels(page):
    return [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]


def test_a_page_loads_nothing_and_runs_only_what_its_policy_names(study, page_of):
    page = page_of(study)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        assert page.count(tag) == 1
        digest = hashlib.sha256(page.inside(tag).encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not page.count("link") and not page.attributes("style") and not page.attributes("src")
    assert all(href.startswith(("#", "data:")) for href in page.attributes("href"))
    assert "url(" not in page.inside("style") and "@import" not in page.inside("style")
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_figures_are_in_the_page_with_what_they_show_in_words_and_nothing_but_attributes(page_of):
    result = run(noisy, {"a": {}, "b": {"shift": 1}}, keep="summary")
    page = page_of(result, figures=True)
    assert page.count("svg") > 0 and not page.attributes("style") and page.count("style") == 1
    assert (
        not page.attributes("src") and not page.count("image") and not page.count("foreignObject")
    )
    titles = [a["aria-labelledby"] for tag, a in page.tags if tag == "svg"]
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)) and {i for title in titles for i in title.split()} <= set(ids)
    assert page.file("figure-estimates-x.csv").startswith("condition,")
    assert "Could not be drawn" not in page.text


def test_it_has_landmarks_and_headings_in_order_and_tables_that_say_what_they_are(study, page_of):
    page = page_of(study)
    assert [page.count(tag) for tag in ("header", "main", "footer", "nav", "h1")] == [1] * 5
    found = levels(page)
    assert all(after <= before + 1 for before, after in pairwise(found))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    named = [
        *page.attributes("aria-labelledby"),
        *(h[1:] for h in page.attributes("href") if h[0] == "#"),
    ]
    assert set(named) <= set(ids)
    assert page.count("table") == page.count("figcaption") > 2
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in page.tags if tag == "th")
    assert next(attrs for tag, attrs in page.tags if tag == "html")["lang"] == "en"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_whatever_things_are_called_they_are_read_and_not_run(name, page_of):
    error = CellError(name, 1, 5, name, name, f"Traceback\n{name}", 1)
    metrics = {
        "base": {name: np.array([1.0, 2.0, 3.0])},
        name: {name: np.array([2.0, np.nan, 3.5])},
    }
    done = {"base": np.ones(3, bool), name: np.array([True, False, True])}
    row = {"condition": name, name: name, "measure": "bias", "value": 0.5, "mcse": 0.1}
    provenance = {
        "experiment": name,
        "function": {"name": name, "module": "m", "doc": f"{name}\n\nAims\n----\n{name}"},
        "conditions": {"base": {name: 1}, name: {name: name}},
        "git": {"commit": name},
        "plugins": [
            {"name": name, "kind": "aggregator", "distribution": name, "options": {name: name}}
        ],
    }
    result = Result(
        metrics, done, [error], 5, "base", provenance,
        sections={
            name: [row], "other": {name: [name]}, "performance": [row], "metrics": [row],
            "a b": [row], "a-b": [row],
        },
        factors={"base": {name: "base"}, name: {name: name}},
    )  # fmt: skip
    page = page_of(result)
    assert page.count("script") == 1 and not page.count("b")
    assert not [n for _, attrs in page.tags for n in attrs if n.startswith("on")]
    spelled = name.replace("\u202e", r"\u202e").replace("\x00", r"\x00").replace("\x1b", r"\x1b")
    assert spelled.replace("\ud800", r"\ud800")[:50] in page.text
    assert not re.search("[\x00\x1b\u202e]", page.text)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert page.count("bdi") > 0 or name.isascii() or "\u202e" in name


def run(function, conditions=None, replicates=5, **options):
    return Experiment(function, conditions, replicates=replicates, seed=1, **options).run()


def shifted(rng, shift, other):
    return {"x": rng.normal() + shift + other}


def failing(replicate):
    raise ValueError(f"no {replicate}")


def nothing():
    return {}


CASES = {
    "one condition": lambda: run(noisy),
    "one replicate": lambda: run(noisy, replicates=1),
    "200 conditions": lambda: run(shifted, grid(shift=list(range(20)), other=list(range(10)))),
    "all failed": lambda: run(failing, {"a": {}, "b": {}}),
    "NaN only": lambda: run(lambda: {"x": float("nan"), "y": float("inf")}),
    "text metrics": lambda: run(lambda replicate: {"label": f"kind {replicate}"}),
    "no metrics": lambda: run(nothing),
    "arrays": lambda: run(lambda rng: {"x": rng.normal(size=3)}),
    "summaries": lambda: run(noisy, {"a": {}, "b": {"shift": 1}}, keep="summary"),
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_came_of_it_there_is_a_page(case, page_of):
    page = page_of(CASES[case]())
    assert "What was asked" in page.text and "Run it again" in page.text
    said = {
        "200 conditions": "200 conditions of 5 replicates, 1,000 cells",
        "all failed": "10 of 10 cells failed (100%)",
        "no metrics": "There are no metrics",
        "text metrics": "No numbers, so no mean either: label",
        "summaries": "summaries only",
    }
    assert said.get(case, "No cell failed") in page.text


@pytest.mark.parametrize("value", [None, 3, "text", [1], {"a": 1}, [[1]], {"a": {"b": [None]}}])
def test_a_provenance_of_strangers_may_hold_anything(value, page_of):
    keys = (
        "experiment", "function", "conditions", "seed", "execution", "plugins", "versions", "git",
        "store", "until", "stopped", "plugin_errors", "opaque", "generations", "seconds", "started",
    )  # fmt: skip
    result = Result(
        {"a": {"x": np.ones(2)}}, {"a": np.ones(2, bool)}, [], 1, "a", dict.fromkeys(keys, value)
    )
    assert "Results" in page_of(result).text


def test_the_same_result_gives_the_same_bytes_whoever_writes_them(tmp_path):
    study = run(noisy, keep="summary")
    study.save(tmp_path / "study.zip")
    study.export(tmp_path / "one.html")
    arguments = ["report", str(tmp_path / "study.zip"), "--figures", str(tmp_path / "figures")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    first, *others = done.output.splitlines()
    assert first == str(tmp_path / "study.html")
    assert set(others) == set(map(str, (tmp_path / "figures").iterdir()))
    assert {name.rpartition(".")[2] for name in others} == {"svg", "pdf", "png", "csv"}
    crystallize_report.write(tmp_path / "study.zip", tmp_path / "two.html")
    pages = {(tmp_path / name).read_bytes() for name in ("one.html", "study.html", "two.html")}
    assert len(pages) == 1
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("one.html", "two.html")} == {
        0o600
    }


def test_forty_conditions_of_twenty_metrics_take_less_than_three_megabytes():
    def trial(rng, a, b):
        return {f"metric_{i}": value for i, value in enumerate(rng.normal(size=20) + a * b)}

    sets = grid(a=list(range(8)), b=[0.1, 0.2, 0.3, 0.4, 0.5])
    result = run(trial, sets, replicates=30, keep="summary")
    row = {
        "condition": "a=0,b=0.1",
        "a": 0,
        "b": 0.1,
        "measure": "bias",
        "value": 0.12,
        "mcse": 0.1,
    }
    result.sections["performance"] = [{**row, "estimator": f"metric_{i}"} for i in range(10_000)]
    text = crystallize_report.html(result, figures=False)
    assert len(text.encode()) < 3_000_000 - FIGURES
    assert "more rows have no room here" in text


def test_a_store_is_read_and_nothing_that_it_names_is_imported(tmp_path, page_of):
    name = f"gone_{uuid.uuid4().hex}"
    module = tmp_path / f"{name}.py"
    module.write_text(
        'def trial(replicate):\n    """How large."""\n    return {"x": 1.0 * replicate}\n'
    )
    config = tmp_path / "config.toml"
    config.write_text(f'[experiment]\nfunction = "{name}:trial"\nreplicates = 30\nseed = 4\n')
    store = tmp_path / "cells.db"
    Experiment.from_config(config, store=store).run()
    module.write_text("raise SystemExit('imported')")
    sys.modules.pop(name)
    page = page_of(store)
    assert name not in sys.modules
    assert "How large." in page.text and "1 condition of 30 replicates" in page.text
    assert page.rows("metrics")[1][:3] == ["baseline", "x", "30"]
    assert "holds cells and no conclusions" in page.text


def test_what_is_no_store_and_no_result_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    done = CliRunner().invoke(main, ["report", str(tmp_path / "notes.txt")])
    assert done.exit_code == 2
    assert "notes.txt" in done.output and "Traceback" not in done.output
    for arguments in (["notes.html"], ["notes.txt", "-o", "notes.txt"]):
        (tmp_path / arguments[0]).write_text("notes")
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(main, ["report", *arguments])
        assert done.exit_code == 2 and (tmp_path / arguments[0]).read_text() == "notes"
    nowhere = tmp_path / "no" / "where.html"
    run(noisy).save(tmp_path / "r.zip")
    done = CliRunner().invoke(main, ["report", str(tmp_path / "r.zip"), "-o", str(nowhere)])
    assert done.exit_code == 3 and "could not be written" in done.output


def test_a_certificate_is_shown_and_that_of_another_seed_is_refused(study, tmp_path, page_of):
    ways = [
        {"strategy": "serial", "workers": 1, "digest": "00ff", "seconds": 0.5, "same": True},
        {"strategy": "parallel", "workers": 2, "digest": "00ff", "seconds": 0.7, "same": True},
    ]
    certificate = {
        "same": True, "seed": 3, "replicates": 2, "of": 40, "conditions": ["a", "b"], "cells": 4,
        "rows": ways, "not_tried": [{"strategy": "dask", "why": "no workers"}],
    }  # fmt: skip
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(certificate))
    page = page_of(study, certificate=file)
    assert "Verified: 4 cells (replicates 0 to 1 of 40) came out the same" in page.text
    assert [row[0] for row in page.rows("certificate")] == ["strategy", "serial", "parallel"]
    assert "not tried: dask: no workers" in page.text
    with pytest.raises(InvalidValueError, match="whose seed is 3"):
        crystallize_report.html(study, certificate=certificate | {"seed": 4})
    with pytest.raises(InvalidValueError, match="verify --json"):
        crystallize_report.html(study, certificate={"rows": []})


@pytest.mark.parametrize("place", ["n" * 5_000, "round"])
def test_a_place_where_no_file_can_be_is_refused_in_a_sentence(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(noisy).save("study.zip")
    (tmp_path / "round").symlink_to("back")
    (tmp_path / "back").symlink_to("round")
    for arguments in ([place], ["study.zip", "--no-figures", "-o", place]):
        ended = CliRunner().invoke(main, ["report", *arguments])
        assert isinstance(ended.exception, SystemExit), ended.exception
        assert ended.exit_code in (2, 3)
        assert "Error: " in ended.output
