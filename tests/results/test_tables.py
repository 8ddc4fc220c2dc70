"""A summary as people see it: one line a row, whatever the names are."""

from html.parser import HTMLParser

from crystallize import Experiment
from crystallize.description.summarized import COUNTS, DEFAULT
from crystallize.printable import one_line
from crystallize.results.tables import counted, summary_table


def as_text(rows, failed):
    return summary_table(rows, counted(failed, 0, see=True)).text()


def as_html(rows, failed):
    return summary_table(rows, counted(failed, 0)).html()


def row(**values):
    names = {"condition": "c", "metric": "m", "n": 3, "failed": 0}
    return {**dict.fromkeys(("condition", "metric", *COUNTS, *DEFAULT)), **names, **values}


def test_the_table_shows_every_condition_and_metric(result):
    lines = repr(result).splitlines()
    assert lines[0].split() == [
        "condition", "scale", "metric", "n", "failed", "mean", "sd", "mcse", "min", "max",
    ]  # fmt: skip
    assert len(lines) == 1 + 2 * 7 + 1
    assert lines[-1] == "1 cell failed; see .errors"


def test_html_escapes_names():
    html = (
        Experiment(lambda x: {"<script>": 1.0}, {"<b>&": {"x": 1}}, replicates=2)
        .run()
        ._repr_html_()
    )
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;&amp;" in html


def test_names_are_at_the_left_and_numbers_at_the_right():
    lines = as_text([row(mean=0.5), row(condition="longer", mean=1234567.0)], failed=0).splitlines()
    assert lines[1].startswith("c          m       3")
    assert lines[2].startswith("longer     m       3")
    means = ("mean", "0.5", "1.23457e+06")
    ends = {line.index(mean) + len(mean) for line, mean in zip(lines, means, strict=True)}
    assert len(ends) == 1


def test_what_does_not_exist_is_a_dash():
    assert as_text([row()], failed=0).splitlines()[1].split() == ["c", "m", "3", "0", *"-----"]


def test_cells_that_failed_are_counted_below():
    assert as_text([], failed=1).endswith("\n1 cell failed; see .errors")
    assert as_text([], failed=2).endswith("\n2 cells failed; see .errors")
    assert as_html([], failed=2).endswith("<p>2 cells failed</p>")


def test_html_has_a_cell_for_each_column():
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append(tag)

    Reader().feed(as_html([row(), row()], failed=0))
    assert (found.count("th"), found.count("td"), found.count("p")) == (9, 18, 0)


def test_a_name_is_on_one_line_and_can_still_be_told():
    assert one_line("two\nlines\t\0😀") == "two\\nlines\\t\\x00😀"
