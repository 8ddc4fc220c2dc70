"""One rule for each kind of value that a user gives, for API, config and plugins alike.

A rule takes the place of a value, as messages name it, and the value; it returns
the value in one form, or raises :exc:`~crystallize.errors.InvalidValueError`.
"""

from __future__ import annotations

import operator
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from crystallize.errors import (
    CrystallizeError,
    DuplicateNameError,
    InvalidValueError,
    InvalidValuesError,
    UnknownNameError,
    suggestion,
)
from crystallize.spelling import spelled_key

P = ParamSpec("P")
T = TypeVar("T")

Rule = Callable[[str, Any], T]

MOST_BITS = 14_000
"""How long a whole number may be: Python itself writes none of more than 4,300 digits."""
MOST_CHOICES = 500_000
"""How many values a parameter may take, and how many combinations a grid may have."""
UNIT_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
UNIT_BYTES = {
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", 1)},
}
_DECIMAL = r"[0-9]+(?:\.[0-9]+)?"


class Faults:
    """Collects what is wrong, so that a user is told all of it at once.

    Examples
    --------
    >>> faults = Faults()
    >>> replicates = faults(whole_number, "replicates", "ten", least=1)
    >>> progress = faults(flag, "progress", "yes")
    >>> faults.raise_any()
    Traceback (most recent call last):
    crystallize.errors.InvalidValuesError: 2 values cannot be used:
      - replicates: expected a whole number, 1 or more, got 'ten'.
      - progress: expected True or False, got 'yes'.
    """

    def __init__(self) -> None:
        self.found: list[CrystallizeError] = []

    def __call__(self, rule: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Apply a rule; what it gives is of use once :meth:`raise_any` has raised nothing."""
        try:
            return rule(*args, **kwargs)
        except CrystallizeError as error:
            self.found.append(error)
            return cast(T, None)

    @property
    def problems(self) -> list[str]:
        """A sentence for each fault, also for each of those that a rule found together."""
        return [problem for error in self.found for problem in problems(error)]

    def raise_any(self) -> None:
        """Raise what was found: the one error as it is, or one that lists all.

        Raises
        ------
        CrystallizeError
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise InvalidValuesError(self.problems)


def problems(error: CrystallizeError) -> Sequence[str]:
    """A sentence for each thing that a rule found."""
    return error.problems if isinstance(error, InvalidValuesError) else (str(error),)


def inside(where: str, key: str) -> str:
    """The place of what is in a table, with the key quoted where TOML would want that.

    Examples
    --------
    >>> inside("conditions", "wald"), inside("conditions", "n=10,p=0.5")
    ('conditions.wald', "conditions.'n=10,p=0.5'")
    """
    return f"{where}.{spelled_key(key)}"


def whole_number(where: str, value: object, *, least: int | None = 0) -> int:
    """An integer of at least `least`, or any; NumPy's too, but no boolean."""
    expected = "a whole number" if least is None else f"a whole number, {least} or more"
    # NumPy's booleans are none of Python's, and before 2.1 could be an index.
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
        raise InvalidValueError(where, value, expected)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValueError(where, value, expected) from None
    if least is not None and number < least:
        raise InvalidValueError(where, value, expected)
    return writable(where, number)


def writable(where: str, value: T) -> T:
    """Anything but a whole number that is too long for a file, or a message, to hold it."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise InvalidValueError(where, value, f"a whole number of at most {MOST_BITS:,} bits")
    return value


def flag(where: str, value: object) -> bool:
    """A boolean, and nothing that is merely true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError(where, value, "True or False")
    return value


def flag_or(where: str, value: object, word: str) -> Any:
    """A boolean, or one word that stands for something between."""
    if not isinstance(value, bool) and value != word:
        raise InvalidValueError(where, value, f"True or False, or {word!r}")
    return value


def choice(where: str, value: object, choices: Collection[str]) -> Any:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(repr(word) for word in choices)
        raise InvalidValueError(where, value, expected, hint=suggestion(str(value), choices))
    return value


def number(where: str, value: object) -> float:
    """A number, and no boolean."""
    found = _as_float(value)
    if found is None:
        raise InvalidValueError(where, value, "a number")
    return found


def not_negative(where: str, value: object) -> float:
    """A finite number, 0 or more."""
    found = _as_float(value)
    if found is None or not 0 <= found < float("inf"):
        raise InvalidValueError(where, value, "a number, 0 or more")
    return found


def above_zero(where: str, value: object) -> float:
    """A finite number above 0."""
    found = number(where, value)
    if not 0 < found < float("inf"):
        raise InvalidValueError(where, value, "a number above 0")
    return found


def share(where: str, value: object) -> float:
    """A number between 0 and 1, neither of them."""
    found = number(where, value)
    if not 0 < found < 1:
        raise InvalidValueError(where, value, "a number between 0 and 1")
    return found


def seconds(where: str, value: object) -> float:
    """A duration above 0."""
    found = _as_float(value)
    if found is None or not found > 0:
        raise InvalidValueError(where, value, "a number of seconds above 0")
    return found


def duration(where: str, value: object) -> float:
    """A duration above 0: a number of seconds, or text with units.

    Examples
    --------
    >>> duration("time_limit", 90), duration("time_limit", "1h30m"), duration("time_limit", "0.5 d")
    (90.0, 5400.0, 43200.0)
    """
    if not isinstance(value, str):
        return seconds(where, value)
    text = "".join(value.split()).lower()
    parts = re.findall(rf"({_DECIMAL})([dhms])", text)
    in_seconds = re.fullmatch(_DECIMAL, text)
    total = sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)
    if in_seconds:
        total = float(text)
    elif not parts or "".join(map("".join, parts)) != text:
        total = 0.0
    if not 0 < total < float("inf"):
        raise InvalidValueError(
            where, value, "seconds above 0, or text as in '90s', '15m', '1h30m'"
        )
    return total


def memory(where: str, value: object) -> int:
    """How much memory, in bytes, above 0: a whole number, or text with a unit.

    Examples
    --------
    >>> memory("max_memory", 10**9), memory("max_memory", "500 MB"), memory("max_memory", "2GiB")
    (1000000000, 500000000, 2147483648)
    """
    if not isinstance(value, str):
        return whole_number(where, value, least=1)
    found = re.fullmatch(rf"({_DECIMAL})([kmgt]?i?b)", "".join(value.split()).lower())
    amount = int(float(found[1]) * UNIT_BYTES.get(found[2], 0)) if found else 0
    if amount < 1:
        raise InvalidValueError(where, value, "bytes above 0, or text as in '500 MB', '2 GiB'")
    return amount


def count_or_share(where: str, value: object) -> int | float:
    """A whole number, or below 1 a share of all."""
    if not hasattr(value, "__index__"):
        share = _as_float(value)
        if share is not None and 0 <= share < 1:
            return share
    try:
        return whole_number(where, value)
    except InvalidValueError:
        expected = "a whole number, 0 or more, or a share of the cells between 0 and 1"
        raise InvalidValueError(where, value, expected) from None


def text(where: str, value: object) -> str:
    """Text that is not empty, and that any file and stream takes."""
    if not isinstance(value, str) or not value:
        raise InvalidValueError(where, value, "a name (text that is not empty)")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(where, value, "a name without lone surrogates") from None
    return value


def known(where: str, value: object, kind: str, names: Collection[str]) -> str:
    """One of the names that there are.

    Examples
    --------
    >>> known("baseline", "tow", "condition", ["one", "two"])
    Traceback (most recent call last):
    crystallize.errors.UnknownNameError: baseline: 'tow' is not among the conditions. \
Did you mean 'two'? Known: 'one', 'two'.
    """
    name = text(where, value)
    if name not in names:
        raise UnknownNameError(kind, name, tuple(names), where=where)
    return name


def keys_among(
    where: str, value: Mapping[str, Any], kind: str, names: Collection[str]
) -> Mapping[str, Any]:
    """A table that has keys for names that there are, and no others."""
    faults = Faults()
    for key in value:
        faults(known, inside(where, key), key, kind, names)
    faults.raise_any()
    return value


def factory(where: str, value: object) -> Callable[[], Any]:
    """Something that is called to make a value."""
    if not callable(value):
        raise InvalidValueError(where, value, "something to call in each worker, without arguments")
    return value


def path(where: str, value: object) -> Path:
    """A path, as text or as a :class:`~pathlib.Path`."""
    if not isinstance(value, (str, Path)) or value == "":
        raise InvalidValueError(where, value, "a path")
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise InvalidValueError(where, value, "a path that this system can have")
    return Path(value)


def sequence(where: str, value: object) -> Sequence[Any]:
    """A list, and no text."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidValueError(where, value, "a list")
    return value


def names(where: str, value: object) -> list[str]:
    """A list of names."""
    return [text(where, name) for name in sequence(where, value)]


def choices(where: str, value: object) -> list[Any]:
    """What a parameter can be: any values in some order, at least one."""
    if isinstance(value, (str, bytes, Mapping, Set)) or not isinstance(value, Iterable):
        raise InvalidValueError(where, value, "a list of values")
    given = list(islice(value, MOST_CHOICES + 1))
    if not given:
        raise InvalidValueError(where, given, "at least one value")
    if len(given) > MOST_CHOICES:
        raise InvalidValueError(where, value, f"at most {MOST_CHOICES:,} values")
    return given


def no_key_twice(keys: Iterable[object]) -> None:
    """Refuse a key that stands twice in one table, of which a parser would keep the last.

    Raises
    ------
    DuplicateNameError
    """
    for key, times in Counter(keys).items():
        if times > 1:
            raise DuplicateNameError(f"the key {key!r} stands twice")


def table(where: str, value: object) -> dict[str, Any]:
    """A mapping whose keys are names."""
    if not isinstance(value, Mapping):
        raise InvalidValueError(where, value, "a mapping of names to values")
    return {text(where, key): item for key, item in value.items()}


def each(rule: Rule[T], *, may_be_empty: bool = True) -> Rule[dict[str, T]]:
    """The rule for a table whose values all have one rule; it finds all that is wrong.

    Examples
    --------
    >>> each(whole_number)("sizes", {"small": 1, "large": "many", "none": -1})
    Traceback (most recent call last):
    crystallize.errors.InvalidValuesError: 2 values cannot be used:
      - sizes.large: expected a whole number, 0 or more, got 'many'.
      - sizes.none: expected a whole number, 0 or more, got -1.
    """

    def check(where: str, value: Any) -> dict[str, T]:
        given = table(where, value)
        if not (given or may_be_empty):
            raise InvalidValueError(where, value, "a mapping of names to values, at least one")
        faults = Faults()
        checked = {key: faults(rule, inside(where, key), item) for key, item in given.items()}
        faults.raise_any()
        return checked

    return check


def optional(rule: Rule[T]) -> Rule[T | None]:
    """The same rule, for a value that may also be ``None``."""

    def check(where: str, value: Any) -> T | None:
        return None if value is None else rule(where, value)

    return check


def _as_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
