"""A table of texts, and how it is shown on a page, in a terminal, in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType

GAP = "  "
LETTERS = 80
"""How long a text is on a page; of a longer one its beginning stands there."""
NOTES = 20

Pictures = Mapping[str, Callable[[int], str]]
"""Heading -> the HTML of what is drawn beside a row, which may be nothing."""


def shortened(text: str) -> str:
    """A text, or the beginning of one that is long."""
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


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
    columns : int or None
        How many columns there are on a page; of more the first and the last half of so many.
    """

    rows: int | None = None
    width: int | None = None
    everything: str = ""
    columns: int | None = None


UNLIMITED = Room()
ON_A_PAGE = Room(rows=60, columns=40)
"""A browser lays all of a table out, and a notebook keeps it."""
NO_PICTURES: Pictures = MappingProxyType({})
_ELSE = "…"


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

    def html(self, room: Room = UNLIMITED, pictures: Pictures = NO_PICTURES) -> str:
        """The same in HTML, everything escaped, with what is drawn beside the rows."""
        rows = _ends(len(self.rows), room.rows)
        columns = _ends(len(self.columns), room.columns)
        drawn = {
            name: [draw(place) if place is not None else "" for place in rows]
            for name, draw in pictures.items()
        }
        drawn = {name: found for name, found in drawn.items() if any(found)}
        names = [_ELSE if place is None else self.columns[place] for place in columns]
        head = "".join(f"<th>{_on_page(name)}</th>" for name in (*names, *drawn))
        lines = []
        for number, place in enumerate(rows):
            if place is None:
                more = f"… {len(self.rows) - len(rows) + 1} rows more"
                text = f"{more}{room.everything and '; ' + room.everything}"
                span = len(columns) + len(drawn)
                lines.append(f'<tr><td colspan="{span}">{escape(text)}</td></tr>')
                continue
            cells = [self._cell(place, column) for column in columns]
            cells += [f"<td>{found[number]}</td>" for found in drawn.values()]
            lines.append(f"<tr>{''.join(cells)}</tr>")
        heading = f"<p>{escape(self.heading)}</p>" if self.heading else ""
        notes = [shortened(note) for note in self.notes]
        if room.rows is not None and len(notes) > NOTES:
            notes = [*notes[:NOTES], f"… {len(notes) - NOTES} notes more"]
        below = "".join(f"<p>{escape(note)}</p>" for note in notes)
        body = "".join(lines)
        return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"

    def _cell(self, row: int, column: int | None) -> str:
        if column is None:
            return f"<td>{_ELSE}</td>"
        # Each text has its own direction, so that none turns those beside it around.
        start = "" if self.numbers[column] else ' dir="auto" style="text-align: start"'
        return f"<td{start}>{_on_page(self.rows[row][column])}</td>"

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


def _ends(count: int, most: int | None) -> list[int | None]:
    """The places of what is shown; ``None`` stands for those that are left out."""
    if most is None or count <= most:
        return list(range(count))
    half = most // 2
    return [*range(half), None, *range(count - half, count)]


def _on_page(text: str) -> str:
    return escape(shortened(text))
