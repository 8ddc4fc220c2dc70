"""What all figures look like: colours, dashes, markers, sizes, and how text is drawn.

Colours are Okabe and Ito's without yellow, which white paper swallows.  Series differ in dashes or
markers too, so no figure needs its colours.  Text, axes and marks of no series are drawn in
:data:`INK`, which :func:`crystallize_report.figures.svg` turns into ``currentColor``, so that they
follow the page into the dark; nothing is filled with white.

References
----------
Okabe and Ito (2002), "Color universal design: how to make figures and presentations that are
friendly to colorblind people".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches: of one column of a journal (89 mm), and of two (183 mm)."""

INK = "#1b1c1e"
"""The colour of text, axes and reference lines."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
"""Of series, in this order: blue, vermillion, green, purple, orange, sky blue, ink."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2)),
)  # fmt: skip

ALARM = COLOURS[1]
"""What is not as it should be: an interval that misses, a cell that failed."""

SERIES = len(COLOURS)
"""How many series one panel has at most."""

RULES: dict[str, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.5,
    "hatch.color": INK,
    "legend.edgecolor": "none",
    "legend.facecolor": "none",
    "legend.fontsize": 7,
    "legend.labelcolor": INK,
    "legend.title_fontsize": 7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "savefig.facecolor": "none",
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": INK,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}
"""Matplotlib's settings, over its own defaults: a matplotlibrc does not count."""


SAVERS: Any = ("svg.fonttype", "svg.hashsalt", "pdf.fonttype", "savefig.dpi")


class Style(NamedTuple):
    """How one series is drawn."""

    color: str
    marker: str
    dashes: Any


def style(place: int) -> Style:
    """The style of a series by its place; from :data:`SERIES` on colours come again."""
    return Style(
        COLOURS[place % SERIES],
        MARKERS[(place + place // SERIES) % len(MARKERS)],
        DASHES[(place + place // SERIES) % len(DASHES)],
    )


@contextmanager
def themed(**more: Any) -> Iterator[None]:
    """Matplotlib's settings are those of the theme; what they were comes back.

    How text gets into an SVG, and its salt, stay what they are: they belong to who saves.
    Text keeps characters that its font does not have: a browser has others, and Matplotlib
    draws a box, about which it does not warn here.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        kept = {name: mpl.rcParams[name] for name in SAVERS}
        mpl.rcdefaults()
        rules: Any = {**RULES, **kept, **more}
        mpl.rcParams.update(rules)
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support", UserWarning)
        yield
