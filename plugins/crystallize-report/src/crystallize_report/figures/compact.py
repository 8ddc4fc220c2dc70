"""What Matplotlib writes as SVG in a third of the bytes, and fit to be a part of a page."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, tostring

from crystallize_report.figures.theme import INK

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
FONTS = "'DejaVu Sans', sans-serif"
"""As Matplotlib names the theme's: all text has them, so the root says it."""
PLACES = ("d", "x", "y")
NUMBER = re.compile(r"-?\d+\.\d+")
LONG = 400
"""From how many characters on a path has places to a tenth of a point, not a hundredth."""


def compact(root: Element, name: str) -> None:
    """Leave out what nobody sees, and make it no concern of the rest of a page.

    Style sheets go, which would hold for all of the page; styles become attributes; ids that
    nothing refers to go, the others begin with `name`; ink becomes ``currentColor``.

    Parameters
    ----------
    root : Element
        Changed in place.
    name : str
    """
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in list(root.iter(f"{{{SVG}}}style")):
        parents[element].remove(element)
    wanted = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", tostring(root, "unicode")))
    for element in root.iter():
        _hoist_style(element)
        for pair in filter(str.strip, element.attrib.pop("style", "").split(";")):
            key, _, value = pair.partition(":")
            element.set(key.strip(), value.strip())
        if element.get("id") not in wanted:
            element.attrib.pop("id", None)
        for key, value in list(element.attrib.items()):
            element.set(key, _value(key, value, name))
        if element.tag == f"{{{SVG}}}text":
            _plain(element)
        if element.text is not None and not element.text.strip():
            element.text = None
        element.tail = None
    _unwrap(root)


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == HREF:
        return f"#{name}-{value[1:]}"
    if key in PLACES:
        return shortened_path(value)
    return value.replace("url(#", f"url(#{name}-").replace(INK, "currentColor")


def shortened_path(text: str) -> str:
    """Places rounded to what can be seen, and lines without saying each time that they are.

    Examples
    --------
    >>> shortened_path("M 1.23456 2.0 \\nL 3.5 4.25 \\nL 5.001 6 \\nz")
    'M1.23 2L3.5 4.25 5 6z'
    """
    digits = 1 if len(text) > LONG else 2
    text = NUMBER.sub(lambda found: f"{float(found[0]):.{digits}f}".rstrip("0").rstrip("."), text)
    text = " ".join(text.split())
    # After "M x y L x y" every further pair is a line too, until another letter comes.
    text = re.sub(r"(L \S+ \S+)((?: L \S+ \S+)+)", _run, text)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", text)


def _run(found: re.Match[str]) -> str:
    return found[1] + found[2].replace(" L ", " ")


def _plain(element: Element) -> None:
    """Text without what the root says, and without a turn by nothing."""
    if re.match(r"rotate\(-?0(\.0+)? ", element.get("transform", "")):
        del element.attrib["transform"]
    for key, usual in (("fill", "currentColor"), ("font-family", FONTS)):
        if element.get(key) == usual:
            del element.attrib[key]


def _hoist_style(element: Element) -> None:
    """What all marks of a group have in common is said once, by the group."""
    styles = {child.get("style") for child in element}
    marks = all(child.tag == f"{{{SVG}}}use" for child in element)
    if len(element) > 1 and marks and len(styles) == 1 and None not in styles:
        for child in element:
            del child.attrib["style"]
        element.set("style", str(styles.pop()))


def _unwrap(element: Element) -> None:
    """Groups that say nothing are not there; what is in them is."""
    children: list[Element] = []
    for child in element:
        _unwrap(child)
        says_nothing = child.tag == f"{{{SVG}}}g" and not child.attrib
        children += list(child) if says_nothing else [child]
    element[:] = children
