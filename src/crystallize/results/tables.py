"""The rows of a summary as people see them: as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from crystallize.results.summary import SummaryRow

NAMES = 2
"""How many of the columns, at the left, hold names."""
RARE = ("nan", "warnings")


def as_text(rows: Sequence[SummaryRow], failed: int, warned: int = 0) -> str:
    """An aligned table, and how many cells failed and warnings there were, where any."""
    columns = _columns(rows)
    cells = [columns, *(tuple(_shown(row[column]) for column in columns) for row in rows)]
    lines = aligned(cells, [place >= NAMES for place in range(len(columns))])
    if failed:
        lines.append(f"{_failures(failed)}; see .errors")
    if warned:
        lines.append(f"{_warnings(warned)}; see .warnings")
    return "\n".join(lines)


def aligned(cells: Sequence[Sequence[str]], numbers: Sequence[bool]) -> list[str]:
    """The lines of a table; `numbers` says which columns hold some, and are at the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(line, widths, numbers, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def as_html(rows: Sequence[SummaryRow], failed: int, warned: int = 0) -> str:
    """The same as an HTML table, everything escaped."""
    columns = _columns(rows)
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(row[c]))}</td>" for c in columns) + "</tr>"
        for row in rows
    )
    note = f"<p>{_failures(failed)}</p>" if failed else ""
    if warned:
        note += f"<p>{_warnings(warned)}</p>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def one_line(name: object) -> str:
    """A name, which may hold anything, on one line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))


def _columns(rows: Sequence[SummaryRow]) -> tuple[str, ...]:
    """Those of the summary; the counts of what is rare only where there is some."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return tuple(c for c in columns if c not in RARE or any(row[c] for row in rows))


def _warnings(warned: int) -> str:
    return f"{warned} {'warning' if warned == 1 else 'warnings'}"


def _failures(failed: int) -> str:
    return f"{failed} {'cell' if failed == 1 else 'cells'} failed"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else one_line(value)
