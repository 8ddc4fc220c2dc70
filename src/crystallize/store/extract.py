"""What a store says of its experiment, to be seen at a glance: whether it is all of one.

Of very many conditions a store says much, and of most resumed runs the same as before.  So
beside it stands a digest of what all of that was made of, which is quicker to come by.
"""

from __future__ import annotations

import hashlib
import json
import marshal
from typing import Any, NamedTuple

from crystallize.description.fingerprint import Fingerprint
from crystallize.description.fingerprint.tokens import PLAIN
from crystallize.description.spec import ExperimentSpec
from crystallize.store.about import Identity
from crystallize.store.identity import without_conditions


class Extract(NamedTuple):
    """What is known of a store's experiment without reading what the store says of it.

    Attributes
    ----------
    made_of : str
        The digest of what identity and generation were made of.
    fingerprint : str
        The digest of the fingerprint of the only generation that there is.
    versions : dict of str to str
        Those that it ran under.
    """

    made_of: str
    fingerprint: str
    versions: dict[str, str]

    @classmethod
    def from_json(cls, value: Any) -> Extract | None:
        """What a store has; ``None`` where that is something else."""
        if not (isinstance(value, list) and len(value) == len(cls._fields)):
            return None
        found = cls(*value)
        if not (
            isinstance(found.made_of, str)
            and isinstance(found.fingerprint, str)
            and isinstance(found.versions, dict)
            and all(isinstance(version, str) for version in found.versions.values())
        ):
            return None
        return found


def of_plain(experiment: ExperimentSpec, reached: Fingerprint) -> str | None:
    """The digest of what identity and fingerprint of an experiment are made of.

    Parameters
    ----------
    experiment : ExperimentSpec
    reached : Fingerprint
        Of its function and resources.

    Returns
    -------
    str or None
        ``None`` where a condition has a parameter that must be looked into, or where not all
        can be known.
    """
    conditions = {name: dict(given) for name, given in experiment.conditions.items()}
    kinds = {kind for given in conditions.values() for kind in set(map(type, given.values()))}
    if reached.unknown or not PLAIN.issuperset(kinds):
        return None
    try:  # as tokens of plain values: it tells True from 1, and its version 2 knows no references
        written = marshal.dumps(list(conditions.items()), 2)
    except ValueError:  # a name is of a subclass of str
        return None
    about = without_conditions(experiment), reached.record(), experiment.keep_secrets
    return _digest("plain", json.dumps(about).encode(), written)


def of_any(identity: Identity, generation: Any) -> str:
    """The same of whatever parameters, where identity and generation are made: these as JSON."""
    return _digest("any", json.dumps([identity, generation]).encode())


def _digest(*parts: bytes | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else b"%d:" % len(part) + part)
    return digest.hexdigest()
