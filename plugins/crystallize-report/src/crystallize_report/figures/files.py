"""Figures as text of a page, and as files; the same figure is the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from crystallize_report.figures.compact import FONTS, SVG, XLINK, compact
from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.picture import Picture, Row
from crystallize_report.figures.theme import themed

NAMELESS: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
DPI = 300
"""Of PNG files."""


def svg(drawn: Drawn) -> str:
    """A figure as an ``<svg>`` element for a page of HTML.

    Its text is text, in the page's own fonts where it lacks ours; ink is ``currentColor`` and the
    background transparent, so that it follows the colours of the page.  Its ids begin with the
    figure's name; title and description say what it shows to those who do not see it.  It has
    neither a style sheet nor a script, and loads nothing; its marks have attributes instead of
    styles, which a strict policy of the page lets in.

    Parameters
    ----------
    drawn : Drawn

    Returns
    -------
    str
        The same for the same figure, under one version of Matplotlib.
    """
    root = ElementTree.fromstring(_svg_bytes(drawn.figure, drawn.name, "none"))
    compact(root, drawn.name)
    width, height = (root.attrib.pop(key).removesuffix("pt") for key in ("width", "height"))
    root.set("style", f"width:100%;max-width:{float(width) / 72 * 1.3:.2f}in;height:auto")
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("fill", "currentColor")
    root.set("font-family", FONTS)
    root.set("stroke-linejoin", "round")
    root.set("stroke-linecap", "butt")
    root.set("role", "img")
    root.set("aria-labelledby", f"{drawn.name}-title {drawn.name}-desc")
    for place, (tag, text) in enumerate((("title", drawn.title), ("desc", drawn.alt))):
        described = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{drawn.name}-{tag}"})
        described.text = text
        root.insert(place, described)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def save(drawn: Drawn, folder: str | Path) -> list[Path]:
    """Write NAME.svg, NAME.pdf, NAME.png (300 dots an inch) and NAME.csv, the data behind it.

    In the files text is drawn as it is laid out: as outlines in the SVG, with the font embedded
    in the PDF.  No file says when or by what it was written.

    Parameters
    ----------
    drawn : Drawn
    folder : path
        Made where it is not there.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "svg": _svg_bytes(drawn.figure, drawn.name, "path"),
        "pdf": _bytes(drawn.figure, "pdf", {"CreationDate": None, "Creator": None,
                                            "Producer": None}),
        "png": _bytes(drawn.figure, "png", {"Software": None}),
        "csv": table(drawn.data).encode(),
    }  # fmt: skip
    written = []
    for ending, content in contents.items():
        path = folder / f"{drawn.name}.{ending}"
        path.write_bytes(content)
        written.append(path)
    return written


def table(rows: Sequence[Row]) -> str:
    """Rows as CSV: the columns of all of them, in the order in which they first come."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _svg_bytes(figure: Picture, salt: str, fonts: str) -> bytes:
    with themed(**{"svg.fonttype": fonts, "svg.hashsalt": salt}):
        return _written(figure, "svg", NAMELESS)


def _bytes(figure: Picture, kind: str, metadata: dict[str, Any]) -> bytes:
    with themed(**{"pdf.fonttype": 42}):
        return _written(figure, kind, metadata)


def _written(figure: Picture, kind: str, metadata: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=DPI if kind == "png" else 72, metadata=metadata)
    return out.getvalue()
