"""One rule for each kind of value that a user gives, for API, config and plugins alike.

A rule takes what messages call the value, and the value; it returns the value in
one form, or raises :exc:`~crystallize.errors.InvalidValueError`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from crystallize.errors import CrystallizeError, InvalidValueError, InvalidValuesError, suggestion

P = ParamSpec("P")
T = TypeVar("T")


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

    def raise_any(self) -> None:
        """Raise what was found: the one error as it is, or one that lists all.

        Raises
        ------
        CrystallizeError
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise InvalidValuesError([str(error) for error in self.found])


def whole_number(where: str, value: object, *, least: int = 0) -> int:
    """An integer of at least `least`; NumPy's too, but no boolean."""
    expected = f"a whole number, {least} or more"
    if isinstance(value, bool):
        raise InvalidValueError(where, value, expected)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidValueError(where, value, expected) from None
    if number < least:
        raise InvalidValueError(where, value, expected)
    return number


def flag(where: str, value: object) -> bool:
    """A boolean, and nothing that is merely true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError(where, value, "True or False")
    return value


def choice(where: str, value: object, choices: Collection[str]) -> Any:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(repr(known) for known in choices)
        raise InvalidValueError(where, value, f"{expected}{_hint(value, choices)}")
    return value


def seconds(where: str, value: object) -> float:
    """A duration above 0."""
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
        raise InvalidValueError(where, value, "a number of seconds above 0")
    return float(value)


def count_or_share(where: str, value: object) -> int | float:
    """A whole number, or below 1 a share of all."""
    if isinstance(value, Real) and not isinstance(value, (bool, int)) and not _is_whole(value):
        share = float(value)
        if math.isfinite(share) and 0 <= share < 1:
            return share
    expected = "a whole number, 0 or more, or a share of the cells between 0 and 1"
    try:
        return whole_number(where, value)
    except InvalidValueError:
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


def path(where: str, value: object) -> Path:
    """A path, as text or as a :class:`~pathlib.Path`."""
    if not isinstance(value, (str, Path)) or value == "":
        raise InvalidValueError(where, value, "a path")
    return Path(value)


def sequence(where: str, value: object) -> Sequence[Any]:
    """A list, and no text."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidValueError(where, value, "a list of names or objects")
    return value


def table(where: str, value: object) -> dict[str, Any]:
    """A mapping whose keys are text."""
    if not isinstance(value, Mapping):
        raise InvalidValueError(where, value, "a mapping of names to values")
    for key in value:
        if not isinstance(key, str):
            raise InvalidValueError(where, key, "a name (text) as key")
    return dict(value)


def optional(rule: Callable[[str, Any], T]) -> Callable[[str, Any], T | None]:
    """The same rule, for a value that may also be ``None``."""

    def check(where: str, value: Any) -> T | None:
        return None if value is None else rule(where, value)

    return check


def _is_whole(value: object) -> bool:
    return hasattr(value, "__index__")


def _hint(value: object, choices: Collection[str]) -> str:
    close = suggestion(str(value), choices)
    return f" -{close}" if close else ""
