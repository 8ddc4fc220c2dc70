"""Sections that are rows are shown under the summary, others are not."""

from crystallize import Experiment, hookimpl
from crystallize.results.section_tables import section_tables


def sections_as_text(sections):
    return "".join(f"\n\n{table.text()}" for table in section_tables(sections))


class Adds:
    def __init__(self, **sections):
        self.sections = sections

    @hookimpl
    def extend_result(self):
        return self.sections


def run(**sections):
    return Experiment(lambda: 1.0, replicates=2, aggregators=[Adds(**sections)]).run()


ROWS = [
    {"condition": "a", "measure": "bias", "value": 0.123456, "n": 10, "empty": None},
    {"condition": "a", "measure": "coverage", "value": None, "n": 10, "empty": None},
]


def test_a_section_of_rows_is_a_table_under_the_result():
    text = repr(run(performance=ROWS))
    assert text.splitlines()[2:] == [
        "",
        "performance: condition = a, n = 10",
        "measure    value",
        "bias      0.1235",
        "coverage       -",
    ]


def test_html_has_the_same_escaped():
    html = run(performance=[{"<b>": "<i>", "x": 1.5}, {"<b>": "j", "x": 2.0}])._repr_html_()
    assert "<p>performance</p><table>" in html
    assert "<th>&lt;b&gt;</th>" in html
    assert ">&lt;i&gt;</td><td>1.5</td>" in html


def test_what_is_no_rows_is_not_shown():
    others = {"a": {"b": 1}, "b": [], "c": [1, 2], "d": [{"x": [1]}], "e": "text", "f": [{}]}
    assert section_tables(others) == []
    assert len(repr(run(**others)).splitlines()) == 2


def test_one_row_has_its_names_in_the_heading():
    rows = [{"treatment": "b", "n": 4, "difference": 0.5, "p": 0.01}]
    assert sections_as_text({"compare": rows}) == (
        "\n\ncompare: treatment = b, n = 4\ndifference     p\n       0.5  0.01"
    )


def test_rows_that_are_all_the_same_are_shown():
    assert sections_as_text({"s": [{"a": "x"}, {"a": "x"}]}) == "\n\ns\na\nx\nx"


def test_true_is_not_one_and_a_column_may_be_missing():
    rows = [{"a": True, "b": 1}, {"a": 1}]
    assert sections_as_text({"s": rows}) == "\n\ns\na     b\nTrue  1\n1     -"


def test_long_texts_stand_below():
    long = "a text that is too long for a column, " * 2
    rows = [{"a": 1.5, "note": long}, {"a": 2.5, "note": None}, {"a": 3.5, "note": long}]
    assert sections_as_text({"s": rows}).splitlines()[2:] == [
        "s", "  a  note", "1.5  [1]", "2.5  -", "3.5  [1]", f"[1] {long}",
    ]  # fmt: skip
