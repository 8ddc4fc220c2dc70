"""Which experiment a store belongs to, beside what its function reaches."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from types import NoneType
from typing import Any

import numpy as np

from crystallize.callables import documentation
from crystallize.checks import MOST_BITS
from crystallize.description.factors import Factors, factors, levels
from crystallize.description.fingerprint import shown_parameter, source_file
from crystallize.description.project import in_project
from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.store.about import Identity

MUST_AGREE = ("function", "seed", "rule", "seed_globals")
"""What two identities of one experiment have in common, beside all that the function reaches."""


def identity(experiment: ExperimentSpec) -> Identity:
    """What the experiment is, for people and for ``replay``; where to find its function."""
    hidden = opaque(experiment)
    return {
        **without_conditions(experiment),
        "conditions": {
            condition: {key: _shown(value) for key, value in parameters.items()}
            for condition, parameters in experiment.shown_conditions.items()
        },
        "opaque": hidden,
        "levels": _levels(experiment, hidden),
    }


def without_conditions(experiment: ExperimentSpec) -> Identity:
    """The part of an identity that is not about what conditions are."""
    file = source_file(experiment.function)
    return {
        "name": experiment.name,
        "function": _name(experiment.function),
        "module": getattr(experiment.function, "__module__", None),
        "doc": documentation(experiment.function),
        "file": None if file is None else in_project(file),
        "seed": experiment.seed,
        "seed_rule": experiment.seed_rule,
        "rule": experiment.seed_formula,
        "streams": list(experiment.streams),
        "stream_keys": dict(experiment.stream_keys),
        "seed_globals": experiment.seed_globals,
        "baseline": experiment.baseline,
        "replicates": min([experiment.replicates, *(one.at_least for one in experiment.until)]),
        "open": bool(experiment.until),
        "own_replicates": dict(experiment.own_replicates),
        "shard": None if experiment.shard is None else str(experiment.shard),
        "versions": versions(),
    }


def _levels(experiment: ExperimentSpec, hidden: Mapping[str, list[str]]) -> Factors:
    """Condition -> parameter -> level, of what is no data; of those that have any."""
    if not hidden:
        return {}
    known = levels(experiment.shown_conditions)
    found = {
        condition: {
            key: known[condition][key]
            for key in keys
            if not _is_data(experiment.conditions[condition][key])
        }
        for condition, keys in hidden.items()
    }
    return {condition: own for condition, own in found.items() if own}


def opaque(experiment: ExperimentSpec) -> dict[str, list[str]]:
    """Condition -> the parameters that are not written down as they are: objects, secrets.

    Of those conditions that have any.
    """
    shown = experiment.shown_conditions
    found = {}
    for condition, parameters in experiment.conditions.items():
        own = shown[condition]
        keys = [
            key for key, value in parameters.items() if not _is_data(value) or value is not own[key]
        ]
        if keys:
            found[condition] = keys
    return found


def is_same(one: Identity, other: Identity) -> bool:
    """Whether two are the same to the letter, and in the same order."""
    return one == other and json.dumps(one) == json.dumps(other)


def settings(identity: Identity) -> Identity:
    """The part of an identity in which those of one experiment agree.

    More replicates, another name and other conditions make no other experiment.
    """
    return {key: identity[key] for key in MUST_AGREE}


def differences(stored: Identity, wanted: Identity) -> list[str]:
    """What differs between the settings of two identities."""
    return [
        f"{key}: {stored[key]!r}, now {wanted[key]!r}"
        for key in MUST_AGREE
        if stored[key] != wanted[key]
    ]


def united(stored: Identity, wanted: Identity) -> Identity:
    """The identity of all that either of two has."""
    conditions = wanted["conditions"]
    both: Identity = {"conditions": {**stored["conditions"], **conditions}}
    # All but the conditions is not there in a store of an earlier version.
    both["stream_keys"] = {**stored.get("stream_keys", {}), **wanted.get("stream_keys", {})}
    for key in ("opaque", "levels"):  # in which a condition without any is not named
        others = {name: own for name, own in stored.get(key, {}).items() if name not in conditions}
        both[key] = others | wanted.get(key, {})
    most = max(stored["replicates"], wanted["replicates"])
    numbers = replicates_of(stored), replicates_of(wanted)
    own = {
        name: max(some.get(name, 0) for some in numbers)
        for name in {**_own(stored), **_own(wanted)}
    }
    if stored["baseline"] not in wanted["conditions"]:  # only some conditions were run
        both["baseline"] = stored["baseline"]
    return {**wanted, **both, "replicates": most, "own_replicates": own}


def replicates_of(identity: Identity) -> dict[str, int]:
    """Condition -> how many replicates it has."""
    all_of_them: int = identity["replicates"]
    return dict.fromkeys(identity["conditions"], all_of_them) | _own(identity)


def concluded(identity: Identity, replicates: Mapping[str, int]) -> Identity:
    """The identity of an experiment of which it is known how many replicates conditions have."""
    own = {**_own(identity), **replicates}
    return {**identity, "own_replicates": own, "open": False}


def is_open(identity: Identity) -> bool:
    """Whether it was to be seen, and is not yet known, how many replicates conditions have."""
    return bool(identity.get("open", False))


def _own(identity: Identity) -> dict[str, int]:
    """The numbers of replicates that are conditions' own."""
    own: dict[str, int] = identity.get("own_replicates", {})  # not there in an earlier version
    return own


def stored_factors(identity: Identity) -> Factors:
    """The factors of all conditions of an identity, as far as it knows their levels.

    What is no plain data has the level that it had in the run that had it last.
    """
    conditions, known = identity["conditions"], identity.get("levels")
    if known:
        conditions = {name: {**given, **known.get(name, {})} for name, given in conditions.items()}
    return factors(conditions)


def _name(function: Callable[..., Any]) -> str:
    """A function's name, or that of its class, which are the same in every process."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def _shown(value: Any) -> Any:
    """A parameter as data; of arrays no digest, which the fingerprint has."""
    if isinstance(value, np.ndarray):
        return {"array": {"dtype": str(value.dtype), "shape": list(value.shape)}}
    return shown_parameter(value)


def _is_data(value: Any) -> bool:
    """Whether a parameter comes back from JSON as it is: no tuple, no whole numbers as keys."""
    kind = type(value)
    if kind is int:
        return value.bit_length() <= MOST_BITS  # type: ignore[no-any-return]
    if kind is float:
        return isfinite(value)
    if kind is list:
        return all(map(_is_data, value))
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_data, value.values()))
    return kind in (NoneType, bool, str)
