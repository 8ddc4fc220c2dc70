"""Tables for documents: Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crystallize.results.text_table import TextTable

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip
NEGATIVE = re.compile(r"(?<![\w.-])-(?=\d)")


def markdown(tables: Iterable[TextTable]) -> str:
    """The tables in GitHub's Markdown."""
    return "\n".join(map(_markdown, tables))


def latex(tables: Iterable[TextTable]) -> str:
    r"""The tables in LaTeX, each a ``tabular`` with the rules of the package booktabs."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def _markdown(table: TextTable) -> str:
    ruler = ["---:" if is_number else "---" for is_number in table.numbers]
    lines = [
        f"| {' | '.join(cells)} |"
        for cells in (
            [_for_markdown(column) for column in table.columns],
            ruler,
            *([_for_markdown(text) for text in row] for row in table.rows),
        )
    ]
    heading = [_for_markdown(table.heading), ""] if table.heading else []
    notes = [line for note in table.notes for line in ("", _for_markdown(note))]
    return "\n".join([*heading, *lines, *notes]) + "\n"


def _for_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)


def _latex(table: TextTable) -> str:
    layout = "".join("r" if is_number else "l" for is_number in table.numbers)
    rows = [" & ".join(map(_for_latex, row)) + r" \\" for row in table.rows]
    head = " & ".join(map(_for_latex, table.columns)) + r" \\"
    heading = [_for_latex(table.heading), ""] if table.heading else []
    notes = [line for note in table.notes for line in ("", _for_latex(note))]
    lines = [
        *heading,
        rf"\begin{{tabular}}{{{layout}}}",
        r"\toprule", head, r"\midrule", *rows, r"\bottomrule",
        r"\end{tabular}",
        *notes,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _for_latex(text: str) -> str:
    escaped = "".join(SPECIAL.get(letter, letter) for letter in text)
    return "--" if text == "-" else NEGATIVE.sub("$-$", escaped)
