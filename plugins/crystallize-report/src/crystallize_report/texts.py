"""Text of others in a page: nothing in it is a command to the browser, nor to the reader's eye."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

KEPT = "\n\t\u200c\u200d"
"""Not printable, and kept: line ends, and what joins letters and emoji or keeps them apart."""
OPENING, CLOSING = "\u2068", "\u2069"
"""Around a text whose direction changes nothing of what stands around it."""
LONG = 60
"""How many letters of a name a table has room for."""


def visible(text: object) -> str:
    r"""A text in which what cannot be seen is spelled out: control characters, bidirectional marks.

    Texts that are isolated stay so.

    Examples
    --------
    >>> visible("a\x00b\u202ec")
    'a\\x00b\\u202ec'
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    kept = KEPT + OPENING + CLOSING if _is_balanced(whole) else KEPT
    return "".join(c if c.isprintable() or c in kept else repr(c)[1:-1] for c in whole)


def _is_balanced(text: str) -> bool:
    """Whether everything that is isolated ends, and nothing ends that did not begin."""
    depth = 0
    for letter in text:
        depth += (letter == OPENING) - (letter == CLOSING)
        if depth < 0:
            return False
    return depth == 0


def isolated(text: object) -> Markup:
    """A text whose direction changes nothing of what stands around it."""
    shown = visible(text)
    if shown.isascii():
        return Markup(escape(shown))
    return Markup("<bdi>{}</bdi>").format(shown)


def shortened(text: object, most: int = LONG) -> str:
    """The first letters of a text, and how many more there are."""
    shown = visible(text)
    if len(shown) <= most + 20:
        return shown
    return f"{shown[:most]}… ({len(shown) - most:,} more)"


def on_one_line(text: str) -> str:
    """A text with its line ends spelled out."""
    return text.replace("\n", "\\n")


def inline(text: object, most: int = LONG) -> str:
    """The same within a sentence, which goes on in its own direction whatever stands there."""
    shown = on_one_line(shortened(text, most))
    return shown if shown.isascii() else f"{OPENING}{shown}{CLOSING}"


class Names:
    """What conditions are called in tables: themselves, or where that is long, a part of it.

    Parameters
    ----------
    names : iterable of str
        In order; two that begin alike are told apart by their number.
    """

    def __init__(self, names: Iterable[str]) -> None:
        whole = list(names)
        self.long = [name for name in whole if shortened(name) != visible(name)]
        self._short = {
            name: on_one_line(f"#{place} {shortened(name)}" if name in self.long else visible(name))
            for place, name in enumerate(whole, 1)
        }

    def __call__(self, name: object) -> str:
        known = self._short.get(name) if isinstance(name, str) else None
        return on_one_line(shortened(name)) if known is None else known


def counted(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "cell"), counted(1600, "cell")
    ('1 cell', '1,600 cells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def found(data: Any, *keys: str) -> Any:
    """What is under some keys of data that may lack any of them; ``None`` where nothing is."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def mapping(data: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping that is under some keys; an empty one where there is none."""
    inner = found(data, *keys)
    return inner if isinstance(inner, Mapping) else {}


def listed(data: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The mappings of a list that is under some keys; none where there is no list."""
    inner = found(data, *keys)
    return [one for one in inner if isinstance(one, Mapping)] if isinstance(inner, list) else []


def scalar(value: Any) -> Any:
    """A value that a table has room for: itself, or the text of what is none."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
