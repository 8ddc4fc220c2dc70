"""What a driver says in its store of how far its run is, for who looks on from elsewhere.

It is one row, written together with blocks, so that looking costs the same however many there
are; like all that a store says it may be anybody's, and is checked before it is believed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import time
from typing import Any, NamedTuple

from crystallize.checks import flag, not_negative, number, sequence, table, text, whole_number


class Known(NamedTuple):
    """How well something is known of a condition that is to go on until it is known better.

    Attributes
    ----------
    condition, metric, of : str
    n : int
        Of how many values.
    half_width : float
    target : float
        The half width that is wanted.
    """

    condition: str
    metric: str
    of: str
    n: int
    half_width: float
    target: float


class Failed(NamedTuple):
    """Failures that are alike, and the first of them.

    Attributes
    ----------
    cells : int
        How many.
    type, message : str
    condition : str
    replicate, seed : int
    """

    cells: int
    type: str
    message: str
    condition: str
    replicate: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How far a run is.

    Attributes
    ----------
    name : str
        The experiment's.
    strategy : str
    begun, at : float
        When the run began, and when this was written, in seconds since 1970.
    cells : int
        How many there will be, as far as one can tell.
    found : int
        How many had ended before the run.
    done, failed : int
        How many there are now: with metrics, and without.
    kinds : tuple of Failed
    others : int
        How many failures are of further kinds.
    known : tuple of Known
        Of the conditions that are not known well enough, the worst first.
    conditions, enough : int
        How many conditions there are, and how many have replicates enough.
    goes_on : bool
        Whether the run goes on.
    host : str
        The machine of the driver.
    pid : int
    """

    name: str
    strategy: str
    begun: float
    at: float
    cells: int
    found: int
    done: int
    failed: int
    kinds: tuple[Failed, ...] = ()
    others: int = 0
    known: tuple[Known, ...] = ()
    conditions: int = 1
    enough: int = 0
    goes_on: bool = True
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)

    @property
    def ended(self) -> int:
        """How many cells came to an end."""
        return self.done + self.failed

    @property
    def missing(self) -> int:
        """How many cells have not."""
        return max(0, self.cells - self.ended)

    @property
    def is_here(self) -> bool:
        """Whether the driver is on this machine."""
        return self.host == platform.node()

    def over(self) -> Status:
        """The same of a run that does not go on."""
        return replace(self, goes_on=False, at=time())

    def to_json(self) -> dict[str, Any]:
        """As data that JSON has."""
        values = {name: getattr(self, name) for name in self.__slots__}
        rows = {name: [row._asdict() for row in values[name]] for name in ("kinds", "known")}
        return values | rows

    @classmethod
    def from_json(cls, given: Any) -> Status:
        """What :meth:`to_json` gave.

        Raises
        ------
        CrystallizeError, LookupError
            If it is something else.
        """
        values = table("status", given)
        checked: dict[str, Any] = {name: rule(name, values[name]) for name, rule in _RULES.items()}
        for name, (kind, rules) in _ROWS.items():
            rows = [table(name, row) for row in sequence(name, values[name])]
            checked[name] = tuple(
                kind(**{key: rule(key, row[key]) for key, rule in rules.items()}) for row in rows
            )
        return cls(**checked)


def _words(where: str, value: object) -> str:
    return "" if value == "" else text(where, value)


_RULES: Mapping[str, Any] = {
    "name": text, "strategy": text, "begun": not_negative, "at": not_negative,
    "cells": whole_number, "found": whole_number, "done": whole_number, "failed": whole_number,
    "others": whole_number, "conditions": whole_number, "enough": whole_number, "goes_on": flag,
    "host": _words, "pid": whole_number,
}  # fmt: skip
_ROWS: Mapping[str, Any] = {
    "kinds": (
        Failed,
        {"cells": whole_number, "type": _words, "message": _words, "condition": text,
         "replicate": whole_number, "seed": whole_number},
    ),
    "known": (
        Known,
        {"condition": text, "metric": text, "of": text, "n": whole_number, "half_width": number,
         "target": number},
    ),
}  # fmt: skip
