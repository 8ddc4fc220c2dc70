"""When cells failed: over replicates, by condition."""

from __future__ import annotations

from collections import Counter

import numpy as np

from crystallize import CrystallizeError, Result
from crystallize_report.figures.columns import labels, wilson
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.theme import ALARM, INK, PAGE, themed
from crystallize_report.figures.words import digits, first_of, listed, shown, shown_apart

MOST = 40
"""How many conditions are drawn."""
TICKS = 1000
"""Up to how many failures are drawn as such; more are counted."""
BINS = 60


def failures(result: Result, *, width: float = PAGE) -> Picture:
    """Which replicates failed under which condition.

    Failures that stand below each other are of one replicate, whose data may be at fault; those
    that crowd in one place tell of something that happened at that time.

    Parameters
    ----------
    result : Result
        In which cells failed; values need not be kept.
    width : float
        In inches.

    Returns
    -------
    Picture

    Raises
    ------
    CrystallizeError
        If no cell failed.

    Notes
    -----
    A tick is a failed cell.  More than 1,000 of them are counted in 60 ranges of replicates, the
    height of a bar being the share that failed.  Beside a condition stands what share failed,
    with Wilson's 95% interval in the alternative text and the data.

    References
    ----------
    Wilson (1927), JASA 22, 209-212; Pawel, Bartoš, Siepe and Lohmann (2026), "Handling
    missingness, failures, and non-convergence in simulation studies", The American Statistician 80,
    31-48, on why failures are to be shown.
    """
    if not result.errors:
        raise CrystallizeError("There is nothing to draw: no cell failed.")
    failed = Counter(error.condition for error in result.errors)
    names = [name for name in result.conditions if failed[name]]
    drawn = names[:MOST]
    cells = {name: count + failed[name] for name, count in result.finished.items()}
    rows = []
    for name in result.conditions:
        n = max(1, cells[name])
        low, high = wilson(failed[name] / n, n)
        rows.append({**labels(result, name), "failed": failed[name], "n": n,
                     "rate": failed[name] / n, "lower": low, "upper": high})  # fmt: skip
    by_name = {row["condition"]: row for row in rows}
    counted = sum(failed[name] for name in drawn) > TICKS
    with themed():
        picture = Picture(width, 0.9 + 0.24 * len(drawn))
        (axes,) = picture.panels([""])
        edges = np.linspace(0, result.replicates, min(BINS, result.replicates) + 1)
        for place, name in enumerate(drawn):
            own = np.array([e.replicate for e in result.errors if e.condition == name])
            axes.axhline(place + 0.4, color=INK, linewidth=0.4, alpha=0.3)
            if not counted:
                axes.vlines(own, place - 0.38, place + 0.38, color=ALARM, linewidth=0.8)
                continue
            run = np.histogram(np.arange(cells[name]), edges)[0]
            share = np.histogram(own, edges)[0] / np.maximum(run, 1)
            axes.stairs(
                place + 0.4 - 0.78 * share, edges, baseline=place + 0.4, fill=True, color=ALARM
            )
        axes.set_yticks(
            np.arange(len(drawn)),
            [
                f"{label}  {100 * by_name[name]['rate']:.3g}%"
                for label, name in zip(shown_apart(drawn, picture.room), drawn, strict=True)
            ],
        )
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlim(0, result.replicates)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)
        axes.set_xlabel("replicate")
        kinds = Counter(error.type for error in result.errors)
        told = listed(
            f"{shown(row['condition'])} {row['failed']} of {row['n']}"
            f" ({digits(100 * row['lower'])} to {digits(100 * row['upper'])}%)"
            for row in rows
            if row["failed"]
        )
        types = listed(f"{shown(kind)} {count}" for kind, count in kinds.most_common())
        picture.finish(
            f"{len(result.errors)} of {result.cells} cells failed: {told}. By type: {types}.",
            rows,
            [
                f"Counted in {len(edges) - 1} ranges of replicates: a full bar is all of them."
                if counted else "",
                first_of(len(drawn), len(names), "conditions with failures"),
                f"{len(result.conditions) - len(names)} conditions without a failure are left out."
                if len(names) < len(result.conditions) else "",
            ],
        )  # fmt: skip
    return picture
