"""Every combination of some parameters' values; needs no NumPy, as a config has grids too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from crystallize.checks import choices, each
from crystallize.errors import DuplicateNameError

Conditions = dict[str, dict[str, Any]]

ONLY_CONDITION = "baseline"
"""The name of the condition of an experiment that gives none."""


def grid(**values: Iterable[Any]) -> Conditions:
    """Every combination of some parameters' values, as conditions.

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
    """
    lists = each(choices, may_be_empty=False)("grid", values)
    conditions: Conditions = {}
    for combination in itertools.product(*lists.values()):
        parameters = dict(zip(lists, combination, strict=True))
        name = ",".join(f"{key}={value}" for key, value in parameters.items())
        if name in conditions:
            raise DuplicateNameError(
                f"grid: two combinations are named {name!r}; give each value once."
            )
        conditions[name] = parameters
    return conditions
