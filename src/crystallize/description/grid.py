"""Every combination of some parameters' values; needs no NumPy, as a config has grids too."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from crystallize.checks import MOST_BITS, MOST_CHOICES, Faults, choices, each, table
from crystallize.description.combinations import (
    exclusions,
    is_among,
    is_same,
    varying_together,
)
from crystallize.description.secrets import without_secrets
from crystallize.errors import DuplicateNameError, InvalidValueError

Conditions = dict[str, dict[str, Any]]

LONGEST = 60
"""How long a value's own text may be to name a condition."""

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
ONLY_CONDITION = "baseline"
"""The name of the condition of an experiment that gives none."""


def grid(
    *,
    exclude: Sequence[Mapping[str, Any]] = (),
    zip: Sequence[Any] = (),
    **values: Iterable[Any],
) -> Conditions:
    """Every combination of some parameters' values, as conditions.

    Conditions are named by the values: functions and classes by their names, objects
    whose text is long or shows an address by their class.  Functions and objects that
    would have one name are told apart by their modules, or else by their place.

    Parameters
    ----------
    exclude : sequence of mapping
        Combinations to leave out: all that have the values of one of these.
    zip : sequence of str, or of sequences of str
        Parameters that vary together, the first value of one with the first of the
        others; or several groups of such parameters.
    **values : iterable
        Parameter name -> the values that it takes.

    Returns
    -------
    dict of str to dict
        Name of the condition -> its parameters; the last parameter varies
        fastest, those that vary together at the place of their first.

    Raises
    ------
    InvalidValueError
        If there is no parameter, or one has no values; if `exclude` or `zip` name what is
        not there, parameters of a group have unlike numbers of values, or nothing is left;
        lists all that is wrong.
    DuplicateNameError
        If two combinations have one name.

    Examples
    --------
    >>> grid(n=[10, 40], p=[0.5])
    {'n=10,p=0.5': {'n': 10, 'p': 0.5}, 'n=40,p=0.5': {'n': 40, 'p': 0.5}}
    >>> list(grid(n=[10, 40], p=[0.1, 0.5], exclude=[{"n": 10, "p": 0.5}]))
    ['n=10,p=0.1', 'n=40,p=0.1', 'n=40,p=0.5']
    >>> list(grid(n=[10, 40], p=[0.1, 0.5], zip=["n", "p"]))
    ['n=10,p=0.1', 'n=40,p=0.5']
    >>> from statistics import mean, median
    >>> list(grid(estimator=[mean, median]))
    ['estimator=mean', 'estimator=median']
    """
    return _combined("grid", values, exclude, zip)


def grids(where: str, value: object) -> Conditions:
    """The conditions of a config's grid, or of several: a table, or a list of tables.

    A condition that two grids have is one.

    Raises
    ------
    InvalidValueError, DuplicateNameError
        As :func:`grid`; the latter also if two grids give one name to unlike conditions.
    """
    if not isinstance(value, list):
        return _of_table(where, value)
    if not value:
        raise InvalidValueError(where, value, "a table, or several")
    conditions: Conditions = {}
    for place, given in enumerate(value, start=1):
        for name, parameters in _of_table(f"{where} {place}", given).items():
            if not is_same(conditions.setdefault(name, parameters), parameters):
                raise DuplicateNameError(
                    f"{where}: two conditions are named {name!r}; give one of their values "
                    "another spelling, or name the conditions yourself."
                )
        _check_size(where, len(conditions))
    return conditions


def _of_table(where: str, value: object) -> Conditions:
    values = table(where, value)
    return _combined(where, values, values.pop("exclude", ()), values.pop("zip", ()))


def _combined(where: str, values: object, exclude: object, zipped: object) -> Conditions:
    lists = each(choices, may_be_empty=False)(where, values)
    faults = Faults()
    groups = faults(varying_together, f"{where}.zip", zipped, lists)
    excluded = faults(exclusions, f"{where}.exclude", exclude, lists)
    faults.raise_any()
    named = {
        # A name is written down, whatever is asked for.
        key: list(zip(_names([without_secrets(key, v) for v in given]), given, strict=True))
        for key, given in lists.items()
    }
    steps = [list(zip(*(named[key] for key in group), strict=True)) for group in groups]
    _check_size(where, math.prod(map(len, steps)))
    conditions: Conditions = {}
    for combination in itertools.product(*steps):
        chosen = {
            key: item
            for group, items in zip(groups, combination, strict=True)
            for key, item in zip(group, items, strict=True)
        }
        parameters = {key: chosen[key][1] for key in lists}
        if any(is_among(some, parameters) for some in excluded):
            continue
        name = ",".join(f"{key}={chosen[key][0]}" for key in lists)
        if name in conditions:
            raise DuplicateNameError(
                f"{where}: two combinations are named {name!r}; give each value once."
            )
        conditions[name] = parameters
    if not conditions:
        raise InvalidValueError(f"{where}.exclude", exclude, "to leave at least one combination")
    return conditions


def _check_size(where: str, combinations: int) -> None:
    """Refuse more conditions than anyone could look at, before they are made."""
    if combinations > MOST_CHOICES:
        raise InvalidValueError(
            where,
            combinations,
            f"at most {MOST_CHOICES:,} combinations",
            hint=" Give fewer values, or make experiments of their own of parts of it.",
        )


def _names(values: Sequence[Any]) -> list[str]:
    """What each value is called in the name of a condition."""
    names = [_name(value) for value in values]
    counts = Counter(names)
    clashing = [i for i, value in enumerate(values) if counts[names[i]] > 1 and not _is_text(value)]
    for i in clashing:
        module = getattr(values[i], "__module__", None)
        names[i] = f"{module}.{names[i]}" if isinstance(module, str) else names[i]
    alike: dict[str, list[int]] = {}
    for i in clashing:
        objects = alike.setdefault(names[i], [])
        if id(values[i]) not in objects:
            objects.append(id(values[i]))
    for i in clashing:
        if len(objects := alike[names[i]]) > 1:
            names[i] += f"#{objects.index(id(values[i])) + 1}"
    return names


def _name(value: Any) -> str:
    if _is_text(value):
        return str(value)
    if isinstance(value, partial):
        given = [*map(_name, value.args), *(f"{k}={_name(v)}" for k, v in value.keywords.items())]
        return f"{_name(value.func)}({','.join(given)})"
    if isinstance(value, (set, frozenset)):  # whose order is not the same in every process
        return "{" + ",".join(sorted(map(_name, value))) + "}"
    if _is_named(value):
        return str(value.__qualname__).rpartition("<locals>.")[2]
    return type(value).__name__


def _is_named(value: Any) -> bool:
    return callable(value) and hasattr(value, "__qualname__")


def _is_text(value: Any) -> bool:
    """Whether a value's own text is short, and the same in every process."""
    if isinstance(value, int):
        return value.bit_length() <= MOST_BITS
    if isinstance(value, str):
        return True
    if isinstance(value, (set, frozenset, partial)) or _is_named(value):
        return False
    try:
        text = str(value)
    except Exception:  # as of what holds a whole number of thousands of digits
        return False
    return len(text) <= LONGEST and text.isprintable() and not _ADDRESS.search(text)
