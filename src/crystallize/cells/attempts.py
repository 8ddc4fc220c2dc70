"""Attempts at cells as data: those that failed, and those that recorded something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

from crystallize.checks import whole_number
from crystallize.errors import InvalidValueError

Recorded = dict[str, bool | int | float | str]
"""What a cell recorded, by name."""

MOST_NAMES = 100
"""How many values an attempt may record, ..."""
MOST_CHARACTERS = 1000
"""... how long a text may be, ..."""
MOST_OF_NAME = 100
"""... and a name."""
MOST_BITS = 63
"""How large a whole number: any table has a column for it."""
MOST_KEPT = 10_000
"""How many attempts a run without values keeps: the first ones, by replicate."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a cell, that failed or recorded something.

    Attributes
    ----------
    condition : str
    replicate : int
    attempt : int
        Which one at this cell: 1, 2, …; counted on in a resume.
    seconds : float
        How long it took; NaN where that is not known.
    type, message : str or None
        The name of the exception's class and its text; ``None`` where it did not fail.
    recorded : dict
        What the function recorded with ``ctx.record``.
    """

    condition: str
    replicate: int
    attempt: int
    seconds: float = nan
    type: str | None = None
    message: str | None = None
    recorded: Recorded = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, int]:
        """What no other attempt has."""
        return self.condition, self.replicate, self.attempt

    def to_json(self) -> list[Any]:
        """As data that strict JSON has, but for what was recorded."""
        seconds = None if isnan(self.seconds) else self.seconds
        return [
            self.condition, self.replicate, self.attempt, seconds, self.type, self.message,
            self.recorded,
        ]  # fmt: skip

    @classmethod
    def from_json(cls, kept: Sequence[Any]) -> Attempt:
        """What :meth:`to_json` made.

        Raises
        ------
        ValueError, TypeError, LookupError
            If it is something else.
        """
        condition, replicate, attempt, seconds, kind, message, recorded = kept
        whole_number("replicate", replicate)
        whole_number("attempt", attempt, least=1)
        if not isinstance(condition, str) or not isinstance(recorded, dict):
            raise TypeError("an attempt is of a condition, and what it recorded is a table")
        if not all(text is None or isinstance(text, str) for text in (kind, message)):
            raise TypeError("an attempt's type or message is no text")
        took = nan if seconds is None else float(seconds)
        return cls(condition, replicate, attempt, took, kind, message, checked_record(recorded))


def checked_record(values: Mapping[str, Any]) -> Recorded:
    """What a cell records: plain numbers, flags and short texts by name.

    Raises
    ------
    InvalidValueError
        If something else is among them.
    """
    if len(values) > MOST_NAMES:
        raise InvalidValueError("ctx.record", len(values), f"at most {MOST_NAMES} values")
    return {_checked_name(name): _checked(name, value) for name, value in values.items()}


def in_order(attempts: Iterable[Attempt], conditions: Iterable[str]) -> list[Attempt]:
    """Attempts by replicate, condition and number."""
    places = {name: place for place, name in enumerate(conditions)}
    return sorted(attempts, key=lambda a: (a.replicate, places[a.condition], a.attempt))


class Attempts:
    """Gathers attempts; the later one counts where two are the same.

    Parameters
    ----------
    conditions : iterable of str
        In their order; attempts at cells of others are left out.
    most : int, optional
        How many are kept, the first ones by replicate.
    """

    def __init__(self, conditions: Iterable[str], most: int | None = None) -> None:
        self._conditions = dict.fromkeys(conditions)
        self._most = most
        self._found: dict[tuple[str, int, int], Attempt] = {}

    def add(self, attempt: Attempt) -> None:
        """Take one."""
        if attempt.condition in self._conditions:
            self._found[attempt.key] = attempt
        if self._most is not None and len(self._found) > 2 * self._most:
            self._found = {one.key: one for one in self.in_order()}

    def in_order(self) -> list[Attempt]:
        """Those that are kept, by replicate, condition and number."""
        return in_order(self._found.values(), self._conditions)[: self._most]


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= MOST_OF_NAME or not name.isprintable():
        expected = f"names of 1 to {MOST_OF_NAME} printable characters"
        raise InvalidValueError("ctx.record", name, expected)
    return name


def _checked(name: str, value: Any) -> bool | int | float | str:
    where = f"ctx.record({name}=…)"
    plain = value.item() if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0 else value
    if isinstance(plain, bool):
        return plain
    if isinstance(plain, int) and plain.bit_length() <= MOST_BITS:
        return int(plain)
    if isinstance(plain, float):
        return float(plain)
    if isinstance(plain, str) and len(plain) <= MOST_CHARACTERS:
        return str(plain.encode("utf-8", "backslashreplace").decode("utf-8"))
    expected = (
        f"a number, a flag or a text of at most {MOST_CHARACTERS} characters (whole numbers of at "
        f"most {MOST_BITS} bits)"
    )
    raise InvalidValueError(where, value, expected)
