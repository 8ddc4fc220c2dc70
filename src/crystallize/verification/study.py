"""A study that somebody has run: its result, saved or in a store, to be run again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystallize.checks import Faults, known
from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.errors import CrystallizeError, InvalidValueError, listing
from crystallize.results.file import is_saved
from crystallize.results.result import Result
from crystallize.store.generations import Generation
from crystallize.store.identity import identity
from crystallize.store.stored import StoredExperiment
from crystallize.verification.certificate import CertificateRow
from crystallize.verification.comparing import digest


class Study:
    """What is in a file that :meth:`crystallize.Result.save` wrote, or in a store.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : path
    result : Result

    Raises
    ------
    CrystallizeError
        If it is neither of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stored: StoredExperiment | None = None
        if is_saved(path):
            self.result = Result.load(path)
        else:
            self._stored = StoredExperiment(path)
            self.result = Result.of_outcomes(self._stored.outcomes(), self._stored.baseline)

    @property
    def replicates(self) -> int:
        """How many replicates it has of every condition."""
        return min(map(len, self.result.done.values()))

    def check_same(self, experiment: ExperimentSpec) -> None:
        """Refuse an experiment that cannot be this study.

        Raises
        ------
        InvalidValueError, UnknownNameError
        """
        faults = Faults()
        if experiment.seed != self.result.root:
            faults(self._refuse, "seed", experiment.seed, self.result.root)
        if experiment.seed_rule != self.result.seed_rule:
            faults(self._refuse, "seed_rule", experiment.seed_rule, repr(self.result.seed_rule))
        ours, theirs = experiment.stream_keys, self.result.stream_keys
        if others := [c for c in self.result.conditions if ours.get(c) != theirs.get(c)]:
            what = f"other streams for {listing(others)}"
            faults(self._refuse, "streams", list(experiment.streams), what)
        for condition in experiment.conditions:
            faults(known, f"{self.path}", condition, "condition", self.result.conditions)
        missing = [name for name in self.result.conditions if name not in experiment.conditions]
        if missing:
            faults.found.append(
                CrystallizeError(
                    f"conditions: {self.path} has {listing(missing)} too, which the experiment "
                    "has not."
                )
            )
        faults.raise_any()

    def _refuse(self, where: str, value: object, theirs: object) -> None:
        raise InvalidValueError(where, value, f"what {self.path} has, {theirs}")

    def row(self, replicates: int) -> CertificateRow:
        """What is to be compared with, as the first of the rows."""
        provenance = self.result.provenance
        execution = provenance.get("execution", {})
        failed = {(error.condition, error.replicate) for error in self.result.errors}
        is_whole = all(
            done[:replicates].sum() + sum((name, place) in failed for place in range(replicates))
            == replicates
            for name, done in self.result.done.items()
        )
        return CertificateRow(
            strategy=execution.get("strategy", self.path.name),
            options=execution.get("options", {}),
            distribution="(the study)",
            version=_versions(provenance).get("crystallize-core"),
            workers=execution.get("workers"),
            digest=digest(self.result, replicates) if is_whole else None,
            seconds=provenance.get("seconds"),
        )

    def why(self, experiment: ExperimentSpec, ours: Result) -> str | None:
        """What is known to differ between the study and what was run here."""
        if self._stored is not None:  # which knows all that the function reached
            then, now = self._stored.latest, Generation.now(experiment, identity(experiment))
            return "; ".join([*then.changes(now), *then.versions(now)]) or None
        return self._why_by_provenance(ours)

    def _why_by_provenance(self, ours: Result) -> str | None:
        theirs, here = self.result.provenance, ours.provenance
        found = [
            f"{name} {version} there, {versions().get(name)} here"
            for name, version in _versions(theirs).items()
            if versions().get(name) != version
        ]
        before, after = _source(theirs), _source(here)
        if None not in (before, after) and before != after:
            found.append("the function's source is another")
        then, now = (_as_json(given.get("conditions", {})) for given in (theirs, here))
        for condition, parameters in now.items():
            old: Mapping[str, Any] = then.get(condition, {})
            found += [
                f"condition {condition!r}, {key!r}: {old.get(key)!r} there, "
                f"{parameters.get(key)!r} here"
                for key in dict.fromkeys([*old, *parameters])
                if old.get(key) != parameters.get(key)
            ]
        return "; ".join(found) or None


def _as_json(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as any file has them, without addresses of objects."""
    text = re.sub("0x[0-9a-fA-F]+", "0x…", json.dumps(conditions, default=repr))
    data: dict[str, Any] = json.loads(text)
    return data


def _versions(provenance: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = provenance.get("versions", {})
    return found


def _source(provenance: Mapping[str, Any]) -> Any:
    return provenance.get("function", {}).get("source_sha256")
