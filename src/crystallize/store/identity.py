"""Which experiment a store belongs to."""

from __future__ import annotations

import re
from typing import Any

from crystallize.callables import function_name
from crystallize.description.fingerprint import shown_parameter, source_file, source_hash
from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.store.sqlite import Identity

MUST_AGREE = ("source_sha256", "seed", "rule", "seed_globals")
"""What two identities of one experiment have in common, beside conditions of one name."""


def identity(experiment: ExperimentSpec) -> Identity:
    """What makes two runs one experiment, and where to find its function."""
    file = source_file(experiment.function)
    return {
        "name": experiment.name,
        "function": function_name(experiment.function),
        "module": getattr(experiment.function, "__module__", None),
        "file": None if file is None else str(file),
        "source_sha256": source_hash(experiment.function),
        "seed": experiment.seed,
        "seed_rule": experiment.seed_rule,
        "rule": experiment.seeding.formula,
        "seed_globals": experiment.seed_globals,
        "baseline": experiment.baseline,
        "replicates": experiment.replicates,
        "conditions": {
            condition: {key: _stable(shown_parameter(value)) for key, value in parameters.items()}
            for condition, parameters in experiment.conditions.items()
        },
        "opaque": {
            condition: [key for key, value in parameters.items() if not _is_data(value)]
            for condition, parameters in experiment.conditions.items()
        },
        "versions": versions(),
    }


def differences(stored: Identity, wanted: Identity) -> list[str]:
    """What differs between two identities, where it makes them two experiments.

    More replicates and other conditions do not; a condition of one name must
    have the same parameters in both.
    """
    found = [
        f"{key}: the store has {stored[key]!r}, the experiment {wanted[key]!r}"
        for key in MUST_AGREE
        if stored[key] != wanted[key]
    ]
    for condition, parameters in wanted["conditions"].items():
        before = stored["conditions"].get(condition, parameters)
        found += [
            f"condition {condition!r}, {key}: the store has {before.get(key, '(nothing)')!r}, "
            f"the experiment {parameters.get(key, '(nothing)')!r}"
            for key in sorted(before.keys() | parameters.keys())
            if before.get(key, ...) != parameters.get(key, ...)
        ]
    return found


def united(stored: Identity, wanted: Identity) -> Identity:
    """The identity of all that either of two has."""
    both = {key: {**stored[key], **wanted[key]} for key in ("conditions", "opaque")}
    return {**wanted, **both, "replicates": max(stored["replicates"], wanted["replicates"])}


def _is_data(value: Any) -> bool:
    """Whether a parameter is in the identity as it is, not as a digest or a ``repr``."""
    shown = shown_parameter(value)
    return type(shown) is type(value) and not callable(value) and bool(shown == value)


def _stable(value: Any) -> Any:
    """A parameter's ``repr`` without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", value) if isinstance(value, str) else value
