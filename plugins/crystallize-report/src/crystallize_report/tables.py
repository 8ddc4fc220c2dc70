"""Rows of data as a table of a page: what is shown of each, and how."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from crystallize.plugins import as_sure_as
from crystallize_report.texts import Names, shortened, visible

Row = Mapping[str, Any]
NAMES = (
    "condition", "treatment", "baseline", "measure", "metric", "estimator", "probability",
    "hypothesis", "claim",
)  # fmt: skip
"""Columns that say what a row is of."""
KNOWN_AS_WELL = ("value", "mean", "estimate", "difference", "lower", "upper", "mcse")
"""Columns that are known as well as the Monte Carlo error in the same row says."""
HEADS = {
    "mcse": "MCSE", "p_adjusted": "p adjusted", "sd": "SD", "nan": "NaN", "p_exact": "p exact",
    "effect_lower": "effect lower", "effect_upper": "effect upper", "half_width": "half width",
    "effect_measure": "effect measure", "pairing_gain": "pairing gain",
    "replicates_saved": "replicates saved",
}  # fmt: skip
DIGITS = 4
SD_DIGITS = 3
FILTERED = range(2, 41)
"""How many levels a column has by which a table can be filtered."""


@dataclass
class Column:
    """One column: what it is called, and whether its cells are numbers."""

    key: str
    head: str
    is_number: bool
    is_filter: bool = False


@dataclass
class Table:
    """A table that is laid out.

    Attributes
    ----------
    name : str
        Of the file that its data have, without the ending.
    caption : str
    columns : list of Column
    rows : list of list of str
    remarks : list of str
        For each row what is to be said of it, empty where nothing; no list where no row has any.
    heading : str
        What is the same in all rows.
    notes : list of str
    left_out : int
        Rows for which there is no room.
    csv : str
        The data behind it, empty where there was no room.
    """

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[str]]
    heading: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    data: Sequence[Row] = ()
    csv: str = ""

    @property
    def href(self) -> str:
        """The data as an address that holds them."""
        return "data:text/csv;charset=utf-8," + quote(self.csv, safe="/:;,?@&=+$-_.!~*'()")


def laid_out(
    name: str,
    caption: str,
    rows: Sequence[Row],
    names: Names,
    levels: Collection[str] = (),
    *,
    leave_out: Collection[str] = (),
    notes: Sequence[str] = (),
    in_full: bool = False,
) -> Table:
    """Rows as a table, without columns that hold nothing.

    Parameters
    ----------
    name, caption : str
    rows : sequence of mapping
    names : Names
        What conditions are called.
    levels : collection of str
        The columns of factors.
    leave_out : collection of str
        Columns that are in the data, and not in the table.
    notes : sequence of str
    in_full : bool
        Whether what is the same in all rows has a column too.
    """
    keys = [k for k in dict.fromkeys(key for row in rows for key in row) if k not in leave_out]
    keys = [key for key in keys if any(row.get(key) is not None for row in rows)]
    said: dict[str, str] = {}
    if len(rows) > 1 and not in_full:
        for key in keys:
            if key not in levels and key != keys[0] and _is_same(rows, key):
                said[key] = f"{head(key)} = {visible(_text(key, rows[0], names, levels))}"
    kept = [key for key in keys if key not in said]
    texts = [[visible(_text(key, row, names, levels)) for key in kept] for row in rows]
    columns = [
        Column(
            key,
            head(key),
            _are_numbers(rows, key) and key not in levels,
            (key in levels or key in NAMES)
            and len({line[place] for line in texts}) in FILTERED
            and len(rows) > len({line[place] for line in texts}),
        )
        for place, key in enumerate(kept)
    ]
    return Table(
        name,
        caption,
        columns,
        texts,
        heading=", ".join(said.values()),
        notes=list(notes),
        data=rows,
    )


def head(key: str) -> str:
    """What stands above a column."""
    return HEADS.get(key, shortened(key, 40))


def csv_of(rows: Sequence[Row]) -> str:
    """Rows as CSV, with all digits of every number."""
    out = io.StringIO()
    keys = dict.fromkeys(key for row in rows for key in row)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(visible, keys))
    for row in rows:
        values = (row.get(key) for key in keys)
        writer.writerow([visible(value) if isinstance(value, str) else value for value in values])
    return out.getvalue()


def _text(key: str, row: Row, names: Names, levels: Collection[str]) -> str:
    value = row.get(key)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if key not in levels and key != "seed" else str(value)
    if isinstance(value, float):
        if key in levels:
            return repr(value)
        error = row.get("mcse") if key in KNOWN_AS_WELL else None
        if key == "sd":
            return as_sure_as(value, None, SD_DIGITS)
        return as_sure_as(value, error if isinstance(error, float) else None, DIGITS)
    return names(value) if key in NAMES else shortened(value, 300)


def _is_same(rows: Sequence[Row], key: str) -> bool:
    first = rows[0].get(key)
    return not isinstance(first, float) and all(
        type(row.get(key)) is type(first) and row.get(key) == first for row in rows
    )


def _are_numbers(rows: Sequence[Row], key: str) -> bool:
    return all(
        isinstance(row.get(key), (int, float)) and not isinstance(row.get(key), bool)
        for row in rows
        if row.get(key) is not None
    )
