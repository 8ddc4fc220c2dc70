"""The figures of a page, as much of them as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree import ElementTree

from markupsafe import Markup

from crystallize import Result
from crystallize_report.budget import FIGURES
from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.files import svg
from crystallize_report.figures.fitting import fitting
from crystallize_report.tables import csv_of
from crystallize_report.texts import shortened, visible

SIZE = ("width", "max-width", "height")
"""What the page's style says of figures; their own is in their attributes."""
DOTS = 96
"""An inch of the page."""


@dataclass(frozen=True)
class Shown:
    """A figure in the page.

    Attributes
    ----------
    name, title : str
    svg : Markup
    alt : str
    csv : str
        The data behind it, empty where there was no room.
    """

    name: str
    title: str
    svg: Markup
    alt: str
    csv: str

    @property
    def href(self) -> str:
        """The data as an address that holds them."""
        return "data:text/csv;charset=utf-8," + quote(self.csv, safe="/:;,?@&=+$-_.!~*'()")


@dataclass
class Pictures:
    """The section.

    Attributes
    ----------
    shown : list of Shown
    left_out : list of str
        The titles of those for which there is no room.
    failed : list of str
        What could not be drawn, and why.
    """

    shown: list[Shown] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def pictures(result: Result) -> Pictures:
    """Draw them."""
    made = Pictures()
    room = FIGURES
    for drawn in _fitting(result, made):
        try:
            image, alt, rows = _attributed(svg(drawn)), drawn.alt, drawn.data
        except Exception as error:  # costs this figure alone, and is said in its place
            made.failed.append(_why(drawn.title, error))
            continue
        text = csv_of(rows)
        size = len(image.encode())
        if size > room:
            made.left_out.append(shortened(drawn.title))
            continue
        room -= size
        text = text if len(quote(text)) < room // 8 else ""
        room -= len(quote(text))
        made.shown.append(
            Shown(drawn.name, visible(drawn.title), Markup(image), visible(alt), text)
        )
    return made


def _fitting(result: Result, made: Pictures) -> Sequence[Drawn]:
    try:
        return fitting(result)
    except Exception as error:
        made.failed.append(_why("Which figures there are", error))
        return []


def _why(what: str, error: Exception) -> str:
    return f"{shortened(what)}: {type(error).__name__}: {shortened(error, 200)}"


def _attributed(image: str) -> str:
    """The same with attributes instead of styles, which the page's policy does not let in."""
    root = ElementTree.fromstring(image)
    for element in root.iter():
        for pair in element.attrib.pop("style", "").split(";"):
            key, _, value = (part.strip() for part in pair.partition(":"))
            if element is root and key == "max-width":
                root.set("width", f"{float(value.removesuffix('in')) * DOTS:.0f}")
            elif key and not (element is root and key in SIZE):
                element.set(key, value)
    return ElementTree.tostring(root, encoding="unicode")
