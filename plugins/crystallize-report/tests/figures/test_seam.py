"""Which figures there are of a result, as text of a page and as files."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from crystallize_report.figures import fitting, save, svg

HOSTILE = {
    "script": "</script><b a=\"x\" id='y'>&amp;",
    "maths": "$x^2$ and $\\frac{1",
    "emoji": "😀 中文 \U0001f469\u200d\U0001f52c",
    "right to left": "שלום العربية",
    "long": "x" * 10_000,
    "control": "\x1b[31m\x00",
}


@pytest.fixture(scope="module")
def result(study):
    rng = np.random.default_rng(20190417)
    columns = {name: {"x": rng.normal(size=30).tolist()} for name in HOSTILE.values()}
    return study(columns, "compare")


@pytest.fixture(scope="module")
def drawn_as(result):
    """Each figure with its text."""
    return [(drawn, svg(drawn)) for drawn in fitting(result)]


def test_the_same_result_gives_the_same_bytes_of_every_file(result, drawn_as, tmp_path):
    for folder in ("one", "two"):
        written = save(fitting(result)[0], tmp_path / folder)
        assert [path.name for path in written] == [
            f"differences-x.{ending}" for ending in ("svg", "pdf", "png", "csv")
        ]
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    again = [svg(drawn) for drawn in fitting(result)[:3]]
    assert again == [text for _, text in drawn_as[:3]]


def test_names_are_those_of_files_and_ids_are_of_one_figure_alone(drawn_as):
    assert all(re.fullmatch(r"[a-z0-9-]+", drawn.name) for drawn, _ in drawn_as)
    ids = [
        own
        for _, text in drawn_as
        for element in ElementTree.fromstring(text).iter()
        if (own := element.get("id"))
    ]
    assert len(ids) == len(set(ids)) > 0


def test_a_page_takes_a_figure_in_without_styles_scripts_requests_or_colours_of_its_own(drawn_as):
    for drawn, text in drawn_as:
        tags = {element.tag.split("}")[1] for element in ElementTree.fromstring(text).iter()}
        assert tags <= {"svg", "title", "desc", "g", "path", "defs", "use", "text", "clipPath",
                        "rect", "image"}  # fmt: skip
        assert text.count("style=") == 1  # that of the whole, for its size
        assert "currentColor" in text and "#1b1c1e" not in text and "#ffffff" not in text
        assert all(link.startswith(f"#{drawn.name}-") for link in re.findall(r'href="(.*?)"', text))
        assert "</script>" not in text


def test_an_image_says_in_words_what_it_shows(drawn_as):
    for drawn, text in drawn_as:
        root = ElementTree.fromstring(text)
        words = [child.text for child in root if child.tag.endswith(("title", "desc"))]
        assert words == [drawn.title, drawn.alt]
        assert root.get("role") == "img" and re.search(r"\d", drawn.alt)


def test_names_are_drawn_as_they_are_on_one_line_and_shortened(drawn_as):
    texts = [
        element.text
        for _, text in drawn_as
        for element in ElementTree.fromstring(text).iter()
        if element.text
    ]
    for name in ("maths", "right to left"):
        assert HOSTILE[name] in texts
    assert any(re.fullmatch("x{8,20}…x{8,20}", text) for text in texts)
    assert "\\x1b[31m\\x00" in texts
    assert max(map(len, texts)) < 4000


def test_the_data_behind_a_figure_is_beside_it(result, tmp_path):
    drawn = fitting(result)[0]
    with save(drawn, tmp_path)[3].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["treatment"] for row in rows] == list(HOSTILE.values())[1:]
    assert [float(row["difference"]) for row in rows] == [row["difference"] for row in drawn.data]


def test_figures_need_neither_pyplot_nor_a_display_and_leave_settings_alone():
    program = """
import sys, matplotlib
before = matplotlib.rcParams.copy()
from crystallize import Experiment
from crystallize_report.figures import fitting, svg
result = Experiment(lambda rng: rng.normal(), replicates=20, seed=1).run()
texts = [svg(drawn) for drawn in fitting(result)]
assert texts and "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams.copy() == before
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)
    assert done.stderr == b""
