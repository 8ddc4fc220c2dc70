"""Named sets of parameters, and how they fit the function."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from crystallize.callables import function_name
from crystallize.checks import text
from crystallize.errors import (
    DuplicateNameError,
    FunctionError,
    InvalidValueError,
    UnknownNameError,
    listing,
    suggestion,
)

INJECTED = ("rng", "seed", "replicate", "condition", "ctx")
"""What a function may ask for by naming a parameter so."""


ONLY_CONDITION = "baseline"
"""The name of the condition of an experiment that gives none."""


Conditions = dict[str, dict[str, Any]]


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
        If there is no parameter, or one has no values.
    DuplicateNameError
        If two combinations have one name.

    Examples
    --------
    >>> grid(n=[10, 40], p=[0.5])
    {'n=10,p=0.5': {'n': 10, 'p': 0.5}, 'n=40,p=0.5': {'n': 40, 'p': 0.5}}
    """
    if not values:
        raise InvalidValueError("grid", {}, "at least one parameter with its values")
    lists: dict[str, list[Any]] = {}
    for name, choices in values.items():
        if isinstance(choices, (str, bytes, Mapping)) or not isinstance(choices, Iterable):
            raise InvalidValueError(f"grid: {name}", choices, "a list of values")
        lists[name] = list(choices)
        if not lists[name]:
            raise InvalidValueError(f"grid: {name}", [], "at least one value")
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


def checked_conditions(conditions: object) -> Conditions:
    """Check and copy what an experiment was given as conditions.

    Raises
    ------
    InvalidValueError
        If it is not a non-empty mapping of names to mappings of parameters.
    """
    if conditions is None:
        return {ONLY_CONDITION: {}}
    if not isinstance(conditions, Mapping) or not conditions:
        raise InvalidValueError(
            "conditions", conditions, "a mapping of names to parameters, with at least one"
        )
    checked: Conditions = {}
    for name, parameters in conditions.items():
        text("conditions", name)
        if not isinstance(parameters, Mapping) or not all(isinstance(k, str) for k in parameters):
            raise InvalidValueError(
                f"condition {name!r}", parameters, "a mapping of parameter names to values"
            )
        for key, value in parameters.items():
            if isinstance(value, (Iterator, np.random.Generator, np.random.RandomState)):
                raise InvalidValueError(
                    f"condition {name!r}: {key}",
                    value,
                    "a value that one cell cannot use up for the others (a list; or ask for 'rng')",
                )
        checked[name] = dict(parameters)
    return checked


def read_only(conditions: Conditions) -> Mapping[str, Mapping[str, Any]]:
    """The same conditions as views that nobody can change."""
    return MappingProxyType({name: MappingProxyType(given) for name, given in conditions.items()})


def checked_baseline(baseline: str | None, conditions: Conditions) -> str:
    """The baseline's name: the one given, or else the first condition's."""
    if baseline is None:
        return next(iter(conditions))
    if not isinstance(baseline, str) or baseline not in conditions:
        raise UnknownNameError("condition", str(baseline), tuple(conditions), advice="(baseline)")
    return baseline


def injected_names(function: Callable[..., Any], conditions: Conditions) -> tuple[str, ...]:
    """Check that every condition fits the function's parameters.

    Returns
    -------
    tuple of str
        Which of :data:`INJECTED` the function asks for.

    Raises
    ------
    FunctionError
        If the function is not callable or has no readable signature, if a
        condition gives a parameter that it does not take or that is injected,
        or if no one gives a parameter that it requires.
    """
    name = function_name(function)
    if not callable(function):
        raise FunctionError(
            f"The function of an experiment must be callable, got {type(function).__name__}."
        )
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise FunctionError(
            f"The parameters of {name} cannot be read ({error}); wrap it in a function of yours."
        ) from error
    by_name = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for parameter in parameters:
        wanted = parameter.default is parameter.empty or parameter.name in INJECTED
        if parameter.kind is parameter.POSITIONAL_ONLY and wanted:
            raise FunctionError(
                f"{name} takes {parameter.name!r} by position only; "
                "parameters are filled by name, so remove the '/'."
            )
    injected = tuple(known for known in INJECTED if known in by_name)
    required = {p.name for p in by_name.values() if p.default is p.empty} - set(injected)
    for condition, given in conditions.items():
        if taken := [key for key in given if key in INJECTED]:
            raise FunctionError(
                f"Condition {condition!r} gives {listing(taken)}, which Crystallize fills in "
                "itself; give the parameter another name."
            )
        unknown = [key for key in given if key not in by_name]
        if unknown and not takes_any:
            raise FunctionError(
                f"Condition {condition!r} gives {listing(unknown)}, which {name} does not take."
                f"{suggestion(unknown[0], by_name)} It takes: {listing(by_name)}."
            )
        if missing := sorted(required - set(given)):
            raise FunctionError(
                f"{name} requires {listing(missing)}, which condition {condition!r} does not give."
                f" It gives: {listing(given)}; Crystallize fills in {listing(INJECTED)}."
            )
    return injected
