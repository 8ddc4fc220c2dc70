"""Figures as text of a page, and as files; the same figure is the same bytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.picture import Picture, Row
from crystallize_report.figures.theme import INK, themed

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
NAMELESS: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
PLACES = ("d", "x", "y")
NUMBER = re.compile(r"-?\d+\.\d+")
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
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(root.iter(f"{{{SVG}}}style")):  # it would hold for the whole page
        parents[element].remove(element)
    wanted = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", ElementTree.tostring(root, "unicode")))
    for element in root.iter():
        _hoist_style(element)
        if element.get("id") not in wanted:
            element.attrib.pop("id", None)
        for pair in filter(str.strip, element.attrib.pop("style", "").split(";")):
            key, _, value = pair.partition(":")
            element.set(key.strip(), value.strip())
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{drawn.name}-{value}")
            elif key == HREF:
                element.set(key, f"#{drawn.name}-{value[1:]}")
            else:
                value = value.replace("url(#", f"url(#{drawn.name}-").replace(INK, "currentColor")
                element.set(key, _rounded(value) if key in PLACES else value)
        if element.text is not None and not element.text.strip():
            element.text = None
        element.tail = None
    _unwrap(root)
    width, height = (root.attrib.pop(key).removesuffix("pt") for key in ("width", "height"))
    root.set("style", f"width:100%;max-width:{float(width) / 72 * 1.3:.2f}in;height:auto")
    root.set("viewBox", f"0 0 {width} {height}")
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


def _rounded(text: str) -> str:
    """Places to a hundredth of a point, which nobody sees, in half of the bytes."""
    text = NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text)
    return " ".join(text.split())


def _hoist_style(element: ElementTree.Element) -> None:
    """What all marks of a group have in common is said once, by the group."""
    styles = {child.get("style") for child in element}
    marks = all(child.tag == f"{{{SVG}}}use" for child in element)
    if len(element) > 1 and marks and len(styles) == 1 and None not in styles:
        for child in element:
            del child.attrib["style"]
        element.set("style", str(styles.pop()))


def _unwrap(element: ElementTree.Element) -> None:
    """Groups that say nothing are not there; what is in them is."""
    children: list[ElementTree.Element] = []
    for child in element:
        _unwrap(child)
        says_nothing = child.tag == f"{{{SVG}}}g" and not child.attrib
        children += list(child) if says_nothing else [child]
    element[:] = children


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
