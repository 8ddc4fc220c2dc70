"""Under which code, parameters, settings and versions the cells of a store ran.

A generation is what cells of a store have in common of these.  There is one, until a run goes
on although something changed, or under other versions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crystallize.description.fingerprint import Fingerprint, fingerprint_of
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import StoreError
from crystallize.errors import described as error_text
from crystallize.store.about import Identity
from crystallize.store.extract import Extract
from crystallize.store.identity import differences, settings
from crystallize.store.reading import Ranges
from crystallize.store.sqlite import Store

UNRECORDED = 0
"""The generation of cells of a store whose format did not record what they could reach."""
NOT_RECORDED = "an earlier version of Crystallize did not record what the function reached"


Heading = tuple[str, dict[str, str]]
"""The digest of a generation's fingerprint, and the versions that it ran under."""


@dataclass(frozen=True)
class Generation:
    """What some cells of a store ran under, or those of a run would.

    Attributes
    ----------
    number : int
        From 1 on.
    settings : dict
        The seed and the like: :func:`~crystallize.store.identity.settings`.
    fingerprint : Fingerprint or None
        ``None`` where it was not recorded.
    left : mapping of str to str
        Name of a part -> its digest after the last run of this generation, where the
        cells themselves had changed it: what a run did is no change of the user's.
    """

    number: int
    settings: Identity
    fingerprint: Fingerprint | None = None
    left: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def now(cls, experiment: ExperimentSpec, identity: Identity) -> Generation:
        """That of an experiment's cells if they ran now; it has no number yet."""
        return cls.under(fingerprint_of(experiment), identity)

    @classmethod
    def under(cls, fingerprint: Fingerprint, identity: Identity) -> Generation:
        """That of cells of a fingerprint."""
        return cls(UNRECORDED, settings(identity), fingerprint)

    @classmethod
    def from_text(cls, number: int, text: str) -> Generation:
        """What :meth:`record` gave, as JSON.

        Raises
        ------
        InvalidValueError, ValueError, LookupError, TypeError
            If it is something else.
        """
        record = json.loads(text)
        fingerprint = Fingerprint.from_record(record["fingerprint"])
        return cls(number, settings(record["settings"]), fingerprint, dict(record["left"]))

    def record(self) -> dict[str, Any]:
        """It as data that JSON has."""
        fingerprint = None if self.fingerprint is None else self.fingerprint.record()
        return {"settings": self.settings, "fingerprint": fingerprint, "left": dict(self.left)}

    def only(self, conditions: Collection[str]) -> Generation:
        """The same of some conditions alone."""
        if self.fingerprint is None:
            return self
        parts = self.fingerprint.parts.of(conditions)
        return replace(self, fingerprint=replace(self.fingerprint, parts=parts))

    def changes(self, now: Generation) -> list[str]:
        """What makes it doubtful that these cells would have the same numbers now."""
        found = differences(self.settings, now.settings)
        if self.fingerprint is None or now.fingerprint is None:
            return [*found, NOT_RECORDED]
        found += now.fingerprint.differences(self._with_what_was_left(now.fingerprint))
        unknown = dict.fromkeys((*self.fingerprint.unknown, *now.fingerprint.unknown))
        return found + [f"{what} cannot be known, so it may have changed" for what in unknown]

    def versions(self, now: Generation) -> list[str]:
        """Which versions are others now."""
        if self.fingerprint is None or now.fingerprint is None:
            return []
        return now.fingerprint.changed_versions(self.fingerprint)

    def extended(self, now: Generation) -> Generation:
        """The same generation, with the conditions of a run that goes on under it."""
        if self.fingerprint is None or now.fingerprint is None:
            return self
        both = replace(
            now.fingerprint,
            # What a cell changed is kept as it was before the first.
            parts=now.fingerprint.parts | self.fingerprint.parts,
            versions={**self.fingerprint.versions, **now.fingerprint.versions},
        )
        return replace(self, fingerprint=both)

    def _with_what_was_left(self, now: Fingerprint) -> Fingerprint:
        assert self.fingerprint is not None
        left = {
            name: digest
            for name, digest in self.left.items()
            if name in now.parts and now.parts[name].digest == digest
        }
        return replace(self.fingerprint, parts=self.fingerprint.parts.with_digests(left))


class Generations:
    """Those of a store.

    Parameters
    ----------
    known : iterable of Generation
    recorded : mapping of int to str, optional
        Number -> what a store says of others, as JSON, which is read when it is looked at.
    filled : collection of str
        The conditions of which that store has cells.
    path : path, optional
        That store.
    headings : mapping of int to (str, dict), optional
        Number -> digest and versions, where they are known without what is recorded.
    """

    def __init__(
        self,
        known: Iterable[Generation] = (),
        recorded: Mapping[int, str] | None = None,
        filled: Collection[str] = (),
        path: Path | None = None,
        headings: Mapping[int, Heading] | None = None,
    ) -> None:
        self._known = {one.number: one for one in known}
        self._recorded = dict(recorded or {})
        self._filled = filled
        self._path = path
        self._headings = dict(headings or {})

    @classmethod
    def unrecorded(cls, stored: Identity) -> Generations:
        """That of a store of which no other was recorded."""
        return cls([Generation(UNRECORDED, settings(stored))])

    @classmethod
    def of_store(cls, store: Store, stored: Identity) -> Generations:
        """Those of a store, without the conditions that have no cells in it.

        Parameters
        ----------
        store : Store
        stored : dict
            Its identity.
        """
        unrecorded = Generation(UNRECORDED, settings(stored))
        filled, headings = store.filled, {}
        number, told = store.extract(is_read=True) or (UNRECORDED, None)
        extract = Extract.from_json(told)
        if extract is not None and filled.issuperset(stored["conditions"]):
            headings[number] = extract.fingerprint, extract.versions
        return cls([unrecorded], store.generations, filled, store.path, headings)

    def __getitem__(self, number: int) -> Generation:
        """One of them.

        Raises
        ------
        StoreError
            If there is none of that number, or it cannot be read.
        """
        if number in self._recorded:
            with self._explained():
                found = Generation.from_text(number, self._recorded[number])
            self._known[number] = found.only(self._filled)
            del self._recorded[number]
        if number not in self._known:
            raise StoreError(
                f"The store is damaged: what its generation {number} of cells ran under is lost."
            )
        return self._known[number]

    @property
    def numbers(self) -> list[int]:
        """Of those that were recorded."""
        return sorted({*self._known, *self._recorded} - {UNRECORDED})

    def latest(self, stored: Identity) -> Generation:
        """The one under which a store was last run."""
        return self[stored.get("generation", UNRECORDED)]

    def keep_whole(self, number: int) -> None:
        """Have one of them with the conditions that have no cells in its store, too."""
        with self._explained():
            self._known[number] = Generation.from_text(number, self._recorded.pop(number))

    def add(self, now: Generation) -> Generation:
        """Take in what cells run under now: it is one of those that there are, or the next."""
        known = self._all()
        made = replace(now, number=max(known, default=UNRECORDED) + 1)
        for one in sorted(known.values(), key=lambda one: -one.number):
            if not (one.changes(now) or one.versions(now)):
                made = one.extended(now)
                break
        self._known[made.number] = made
        return made

    def described(self, cells: Ranges) -> list[dict[str, Any]]:
        """Those that were recorded or have cells, as data that JSON has."""
        found = []
        for number in sorted({*self._known, *self._recorded}):
            if number == UNRECORDED and number not in cells:
                continue
            found.append(described(number, *self._heading(number), cells))
        return found

    def records(self) -> dict[int, Any]:
        """All as data that a store keeps."""
        return {number: one.record() for number, one in self._all().items() if one.fingerprint}

    def _all(self) -> dict[int, Generation]:
        for number in list(self._recorded):
            self[number]
        return self._known

    def _heading(self, number: int) -> tuple[str | None, dict[str, str]]:
        """The digest of a generation, and its versions."""
        if number in self._recorded:
            if number in self._headings:
                return self._headings[number]
            with self._explained():
                record = json.loads(self._recorded[number])
                heading = Fingerprint.heading(record["fingerprint"], self._filled)
            if heading is not None:
                return heading
        fingerprint = self[number].fingerprint
        if fingerprint is None:
            return None, {}
        return fingerprint.digest, dict(fingerprint.versions)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise StoreError(
                f"{self._path}: the store is damaged, so what its cells ran under is not known "
                f"({error_text(error)})."
            ) from error


def described(
    number: int, digest: str | None, versions: Mapping[str, str], cells: Ranges
) -> dict[str, Any]:
    """A generation as data that JSON has, with the cells that are of it."""
    return {
        "number": number,
        "fingerprint": digest,
        "versions": versions,
        "cells": cells.get(number, {}),
    }


def counts(cells: Ranges) -> dict[int, dict[str, int]]:
    """How many cells of each condition are of a generation."""
    return {
        number: {
            condition: sum(stop - start for start, stop in ranges)
            for condition, ranges in of_conditions.items()
        }
        for number, of_conditions in sorted(cells.items())
    }
