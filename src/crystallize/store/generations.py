"""Under which code, parameters and versions the cells of a store ran.

A generation is a fingerprint that cells of a store have in common.  There is one, until a run
goes on although something changed, or under other versions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crystallize.description.fingerprint import Fingerprint
from crystallize.errors import InvalidValueError, StoreError
from crystallize.errors import described as error_text
from crystallize.store.records import Ranges
from crystallize.store.sqlite import Store

UNRECORDED = 0
"""The generation of cells of a store whose format did not record what they could reach."""
NOT_RECORDED = "an earlier version of Crystallize did not record what the function reached"


@dataclass(frozen=True)
class Generation:
    """What some cells of a store ran under.

    Attributes
    ----------
    number : int
        From 1 on.
    fingerprint : Fingerprint or None
        ``None`` where it was not recorded.
    left : mapping of str to str
        Name of a part -> its digest after the last run of this generation, where the
        cells themselves had changed it: what a run did is no change of the user's.
    """

    number: int
    fingerprint: Fingerprint | None = None
    left: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """It as data that JSON has."""
        fingerprint = None if self.fingerprint is None else self.fingerprint.record()
        return {"fingerprint": fingerprint, "left": dict(self.left)}

    @classmethod
    def from_record(cls, number: int, record: Any) -> Generation:
        """What :meth:`record` gave.

        Raises
        ------
        ValueError
            If it is something else.
        """
        return cls(number, Fingerprint.from_record(record["fingerprint"]), dict(record["left"]))

    def changes(self, now: Fingerprint, conditions: Collection[str] | None = None) -> list[str]:
        """What makes it doubtful that these cells would have the same numbers now.

        Parameters
        ----------
        now : Fingerprint
        conditions : collection of str, optional
            The conditions of the cells; all, if not given.
        """
        if self.fingerprint is None:
            return [NOT_RECORDED]
        now = now if conditions is None else _only(now, conditions)
        found = now.differences(self._with_what_was_left(now))
        unknown = dict.fromkeys((*self.fingerprint.unknown, *now.unknown))
        return found + [f"{what} cannot be known, so it may have changed" for what in unknown]

    def versions(self, now: Fingerprint) -> list[str]:
        """Which versions are others now."""
        return [] if self.fingerprint is None else now.changed_versions(self.fingerprint)

    def only(self, conditions: Collection[str]) -> Generation:
        """The same generation of some conditions alone."""
        if self.fingerprint is None:
            return self
        return replace(self, fingerprint=_only(self.fingerprint, conditions))

    def is_of(self, now: Fingerprint) -> bool:
        """Whether cells that run now have everything in common with these."""
        return not (self.changes(now) or self.versions(now))

    def extended(self, now: Fingerprint, left: Mapping[str, str] | None = None) -> Generation:
        """The same generation, with the conditions of a run that goes on under it."""
        before = self.fingerprint
        left = self.left if left is None else left
        assert before is not None
        both = replace(
            now,
            # What a cell changed is kept as it was before the first.
            parts=dict(sorted({**now.parts, **before.parts}.items())),
            versions={**before.versions, **now.versions},
        )
        return replace(self, fingerprint=both, left=left)

    def _with_what_was_left(self, now: Fingerprint) -> Fingerprint:
        assert self.fingerprint is not None
        parts = {
            name: replace(part, digest=self.left[name])
            if name in self.left and name in now.parts and now.parts[name].digest == self.left[name]
            else part
            for name, part in self.fingerprint.parts.items()
        }
        return replace(self.fingerprint, parts=parts)


def generations_of(store: Store) -> list[Generation]:
    """The generations that cells of a store may be of, without conditions that have none there.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    filled = store.filled
    try:
        found = [Generation.from_record(*item) for item in store.generations.items()]
    except (InvalidValueError, LookupError, TypeError) as error:
        raise StoreError(
            f"{store.path}: the store is damaged, so what its cells ran under is not known "
            f"({error_text(error)})."
        ) from error
    return [one.only(filled) for one in found]


def generation_of(now: Fingerprint, generations: Iterable[Generation]) -> Generation:
    """The generation of cells that run now: one that there is, or the next."""
    known = list(generations)
    same = next((one for one in reversed(known) if one.is_of(now)), None)
    if same is not None:
        return same.extended(now)
    return Generation(1 + max((one.number for one in known), default=UNRECORDED), now)


def described(generations: Iterable[Generation], cells: Ranges) -> list[dict[str, Any]]:
    """Generations and their cells, as data that JSON has."""
    return [
        {
            "number": one.number,
            "fingerprint": None if one.fingerprint is None else one.fingerprint.digest,
            "versions": {} if one.fingerprint is None else dict(one.fingerprint.versions),
            "cells": cells.get(one.number, {}),
        }
        for one in generations
    ]


def counts(cells: Ranges) -> dict[int, dict[str, int]]:
    """How many cells of each condition are of a generation."""
    return {
        number: {
            condition: sum(stop - start for start, stop in ranges)
            for condition, ranges in of_conditions.items()
        }
        for number, of_conditions in sorted(cells.items())
    }


def _only(fingerprint: Fingerprint, conditions: Collection[str]) -> Fingerprint:
    """What the cells of some conditions depend on."""
    parts = {
        name: part
        for name, part in fingerprint.parts.items()
        if part.condition is None or part.condition in conditions
    }
    return replace(fingerprint, parts=parts)
