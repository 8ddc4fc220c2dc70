"""What a value is that stands on a command line: as TOML spells it, or plain text."""

from __future__ import annotations

import ast
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from crystallize.spelling import spelled

BLANKS = " \t\r\n"
"""What may stand around a value."""
NOTHING = "nothing"
WORDS: Mapping[str, str] = {
    **dict.fromkeys(("true", "yes", "on"), "true"),
    **dict.fromkeys(("false", "no", "off"), "false"),
    **{f"{sign}nan": f"{sign}nan" for sign in ("", "+", "-")},
    **{f"{sign}{word}": f"{sign}inf" for sign in ("", "+", "-") for word in ("inf", "infinity")},
}
"""What people write elsewhere, in any case -> how TOML spells it."""

NULLS = ("None", "null", "Null", "NULL", "~")
"""Not in any case: ``none`` is a choice that options have."""

DATE_OR_TIME = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d.*)?|\d{1,2}:\d\d(:\d\d(\.\d+)?)?")
LIST_OF_WORDS = re.compile(r"\[\s*[\w.:/+-]+(\s*,\s*[\w.:/+-]+)*\s*\]")
OPENS = re.compile(r"[\[{\"']")


class AlmostTomlError(ValueError):
    """A value that is neither TOML nor plainly text.

    Attributes
    ----------
    reason : str
        What it is instead.
    instead : str or None
        What to write, where that can be told; :data:`NOTHING` for a null.
    """

    def __init__(self, reason: str, instead: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.instead = instead


def written_value(written: str) -> Any:
    """The value that some text stands for.

    Blanks around it do not count, as in TOML.

    Raises
    ------
    AlmostTomlError
        If it looks like a value in another notation: ``False``, ``null``, ``12#3``.

    Examples
    --------
    >>> written_value("[1, 2.5]"), written_value("'1'"), written_value("plain text")
    ([1, 2.5], '1', 'plain text')
    >>> written_value("False")
    Traceback (most recent call last):
    crystallize.description.written.AlmostTomlError: TOML spells that in another way
    """
    written = written.strip(BLANKS)
    try:
        # In a table of its own: a comment would swallow the brace that ends it.
        content = tomllib.loads(f"given = {{ value = {written} }}")
        if content.keys() == {"given"} and content["given"].keys() == {"value"}:
            return content["given"]["value"]
        problem = "it is more than one value"
    except RecursionError:
        raise AlmostTomlError("it is nested too deeply") from None
    except ValueError as error:  # numbers of thousands of digits are another one than TOML's
        problem = str(error)
    _refuse_almost(written, problem)
    return written


def _refuse_almost(written: str, problem: str) -> None:
    if written in NULLS:
        raise AlmostTomlError("TOML has no null", NOTHING)
    if (word := WORDS.get(written.casefold())) is not None:
        raise AlmostTomlError("TOML spells that in another way", word)
    try:
        written.encode()
    except UnicodeEncodeError:
        raise AlmostTomlError("it is not UTF-8 text") from None
    for reason, reading in _READINGS:
        try:
            with warnings.catch_warnings(action="ignore"):  # of odd escapes in Python's literals
                found = reading(written)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        raise AlmostTomlError(reason, found)
    if DATE_OR_TIME.fullmatch(written):
        raise AlmostTomlError("TOML has no such date or time")
    if OPENS.match(written):
        # Without the place, which is one in a document that nobody wrote.
        raise AlmostTomlError(f"as TOML it is broken: {problem.partition(' (at')[0]}")


def _without_comment(written: str) -> str:
    return spelled(tomllib.loads(f"value = {written}")["value"])


def _python(written: str) -> str | None:
    value = ast.literal_eval(written)
    if value is ... or isinstance(value, complex):
        raise ValueError
    try:
        return spelled(value)
    except TypeError:
        return None


def _json(written: str) -> str | None:
    if not OPENS.match(written):
        raise ValueError
    try:
        return spelled(json.loads(written))
    except TypeError:
        return None


def _words(written: str) -> str | None:
    """A list in which text stands without quotes, as a shell leaves it."""
    if not LIST_OF_WORDS.fullmatch(written):
        raise ValueError
    items = [item.strip(BLANKS) for item in written[1:-1].split(",")]
    if any(item in NULLS or item.casefold() in WORDS for item in items):
        raise ValueError
    return spelled([written_value(item) for item in items])


def _number(written: str) -> str | None:
    digits = re.fullmatch(r"([+-]?)0*(\d+)", written)
    if digits is not None and len(written) < 100:
        return spelled(int(written))
    value = float(written)
    return spelled(value) if value - value == 0 else None


_READINGS: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("in TOML, what follows # is a comment", _without_comment),
    ("that is JSON's notation", _json),
    ("that is Python's notation", _python),
    ("in a list, text stands in quotes", _words),
    ("TOML does not write numbers like that", _number),
)
"""Other notations, each with what reads it and says how TOML spells what it read."""
