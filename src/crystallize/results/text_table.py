"""A table of texts, and how it is shown on a page, in a terminal, in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

GAP = "  "


@dataclass(frozen=True)
class Room:
    """How much of a table is shown.

    Attributes
    ----------
    rows : int or None
        How many rows; of a longer table the first and the last half of so many.
    width : int or None
        How many letters a line has; the columns of a wider table go on below.
    everything : str
        What shows all rows, as the line says that stands for those left out.
    """

    rows: int | None = None
    width: int | None = None
    everything: str = ""


UNLIMITED = Room()


@dataclass(frozen=True)
class TextTable:
    """A table that is laid out: texts in rows and columns.

    Attributes
    ----------
    columns : list of str
    rows : list of list of str
    numbers : list of bool
        Which columns hold numbers, and are at the right.
    names : int
        How many columns at the left say what a row is of.
    heading : str
        A line above; none where it is empty.
    notes : list of str
        Lines below.
    """

    columns: list[str]
    rows: list[list[str]]
    numbers: list[bool]
    names: int = 0
    heading: str = ""
    notes: list[str] = field(default_factory=list)

    def text(self, room: Room = UNLIMITED) -> str:
        """The lines of the table."""
        heading = [self.heading] if self.heading else []
        rows, left_out = self.rows, 0
        if room.rows is not None and len(rows) > room.rows:
            half = room.rows // 2
            left_out = len(rows) - 2 * half
            rows = [*rows[:half], *rows[-half:]]
        lines: list[str] = []
        for places in self._parts(rows, room.width):
            part = [[line[place] for place in places] for line in (self.columns, *rows)]
            shown = aligned(part, [self.numbers[place] for place in places])
            if left_out:
                more = f"… {left_out} rows more{room.everything and '; ' + room.everything}"
                shown.insert(1 + len(rows) // 2, more)
            lines += ["", *shown] if lines else shown
        return "\n".join([*heading, *lines, *self.notes])

    def html(self) -> str:
        """The same in HTML, everything escaped."""
        heading = f"<p>{escape(self.heading)}</p>" if self.heading else ""
        head = "".join(f"<th>{escape(column)}</th>" for column in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _parts(self, rows: Sequence[Sequence[str]], width: int | None) -> list[list[int]]:
        """The columns that stand beside one another: all, or as many as a line has room for."""
        names, others = list(range(self.names)), list(range(self.names, len(self.columns)))
        if width is None:
            return [names + others]
        widths = [max(map(len, column)) for column in zip(self.columns, *rows, strict=True)]
        start = sum(widths[place] + len(GAP) for place in names)
        parts, used = [list(names)], start
        for place in others:
            if used + widths[place] > width and len(parts[-1]) > len(names):
                parts.append(list(names))
                used = start
            parts[-1].append(place)
            used += widths[place] + len(GAP)
        return parts


def aligned(cells: Sequence[Sequence[str]], numbers: Sequence[bool]) -> list[str]:
    """The lines of a table; `numbers` says which columns hold some, and are at the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(line, widths, numbers, strict=True)
        ]
        lines.append(GAP.join(padded).rstrip())
    return lines
