"""How many replicates each condition has, where conditions may have numbers of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from crystallize.callables import function_name
from crystallize.checks import Faults, each, inside, known, whole_number
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
    if has_untils(value):
        goals = untils(KEY, value)
        return Replicates(goals[0].at_most, {}, goals)
    if not isinstance(value, Mapping):
        return Replicates(_number(KEY, value))
    goals = ()
    numbers = dict(value)
    if has_untils(value.get(OTHERS)):
        goals = untils(inside(KEY, OTHERS), numbers[OTHERS])
        numbers[OTHERS] = goals[0].at_most
    numbers = number_or_numbers(KEY, numbers)
    own = own_replicates(KEY, numbers, conditions)
    return Replicates(numbers.get(OTHERS) or max(own.values()), own, goals)


def number_or_numbers(where: str, value: object) -> Any:
    """How many replicates conditions have: one number for all, or a table of them."""
    if isinstance(value, Mapping):
        return each(_number, may_be_empty=False)(where, value)
    return _number(where, value)


def own_replicates(
    where: str,
    numbers: Mapping[str, int],
    conditions: Collection[str],
    elsewhere: Collection[str] = (),
) -> dict[str, int]:
    """Condition -> its number, of those that a name or a pattern gives one.

    A name comes before patterns, and the first pattern that matches before others.

    Parameters
    ----------
    where : str
    numbers : mapping of str to int
    conditions : collection of str
    elsewhere : collection of str
        The conditions of which something else says how many they have.

    Raises
    ------
    CrystallizeError
        If a name or pattern matches nothing, or a condition has no number.
    """
    patterns = [key for key in numbers if key not in conditions and key != OTHERS]
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
    faults = Faults()
    for pattern in patterns:
        if pattern not in matching:
            faults(known, where, pattern, "condition", conditions)
    faults.raise_any()
    left = [name for name in conditions if name not in own and name not in elsewhere]
    if left and OTHERS not in numbers:
        expected = f"a number for {listing(left)} too, or for all others as {OTHERS!r}"
        raise InvalidValueError(where, dict(numbers), expected)
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
