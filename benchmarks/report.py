"""What a run came to: a table for the terminal, JSON, and the measured part of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import OURS, Figure, Tables, best
from benchmarks.timing import Row

BEGIN, END = "<!-- measured: written by python -m benchmarks -->", "<!-- end of measured -->"


@dataclass(frozen=True)
class Report:
    """A run, to be shown.

    Attributes
    ----------
    machine : mapping of str to str
    settings : mapping of str to object
        How much was run.
    tables : mapping
        Workload -> contender -> measurements.
    what : mapping of str to str
        Workload -> a line about it.
    figures : sequence of Figure
    left_out : sequence of str
    """

    machine: Mapping[str, str]
    settings: Mapping[str, Any]
    tables: Tables
    what: Mapping[str, str]
    figures: Sequence[Figure]
    left_out: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "settings": dict(self.settings),
            "figures": [figure.to_dict() for figure in self.figures],
            "left_out": list(self.left_out),
            "workloads": {
                workload: {name: row.to_dict() for name, row in table.items()}
                for workload, table in self.tables.items()
            },
        }

    def write_json(self, folder: Path) -> Path:
        """``results.json`` in a folder."""
        path = folder / "results.json"
        path.write_text(
            json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        return path

    def text(self) -> str:
        """For the terminal."""
        parts = [
            f"{workload}: {self.what[workload]}\n{aligned(_lines(workload, self.tables))}"
            for workload in self.tables
        ]
        if self.figures:
            parts.append("figures\n" + aligned(_figure_lines(self.figures)))
        if self.left_out:
            parts.append("notes\n" + "\n".join(f"  {why}" for why in self.left_out))
        return "\n\n".join(parts)

    def page(self) -> str:
        """The measured part of the page, as Markdown."""
        shown = ", ".join(f"{key} {value}" for key, value in self.machine.items())
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        parts = [
            f"Measured on: {shown}.",
            f"Settings: {settings}.",
            *self.left_out,
            "### Figures",
            markdown(_figure_lines(self.figures)),
            "### Times",
            "![Time a replicate of every contender](benchmarks/results.svg)",
        ]
        for workload in self.tables:
            parts.append(f"**{workload}**: {self.what[workload]}.")
            parts.append(markdown(_lines(workload, self.tables)))
        return "\n\n".join(parts)

    def write_page(self, page: Path) -> None:
        """Replace what stands between the markers of a page; see :func:`write_between`."""
        write_between(page, BEGIN, END, self.page())


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers of a page.

    Raises
    ------
    ValueError
        If it has none.
    """
    before, found_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{page.name} has no place for measurements: {begin} ... {end}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8", newline="\n")


def duration(seconds: float) -> str:
    """A duration with three digits and a fitting unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= 0.9995 * size:  # what rounds to 1000 of the next unit is 1 of this
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _lines(workload: str, tables: Tables) -> list[list[str]]:
    """A header and a line for each contender, the quickest first."""
    table = tables[workload]
    compared = workload not in ("driver", "start", "growth", "conditions", "store", "summary")
    header = ["contender", "each", "least", "most"]
    header += ["of the best other's speed"] if compared else []
    header += ["also"]
    reference = table[best(tables, workload)].each if compared and _others(tables, workload) else 0
    lines = [header]
    names = list(table)
    if compared:
        names.sort(key=lambda name: table[name].each)
    for name in names:
        row = table[name]
        low, high = (seconds / row.replicates for seconds in row.spread)
        line = [name, duration(row.each), duration(low), duration(high)]
        if compared:
            line.append(f"{reference / row.each:.2f}" if reference else "")
        lines.append([*line, _also(row)])
    return lines


def _others(tables: Tables, workload: str) -> bool:
    return any(not name.startswith(OURS) and name != "limit" for name in tables[workload])


def _also(row: Row) -> str:
    shown = []
    for name in row.values:
        value = row.value(name)
        if name.endswith(" bytes"):
            shown.append(f"{name.removesuffix(' bytes')} {value / 1e6:.0f} MB")
        else:
            shown.append(f"{name} {value:,.3g}" if value < 1000 else f"{name} {value:,.0f}")
    return "; ".join([*shown, *filter(None, [row.note])])


def _figure_lines(figures: Sequence[Figure]) -> list[list[str]]:
    return [
        ["workload", "figure", "target", "measured", ""],
        *(
            [figure.workload, figure.what, figure.target, figure.measured, figure.verdict]
            for figure in figures
        ),
    ]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A header and rows for the terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A header and rows as a table of a page."""
    header, *rest = lines
    rows = [header, ["---"] * len(header), *rest]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
