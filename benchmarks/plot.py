"""A picture of a run: the time a replicate of every contender, a panel for each workload."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import LIMIT, OURS, Tables

COLUMNS = 2
ROW_INCHES, PANEL_INCHES = 0.24, 0.9
OURS_COLOUR, PEER_COLOUR, LIMIT_COLOUR = "#b5442e", "#7f8c9a", "#2f6f4f"


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

    names = list(tables)
    lines = -(-len(names) // COLUMNS)
    heights = [
        PANEL_INCHES
        + ROW_INCHES * max(len(tables[name]) for name in names[line * COLUMNS :][:COLUMNS])
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
    figure.suptitle(f"Seconds a replicate, on a logarithmic scale; the black line is the least to the most\n{machine}", size=9)
    path = folder / "results.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # Matplotlib leaves spaces at the ends of lines.
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def _draw(panel, workload: str, tables: Tables) -> None:
    table = tables[workload]
    names = sorted(table, key=lambda name: table[name].each, reverse=True)
    for place, name in enumerate(names):
        row = table[name]
        low, high = (seconds / row.replicates for seconds in row.spread)
        colour = PEER_COLOUR
        if name.startswith((OURS, "import crystallize")):
            colour = OURS_COLOUR
        elif name == LIMIT:
            colour = LIMIT_COLOUR
        panel.barh(place, row.each, color=colour, height=0.7)
        panel.plot([low, high], [place, place], color="black", linewidth=1)
    panel.set_yticks(range(len(names)), names, size=7)
    panel.set_xscale("log")
    panel.tick_params(axis="x", labelsize=7)
    panel.set_title(workload, size=9, loc="left")
