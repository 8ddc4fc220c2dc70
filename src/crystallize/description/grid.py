"""Every combination of some parameters' values; needs no NumPy, as a config has grids too."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from crystallize.checks import choices, each
from crystallize.errors import DuplicateNameError

Conditions = dict[str, dict[str, Any]]

LONGEST = 60
"""How long a value's own text may be to name a condition."""

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
ONLY_CONDITION = "baseline"
"""The name of the condition of an experiment that gives none."""


def grid(**values: Iterable[Any]) -> Conditions:
    """Every combination of some parameters' values, as conditions.

    Conditions are named by the values: functions and classes by their names, objects
    whose text is long or shows an address by their class.  Functions and objects that
    would have one name are told apart by their modules, or else by their place.

    Parameters
    ----------
    **values : iterable
        Parameter name -> the values that it takes.

    Returns
    -------
    dict of str to dict
        Name of the condition -> its parameters; the last parameter varies
        fastest.

    Raises
    ------
    InvalidValueError
        If there is no parameter, or one has no values; lists all that is wrong.
    DuplicateNameError
        If two combinations have one name.

    Examples
    --------
    >>> grid(n=[10, 40], p=[0.5])
    {'n=10,p=0.5': {'n': 10, 'p': 0.5}, 'n=40,p=0.5': {'n': 40, 'p': 0.5}}
    >>> from statistics import mean, median
    >>> list(grid(estimator=[mean, median]))
    ['estimator=mean', 'estimator=median']
    """
    lists = each(choices, may_be_empty=False)("grid", values)
    named = [list(zip(_names(given), given, strict=True)) for given in lists.values()]
    conditions: Conditions = {}
    for combination in itertools.product(*named):
        name = ",".join(f"{key}={text}" for key, (text, _) in zip(lists, combination, strict=True))
        if name in conditions:
            raise DuplicateNameError(
                f"grid: two combinations are named {name!r}; give each value once."
            )
        conditions[name] = {key: value for key, (_, value) in zip(lists, combination, strict=True)}
    return conditions


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
    if isinstance(value, (str, int)):
        return True
    if isinstance(value, (set, frozenset, partial)) or _is_named(value):
        return False
    text = str(value)
    return len(text) <= LONGEST and text.isprintable() and not _ADDRESS.search(text)
