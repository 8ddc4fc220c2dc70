"""Named sets of parameters, and how they fit the function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from crystallize.callables import function_name
from crystallize.checks import Faults, each, known, writable
from crystallize.description.fingerprint import generators_reached
from crystallize.description.grid import ONLY_CONDITION, Conditions
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import FunctionError, InvalidValueError, listing, suggestion

INJECTED = ("rng", "seed", "seed32", "replicate", "condition", "ctx")
"""What a function may ask for by naming a parameter so."""


def checked_conditions(conditions: object) -> Conditions:
    """Check and copy what an experiment was given as conditions.

    Raises
    ------
    InvalidValueError
        If it is not a non-empty mapping of names to mappings of parameters, or holds
        what only the first cell would find as it was given; lists all that is wrong.
    """
    if conditions is None:
        return {ONLY_CONDITION: {}}
    return each(each(_reusable), may_be_empty=False)("conditions", conditions)


def selected(where: str, patterns: Sequence[str], conditions: Conditions) -> Conditions:
    """The conditions that have one of some names, or match one of some patterns.

    Parameters
    ----------
    where : str
    patterns : sequence of str
        Names, in which ``*``, ``?`` and ``[…]`` stand for others, as in a shell.
    conditions : mapping of str to mapping

    Raises
    ------
    UnknownNameError
        If one of them matches nothing; lists all such.
    """
    faults = Faults()
    matching = set()
    for pattern in patterns:
        found = [name for name in conditions if name == pattern or fnmatchcase(name, pattern)]
        matching.update(found or [faults(known, where, pattern, "condition", conditions)])
    faults.raise_any()
    return {name: given for name, given in conditions.items() if name in matching}


def _reusable(where: str, value: object) -> Any:
    if isinstance(value, (Iterator, np.random.Generator, np.random.RandomState)):
        expected = "a value that one cell cannot use up for the others (a list; or ask for 'rng')"
        raise InvalidValueError(where, value, expected)
    return writable(where, value)


def check_generators(experiment: ExperimentSpec) -> None:
    """Refuse random generators that the function or a condition has in hand.

    Raises
    ------
    FunctionError
        If there are some: each process has a copy, whose draws the cells there share.
    """
    found = generators_reached(experiment)
    if found:
        raise FunctionError(
            f"{function_name(experiment.function)} reaches a random generator of its own: "
            f"{', '.join(found)}. Its draws depend on which cells share a process, and each worker "
            "process would have a copy that draws the same again. Ask for 'rng' instead: a "
            "parameter of that name is each cell's own generator."
        )


def read_only(conditions: Conditions) -> Mapping[str, Mapping[str, Any]]:
    """The same conditions as views that nobody can change."""
    return MappingProxyType({name: MappingProxyType(given) for name, given in conditions.items()})


def checked_baseline(baseline: str | None, conditions: Conditions) -> str:
    """The baseline's name: the one given, or else the first condition's.

    Raises
    ------
    InvalidValueError, UnknownNameError
    """
    if baseline is None:
        return next(iter(conditions))
    return known("baseline", baseline, "condition", conditions)


@dataclass(frozen=True, slots=True)
class Filled:
    """Who fills the function's parameters, beside the conditions.

    Attributes
    ----------
    injected : tuple of str
        Which of :data:`INJECTED` the function asks for; what a ``partial`` has bound it keeps.
    offered : tuple of str
        What only a plugin's ``worker_context`` can give it.
    takes : tuple of str or None
        Every parameter by name; ``None`` where it takes any.
    """

    injected: tuple[str, ...]
    offered: tuple[str, ...]
    takes: tuple[str, ...] | None


def filled_parameters(
    function: Callable[..., Any],
    conditions: Conditions,
    resources: Collection[str] = (),
    *,
    plugins_offer: bool = False,
) -> Filled:
    """Check that every condition, and every resource, fits the function's parameters.

    Parameters
    ----------
    function : callable
    conditions : mapping of str to mapping
    resources : collection of str
        The parameters that resources fill.
    plugins_offer : bool
        Whether plugins fill parameters, which are not known before a worker runs.

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
    bound = function.keywords if isinstance(function, partial) else {}
    injected = tuple(name for name in INJECTED if name in by_name and name not in bound)
    required = {p.name for p in by_name.values() if p.default is p.empty}
    required -= {*injected, *resources}
    offered: set[str] = set()
    for resource in resources:
        if resource in INJECTED or (resource not in by_name and not takes_any):
            raise FunctionError(
                f"resources: {name} has no parameter {resource!r} that a resource could fill."
                f"{suggestion(resource, by_name)} It takes: {listing(by_name)}."
            )
    for condition, given in conditions.items():
        if taken := [key for key in given if key in INJECTED]:
            raise FunctionError(
                f"Condition {condition!r} gives {listing(taken)}, which Crystallize fills in "
                "itself; give the parameter another name."
            )
        if both := [key for key in given if key in resources]:
            raise FunctionError(
                f"Condition {condition!r} gives {listing(both)}, which is a resource too; give "
                "one of them another name."
            )
        offered.update(missing := sorted(required - set(given)))
        unknown = [key for key in given if key not in by_name]
        if unknown and not takes_any:
            raise FunctionError(
                f"Condition {condition!r} gives {listing(unknown)}, which {name} does not take."
                f"{suggestion(unknown[0], by_name)} It takes: {listing(by_name)}."
            )
        if missing and not plugins_offer:
            raise FunctionError(
                f"{name} requires {listing(missing)}, which condition {condition!r} does not give."
                f" It gives: {listing(given)}; Crystallize fills in {listing(INJECTED)}."
            )
    return Filled(injected, tuple(sorted(offered)), None if takes_any else tuple(by_name))
