"""Which combinations of a grid there are: parameters that vary together, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.checks import Faults, inside, known, names, sequence, table
from crystallize.errors import CrystallizeError, InvalidValueError, listing

Lists = Mapping[str, Sequence[Any]]
"""Parameter -> its values."""


def varying_together(where: str, value: object, lists: Lists) -> list[tuple[str, ...]]:
    """The parameters in groups, each of which takes its values together.

    Parameters
    ----------
    where : str
    value : sequence of str, or of sequences of str
        One group, or several.
    lists : mapping
        All parameters.

    Returns
    -------
    list of tuple of str
        All parameters, those of no group alone, in the order of the first of each.

    Raises
    ------
    InvalidValueError, InvalidValuesError, UnknownNameError
    """
    given = sequence(where, value)
    of_one = bool(given) and all(isinstance(name, str) for name in given)
    groups = [tuple(names(where, group)) for group in ([given] if of_one else given)]
    faults = Faults()
    for name, times in Counter(name for group in groups for name in group).items():
        faults(known, where, name, "parameter", lists)
        if times > 1:
            faults(_refuse, where, f"names {name!r} twice; a parameter is in one group, once")
    faults.raise_any()
    for group in groups:
        counts = {name: len(lists[name]) for name in group}
        if len(group) < 2 or len(set(counts.values())) > 1:
            shown = listing(f"{name} with {count}" for name, count in counts.items())
            raise InvalidValueError(
                where, list(group), f"two or more parameters with as many values each ({shown})"
            )
    group_of = {name: group for group in groups for name in group}
    return list(dict.fromkeys(group_of.get(name, (name,)) for name in lists))


def exclusions(where: str, value: object, lists: Lists) -> list[dict[str, Any]]:
    """What is left out: parameters with values that they take.

    Raises
    ------
    InvalidValueError, InvalidValuesError, UnknownNameError
        Where one would leave out nothing; lists all of these.
    """
    faults = Faults()
    given = [faults(table, where, some) for some in sequence(where, value)]
    faults.raise_any()
    for some in given:
        if not some:
            faults(_refuse, where, "has an empty table, which would leave out everything")
        for name, excluded in some.items():
            if name not in lists:
                faults(known, where, name, "parameter", lists)
            elif not any(is_same(excluded, value) for value in lists[name]):
                faults(
                    _refuse, inside(where, name), f"{excluded!r} is none of its values, which are "
                    f"{', '.join(map(repr, lists[name]))[:200]}",
                )  # fmt: skip
    faults.raise_any()
    return given


def is_among(excluded: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a combination has all the values of an exclusion."""
    return all(is_same(value, parameters[name]) for name, value in excluded.items())


def is_same(one: object, other: object) -> bool:
    """Whether two values are equal, of which ``True`` is no 1."""
    if one is other:
        return True
    try:
        return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
    except Exception:  # arrays, and what else has no one answer, are the same only as one object
        return False


def _refuse(where: str, problem: str) -> None:
    raise CrystallizeError(f"{where}: {problem}.")
