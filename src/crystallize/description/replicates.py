"""How many replicates each condition has, where conditions may have numbers of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from crystallize.callables import function_name
from crystallize.checks import Faults, inside, known, table, whole_number
from crystallize.description.until import Until, has_untils, untils
from crystallize.errors import FunctionError, InvalidValueError, listing
from crystallize.spelling import spelled_key

KEY = "replicates"
OTHERS = "*"
"""What stands for all conditions that nothing else names."""

_number = partial(whole_number, least=1)


@dataclass(frozen=True, slots=True)
class Replicates:
    """How many replicates conditions have.

    Attributes
    ----------
    others : int
        Of each condition that has no number of its own; with `until`, at the most.
    own : mapping of str to int
        Condition -> its number, where it has its own.
    until : tuple of Until
        What ends the others before they have all of these.
    """

    others: int = 1
    own: Mapping[str, int] = field(default_factory=dict)
    until: tuple[Until, ...] = ()


def given_replicates(value: object, conditions: Collection[str]) -> Replicates:
    """What an experiment was given as `replicates`.

    Parameters
    ----------
    value : int, Until, sequence of Until, or mapping
        A mapping has numbers by names or patterns of conditions, and under ``"*"`` what all
        others have.
    conditions : collection of str

    Raises
    ------
    CrystallizeError
        Listing all that is wrong.

    Examples
    --------
    >>> given = given_replicates({"slow": 50, "*": 1000}, ["fast", "slow", "faster"])
    >>> given.others, given.own
    (1000, {'slow': 50})
    """
    if not isinstance(value, Mapping):
        return _of_all(value)
    given = table(KEY, value)
    faults = Faults()
    others = faults(_of_all, given.pop(OTHERS), inside(KEY, OTHERS)) if OTHERS in given else None
    own = faults(own_replicates, KEY, given, conditions)
    faults.raise_any()
    if others is not None:
        return Replicates(others.others, own, others.until)
    if left := [name for name in conditions if name not in own]:
        raise InvalidValueError(
            KEY, value, f"a number for {listing(left)} too, or for all others as {OTHERS!r}"
        )
    return Replicates(max(own.values()), own)


def own_replicates(
    where: str, given: Mapping[str, object], conditions: Collection[str]
) -> dict[str, int]:
    """Condition -> its number, of those that a name or a pattern gives one.

    A name comes before patterns, and the first pattern that matches before others.

    Raises
    ------
    CrystallizeError
        If one of them matches nothing, or its value is no number; lists all that is wrong.
    """
    faults = Faults()
    numbers = {key: faults(_number, inside(where, key), number) for key, number in given.items()}
    patterns = [key for key in given if key not in conditions]
    own: dict[str, int] = {}
    matching = set()
    for name in conditions:
        if name in numbers:
            own[name] = numbers[name]
            continue
        for pattern in patterns:
            if fnmatchcase(name, pattern):
                matching.add(pattern)
                own.setdefault(name, numbers[pattern])
    for pattern in patterns:
        if pattern not in matching:
            faults(known, where, pattern, "condition", conditions)
    faults.raise_any()
    return own


def refuse_ambiguous(function: Callable[..., Any], names: Collection[str]) -> None:
    """Refuse conditions of a config that have a number of replicates, or a parameter, of that name.

    Parameters
    ----------
    function : callable
    names : collection of str
        The conditions in whose tables there is a key ``replicates``.

    Raises
    ------
    FunctionError
    """
    if not names:
        return
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return  # the experiment says so
    if KEY in parameters:
        place = f"conditions.{spelled_key(next(iter(names)))}.{KEY}"
        raise FunctionError(
            f"{place} is how many replicates the condition has, and {function_name(function)} has "
            f"a parameter {KEY!r} too. Give the parameter another name; or the parameter's values "
            "in [parameters] or a [grid], and the numbers of replicates as "
            "[experiment] replicates = { NAME = 50, '*' = 1000 }."
        )


def _of_all(value: object, where: str = KEY) -> Replicates:
    if has_untils(value):
        goals = untils(where, value)
        return Replicates(goals[0].at_most, {}, goals)
    return Replicates(_number(where, value))
