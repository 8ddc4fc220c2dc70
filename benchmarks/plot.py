"""A picture of a run: the time a replicate of every contender, a panel for each workload."""

from __future__ import annotations

from math import ceil, floor, log10
from pathlib import Path

from benchmarks.figures import LIMIT, Tables
from benchmarks.report import duration

COLUMNS = 2
ROW_INCHES, PANEL_INCHES = 0.24, 0.9
OURS_COLOUR, OTHER_COLOUR, LIMIT_COLOUR = "#b5442e", "#7f8c9a", "#2f6f4f"

OUR_NAMES = ("crystallize ", "crystallize, ", "import crystallize")
NOT_SHOWN = ("driver",)
"""Its two rows are of different things."""


def write_svg(tables: Tables, machine: str, folder: Path) -> Path:
    """``results.svg`` in a folder.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same run gives the same file.
    matplotlib.rcParams["svg.hashsalt"] = "crystallize"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    names = [name for name in tables if name not in NOT_SHOWN]
    lines = max(1, -(-len(names) // COLUMNS))
    heights = [
        PANEL_INCHES
        + ROW_INCHES
        * max((len(tables[name]) for name in names[line * COLUMNS :][:COLUMNS]), default=0)
        for line in range(lines)
    ]
    figure, axes = pyplot.subplots(
        lines,
        COLUMNS,
        figsize=(12, sum(heights)),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    panels = axes.flatten()
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, name, tables)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    title = "Seconds a replicate, medians; the line is from the least to the most"
    figure.suptitle(f"{title}\n{machine}", size=9)
    path = folder / "results.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # Matplotlib leaves spaces at the ends of lines.
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def _draw(panel, workload: str, tables: Tables) -> None:
    from matplotlib.ticker import NullFormatter

    table = tables[workload]
    names = sorted(table, key=lambda name: table[name].each, reverse=True)
    ends = []
    for place, name in enumerate(names):
        row = table[name]
        low, high = (seconds / row.replicates for seconds in row.spread)
        ends += [low, high]
        colour = LIMIT_COLOUR if name == LIMIT else OTHER_COLOUR
        if name.startswith(OUR_NAMES):
            colour = OURS_COLOUR
        # Points, since on a logarithmic scale the length of a bar means nothing.
        panel.plot([low, high], [place, place], color=colour, linewidth=1.5, alpha=0.6)
        panel.plot(row.each, place, "o", color=colour, markersize=5)
        panel.annotate(
            duration(row.each),
            (row.each, place),
            (0, 4),
            textcoords="offset points",
            size=6,
            ha="center",
        )
    panel.set_yticks(range(len(names)), names, size=7)
    panel.set_ylim(-0.6, len(names) - 0.2)
    panel.set_xscale("log")
    # Whole decades, so that every panel has ticks that say how much is how far.
    first = floor(log10(min(ends)))
    panel.set_xlim(10**first, 10 ** max(first + 1, ceil(log10(max(ends)))))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(axis="x", labelsize=7)
    panel.grid(axis="x", linewidth=0.4, alpha=0.5)
    panel.set_title(workload, size=9, loc="left")
