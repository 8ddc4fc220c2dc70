"""Strangers' names and numbers as figures and their alternative texts have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN = 32
"""How many characters of a name are drawn."""

TOLD = 8
"""How many items an alternative text lists."""


def shown(name: object, most: int = SHOWN) -> str:
    """A name on one line, its middle left out where it is long, without what controls anything.

    Examples
    --------
    >>> shown("a" * 5000 + "z", 11)
    'aaaaa…aaaaz'
    >>> shown("two\\nlines")
    'two\\\\nlines'
    """
    text = str(name)
    if len(text) > most:
        text = text[: most // 2] + "…" + text[-(most - most // 2 - 1) :]
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown_apart(names: Sequence[object], most: int = SHOWN) -> list[str]:
    """Names as they are shown, with a number where two of them would look the same.

    Examples
    --------
    >>> shown_apart(["abcdefgh", "abc_efgh"], 5)
    ['ab…gh (1)', 'ab…gh (2)']
    """
    texts = [shown(name, most) for name in names]
    seen: dict[str, int] = {}
    apart = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        apart.append(f"{text} ({seen[text]})" if texts.count(text) > 1 else text)
    return apart


def levels_shown(levels: Mapping[str, Any], most: int = SHOWN) -> str:
    """Factors with their levels.

    Examples
    --------
    >>> levels_shown({"n": 10, "method": "wald"})
    'n = 10, method = wald'
    """
    each = max(8, most // max(1, len(levels)))
    return ", ".join(f"{shown(k, each)} = {shown(v, each)}" for k, v in levels.items())


def digits(value: float | None) -> str:
    """A number as an alternative text has it.

    Examples
    --------
    >>> digits(0.123456), digits(-1234567.0), digits(None), digits(12)
    ('0.1235', '-1.235e+06', 'no value', '12')
    """
    return "no value" if value is None or value != value else f"{value:.4g}"


def listed(items: Iterable[str], most: int = TOLD) -> str:
    """The first items, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a; b; and 1 more'
    """
    every = list(items)
    more = [f"and {len(every) - most} more"] if len(every) > most else []
    return "; ".join([*every[:most], *more])


def first_of(shown: int, there: int, what: str) -> str:
    """A note that only the first are drawn; nothing where all are.

    Examples
    --------
    >>> first_of(40, 200, "conditions")
    'The first 40 of 200 conditions are drawn.'
    """
    return f"The first {shown} of {there} {what} are drawn." if shown < there else ""
