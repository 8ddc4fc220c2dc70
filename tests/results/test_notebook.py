"""A result in a notebook: everything there, escaped, and in so much room."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from crystallize import Experiment, Result, grid


class Page(HTMLParser):
    """What a browser sees of it; every element is closed by the one that it belongs to."""

    def __init__(self, html):
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def pictures(html):
    found = re.findall(r"<svg.*?</svg>", html)
    for svg in found:
        ET.fromstring(svg)
    return found


def test_it_has_what_there_is_of_every_kind(result):
    html = result._repr_html_()
    page = Page(html)
    assert "kinds, 2 conditions, 5 replicates, seed 1" in page.texts
    assert "scale: 1.0, 2.0" in page.texts
    failed = next(row for row in page.rows if row[1:2] == ["ValueError"])
    assert failed == ["wide", "ValueError", "1", "2", "two <b>"]
    # Numbers and yes or no have pictures; text, what is mixed, and arrays have none.
    assert len(pictures(html)) == 2 * 2 * 3


def test_comparisons_are_drawn_around_zero():
    def trial(rng, shift):
        return rng.normal() * (1 + shift / 50) + shift

    conditions = {"base": {"shift": 0}, "more": {"shift": 5}}
    result = Experiment(trial, conditions, replicates=20, aggregators=["compare"]).run()
    html = result._repr_html_().partition("compare:")[2]
    assert "difference, drawn" in html
    [svg] = pictures(html)
    zero, line, dot = ET.fromstring(svg)[1:]
    assert zero.get("stroke-dasharray")
    mark, left = (float(element.get("d").split()[0][1:]) for element in (zero, line))
    assert mark < 10 < 100 < left < float(dot.get("cx"))


@pytest.fixture(scope="module")
def many():
    """200 conditions with names of 10 kB, as bad as names can be."""

    def trial(rng, level):
        if level == 7:
            raise ValueError("</script>" * 1000)
        return {
            "</td><script>alert(1)</script>" + "m" * 10_000: rng.normal(),
            "אבג \u202e 😀": level,
        }

    names = [f"{place}\"'</script><b>\u202e😀" + "x" * 10_000 for place in range(200)]
    conditions = {name: {"level": place} for place, name in enumerate(names)}
    return Experiment(trial, conditions, replicates=3, seed=1, name="n" * 10_000)


def test_many_conditions_with_long_names_are_a_page_of_bounded_size(many):
    result = many.run()
    html = result._repr_html_()
    assert len(html) < 200_000
    page = Page(html)
    assert not {"script", "b"} & set(page.tags)
    assert "\u202e" not in html
    assert "… 340 rows more; print(result.text()) shows them" in html
    assert max(map(len, page.texts)) < 1000


def test_an_experiment_of_that_kind_too(many):
    html = many._repr_html_()
    assert len(html) < 60_000
    assert not {"script", "b"} & set(Page(html).tags)
    assert "… 140 rows more; experiment.conditions has them" in html


def test_many_factors_and_sections_are_a_page_of_bounded_size():
    sets = {f"c{i}": {f"p{j}": f"{i}-{j}" * 50 for j in range(200)} for i in range(100)}
    result = Experiment(lambda **levels: 1.0, sets, replicates=2).run()
    for place in range(30):
        result.sections[f"section {place}"] = [
            {"condition": c, "note": f"{place} {c}" * 99} for c in sets
        ]
    html = result._repr_html_()
    assert len(html) < 1_500_000
    assert "Not shown here: section " in html
    Page(html)


def test_secrets_are_shown_as_digests():
    conditions = {"a": {"api_key": "hunter2"}, "b": {"api_key": "hunter3"}}
    html = Experiment(lambda api_key: 1.0, conditions)._repr_html_()
    assert "hunter" not in html
    assert "secret sha256:" in html


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_what_has_no_numbers_has_no_pictures(keep):
    def trial(kind):
        if kind == "fails":
            raise ValueError
        return {"x": float("nan") if kind == "nan" else "text"}

    conditions = {kind: {"kind": kind} for kind in ("nan", "fails", "text")}
    html = Experiment(trial, conditions, replicates=4, keep=keep).run()._repr_html_()
    assert not pictures(html)
    Page(html)


def test_without_values_the_means_are_drawn_all_the_same():
    run = Experiment(lambda rng: rng.normal(), replicates=20, keep="summary").run()
    html = run._repr_html_()
    assert len(pictures(html)) == 1
    assert "mean, 95%" in html
    assert ">values<" not in html


@pytest.mark.parametrize("values", [[np.inf, 1, 2], [1e308, -1e308, 0], [5, 5, 5], [2**63, 1, 0]])
def test_values_at_the_edges_of_floats(values):
    html = Experiment(lambda replicate: float(values[replicate]), replicates=3).run()._repr_html_()
    assert "nan" not in html.partition("<svg")[2]
    pictures(html)
    Page(html)


def test_the_same_result_is_the_same_page(tmp_path):
    run = Experiment(
        lambda rng, n: rng.normal(size=n).mean(), grid(n=[2, 8]), replicates=40, seed=3
    ).run()
    run.save(tmp_path / "r.zip")
    assert Result.load(tmp_path / "r.zip")._repr_html_() == run._repr_html_()
