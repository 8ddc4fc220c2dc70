"""Which failed cells are tried again, how often, and after which time."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from crystallize.checks import (
    Faults,
    Rule,
    above_zero,
    inside,
    keys_among,
    not_negative,
    number,
    sequence,
    table,
    whole_number,
)
from crystallize.errors import (
    CrystallizeError,
    FunctionLookupError,
    InvalidValueError,
    suggestion,
)
from crystallize.located import folder_of

Kind = type[BaseException]

KINDS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
"""Python's own exceptions."""


EXPECTED = (
    "a whole number, 0 or more, or a table as { times = 3, wait = 0.5 } "
    "(from Python: Retry(3, wait=0.5))"
)


@dataclass(frozen=True, slots=True)
class Retry:
    """How failed cells are tried again, with the same seed each time.

    Before the second attempt a cell waits for `wait` seconds, then each time for `backoff`
    times as long.  Where the exception has an attribute ``retry_after`` (seconds), or where
    its ``headers``, or those of its ``response``, have ``Retry-After``, it waits for at least
    as long, whatever `at_most` is.  Other cells run meanwhile.

    A cell whose worker died is tried again too, at once, and one that took longer than the
    experiment's `timeout`, after its wait.

    Parameters
    ----------
    times : int
        How many more times a cell is tried.
    wait : float
        Seconds before the second attempt.
    backoff : float
        By what each further wait is longer than the one before it.
    jitter : float
        By which share of itself a wait is longer or shorter, at random: from 0 to 1.  The
        draw is the replicate's own, and changes nothing of what a function draws.
    at_most : float
        The longest wait, in seconds.
    on : sequence of (exception type or str)
        Which exceptions are tried again; any other fails its cell at once.  A text is the
        name of one of Python's, or ``module:Name``.

    Raises
    ------
    CrystallizeError
        If a value does not fit; one that lists all where there are more.

    Examples
    --------
    >>> from crystallize import Experiment, Retry
    >>> answers = iter([ConnectionError("busy"), 3.0])
    >>> def trial():
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> retries = Retry(5, wait=0.01, jitter=0.5, on=(OSError, "TimeoutError"))
    >>> Experiment(trial, retries=retries).run().metrics["baseline"]["value"].tolist()
    [3.0]
    """

    times: int
    wait: float = 0.0
    backoff: float = 2.0
    jitter: float = 0.0
    at_most: float = 60.0
    on: Sequence[Kind | str] = (Exception,)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in RULES}
        for name, value in _checked("", given).items():
            object.__setattr__(self, name, value)

    def seconds_after(self, attempt: int, draw: Callable[[], float]) -> float:
        """For how long a cell waits after an attempt.

        Parameters
        ----------
        attempt : int
            Which one; 1 is the first.
        draw : callable
            Gives a number from 0 to 1; called where there is jitter.
        """
        if not self.wait:
            return 0.0
        try:
            seconds = self.wait * self.backoff ** (attempt - 1)
        except OverflowError:
            seconds = self.at_most
        if self.jitter:
            seconds *= 1 + self.jitter * (2 * draw() - 1)
        return min(seconds, self.at_most)

    @property
    def exceptions(self) -> tuple[Kind, ...]:
        """The exceptions that are tried again, imported where they are given by name.

        Raises
        ------
        FunctionLookupError
            If there is none of that name; chained to the reason.
        InvalidValueError
            If that is no exception.
        """
        return tuple(map(_kind, self.on)) if self.times else ()

    def imported(self) -> Retry:
        """The same, with exceptions in the place of their names."""
        return replace(self, on=tuple(map(_kind, self.on)))

    def to_dict(self) -> dict[str, Any]:
        """It as data that JSON has."""
        values = {name: getattr(self, name) for name in RULES}
        return values | {"on": [one if isinstance(one, str) else _name(one) for one in self.on]}


def _kind(given: Kind | str) -> Kind:
    if not isinstance(given, str):
        return given
    if given in KINDS:
        return KINDS[given]
    from crystallize.description.lookup import find_object  # what pickles functions

    try:
        found = find_object(given, folder_of(given))
    except FunctionLookupError as error:
        raise FunctionLookupError(f"retries.on: {str(given)!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise InvalidValueError("retries.on", given, "an exception type")
    return found


def _name(kind: Kind) -> str:
    return kind.__name__ if kind in KINDS.values() else f"{kind.__module__}:{kind.__qualname__}"


def _on(where: str, value: object) -> tuple[Kind | str, ...]:
    if isinstance(value, type):
        value = (value,)
    given = sequence(where, value)
    if not given:
        raise InvalidValueError(where, value, "at least one exception")
    faults = Faults()
    checked = tuple(faults(_one, f"{where}[{i}]", one) for i, one in enumerate(given))
    faults.raise_any()
    return checked


def _one(where: str, value: object) -> Kind | str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return value
    if not isinstance(value, str):
        expected = "an exception type, or the name of one as text"
        raise InvalidValueError(where, value, expected)
    parts = value.replace(":", ".", 1).split(".") if ":" in value else ()
    if value not in KINDS and not (parts and all(part.isidentifier() for part in parts)):
        expected = "the name of one of Python's exceptions, or 'module:Name'"
        raise InvalidValueError(where, value, expected, hint=suggestion(value, KINDS))
    return value


def _at_least_one(where: str, value: object) -> float:
    found = number(where, value)
    if not 1 <= found < float("inf"):
        raise InvalidValueError(where, value, "a number, 1 or more")
    return found


def _share(where: str, value: object) -> float:
    found = number(where, value)
    if not 0 <= found <= 1:
        raise InvalidValueError(where, value, "a number from 0 to 1")
    return found


RULES: Mapping[str, Rule[Any]] = {
    "times": whole_number,
    "wait": not_negative,
    "backoff": _at_least_one,
    "jitter": _share,
    "at_most": above_zero,
    "on": _on,
}
"""What each value may be."""


def retries(where: str, value: object) -> Retry:
    """What an experiment is given; a number alone is how often whatever fails is tried again."""
    given = retries_written(where, value)
    return given if isinstance(given, Retry) else Retry(given, on=(BaseException,))


def retries_written(where: str, value: object) -> int | Retry:
    """A whole number, :class:`Retry`, or as in a config a table of what that takes."""
    if isinstance(value, Retry):
        return value
    if not isinstance(value, Mapping):
        try:
            return whole_number(where, value)
        except InvalidValueError as error:
            raise InvalidValueError(where, value, EXPECTED) from error
    given = table(where, value)
    keys_among(where, given, "key", list(RULES))
    if "times" not in given:
        raise CrystallizeError(f"{where}.times: missing; it must be given.")
    defaults = {field.name: field.default for field in fields(Retry)}
    return Retry(**_checked(where, defaults | given))


def _checked(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one, each held against its rule, and against the others."""
    place = partial(inside, where) if where else str
    faults = Faults()
    checked = {name: faults(rule, place(name), given[name]) for name, rule in RULES.items()}
    faults.raise_any()
    if checked["wait"] > checked["at_most"]:
        raise InvalidValueError(
            place("wait"), checked["wait"], f"at most as long as at_most ({checked['at_most']:g} s)"
        )
    return checked


NEVER = Retry(0)
"""Every cell has one attempt."""
