"""How much of a page is for tables, for the data behind them, and for figures."""

from __future__ import annotations

from collections.abc import Iterable

from crystallize_report.tables import Table, csv_of

TABLES, DATA, FIGURES = 1_300_000, 400_000, 800_000
"""Bytes; with all else less than 3 MB, whatever there is to show."""
CELL, ROW = 16, 16
"""What the marks of HTML take, about, for each."""


def fitted(tables: Iterable[Table]) -> None:
    """Leave out rows and data for which there is no room; what comes first has it first.

    Of what is left each table may take a half, or a twentieth of the whole where that is more.
    """
    for_rows, for_data = TABLES, DATA
    for table in tables:
        may, used, kept = max(for_rows // 2, TABLES // 20), 0, 0
        for row in table.rows:
            used += ROW + sum(CELL + len(text.encode("utf-8", "replace")) for text in row)
            if used > may and kept:
                break
            kept += 1
        table.left_out = len(table.rows) - kept
        del table.rows[kept:]
        for_rows -= min(used, for_rows)
        if table.data:
            table.csv = csv_of(table.data)
            if len(table.href) > for_data // 2:
                table.csv = ""
            for_data -= len(table.href)
