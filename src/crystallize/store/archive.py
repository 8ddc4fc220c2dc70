"""The store of a run that is under way."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.description.fingerprint import fingerprint_of
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import CrystallizeError, StoreMismatchError, StoreWarning
from crystallize.store.generations import (
    UNRECORDED,
    Generation,
    counts,
    described,
    generation_of,
    generations_of,
)
from crystallize.store.identity import differences, identity, united
from crystallize.store.records import Cell, Ranges, read_records
from crystallize.store.sqlite import Record, Store

SHOWN = 20
"""How many changes are shown."""


class Archive:
    """The store of a run that is under way, opened and found to be its experiment's.

    Parameters
    ----------
    experiment : ExperimentSpec
    path : path
        The store; made where there is none.

    Attributes
    ----------
    found : int
        How many of the experiment's cells were in the store when it was loaded.

    Raises
    ------
    StoreMismatchError
        If the store holds another experiment and changes are not accepted.
    StoreError
        If it cannot be used.
    """

    def __init__(self, experiment: ExperimentSpec, path: str | Path) -> None:
        self._experiment = experiment
        self._store = Store(path, create=True)
        self._has_run = False
        self._found: Ranges = {}
        self.found = 0
        try:
            self._agree()
        except BaseException:
            self._store.close()
            raise

    def _agree(self) -> None:
        """See that the store is of this experiment, and say in it what there is of it now."""
        wanted, now = identity(self._experiment), fingerprint_of(self._experiment)
        stored, filled = self._store.identity, self._store.filled
        known = generations_of(self._store)
        if stored is not None and filled:
            latest = {one.number: one for one in known}.get(stored.get("generation", UNRECORDED))
            changes = differences(stored, wanted)
            changes += (latest or Generation(UNRECORDED)).changes(now)
            if changes and not self._experiment.accept_changes:
                raise StoreMismatchError(self._refusal(changes))
            wanted = united(stored, wanted)
        self._now = now
        self._generation = generation_of(now, known)
        self._known = [one for one in known if one.number != self._generation.number]
        self._known.append(self._generation)
        self._identity = {**wanted, "generation": self._generation.number}
        self._store.set_identity(
            self._identity, {self._generation.number: self._generation.record()}
        )

    def _refusal(self, changes: Sequence[str]) -> str:
        lines = "\n".join(f"  - {line}" for line in changes[:SHOWN])
        more = f"\n  … and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        return (
            f"{self._store.path}: this store holds another experiment:\n{lines}{more}\n"
            "Give another store; or 'crystallize drop' cells, to have them run again; or accept "
            "the changes (accept_changes=True, --accept-changes), and its cells stand beside the "
            "new ones."
        )

    def load(self) -> tuple[dict[str, Table], dict[Cell, CellError]]:
        """The cells that are in the store, of those that the experiment has.

        Returns
        -------
        (dict of str to Table, dict of (str, int) to CellError)
            Condition -> its cells, and cell -> its error; the errors are left out where
            failed cells are to be run again.
        """
        experiment = self._experiment
        for damaged in self._store.set_aside():
            warnings.warn(
                f"{self._store.path}: {damaged.name} are damaged; they are set aside and run "
                "again.",
                StoreWarning,
                stacklevel=2,
            )
        cells = read_records(
            self._store.records(), tuple(experiment.conditions), experiment.replicates,
            experiment.seed,
        )  # fmt: skip
        tables, errors = cells.tables, cells.errors
        if experiment.retry_failed:
            errors = {}
        self.found = sum(int(table.done.sum()) for table in tables.values()) + len(errors)
        self._found = cells._replace(errors=errors).ranges()
        self._warn_of_others()
        return tables, errors

    def provenance(self) -> dict[str, Any]:
        """Where cells are from: found in the store, of which generation, or run now."""
        return {
            "path": str(self._store.path),
            "found": self.found,
            "generation": self._generation.number,
            "generations": described(self._known, self._found),
        }

    def commit(self, records: Sequence[Record]) -> None:
        """Commit blocks; they survive anything from now on."""
        number = self._generation.number
        self._store.add([replace(record, generation=number) for record in records])
        self._has_run = True

    def close(self) -> None:
        """Close the file; what was kept is in it already."""
        if self._has_run:
            with suppress(CrystallizeError):  # only the next run in this process would look at it
                self._keep_what_was_left()
        self._store.close()

    def _keep_what_was_left(self) -> None:
        """Keep what the cells themselves made of what they reach, in this process."""
        left = {
            name: part.digest
            for name, part in fingerprint_of(self._experiment).parts.items()
            if name in self._now.parts and self._now.parts[name].digest != part.digest
        }
        if left:
            generation = replace(self._generation, left={**self._generation.left, **left})
            self._store.set_identity(self._identity, {generation.number: generation.record()})

    def _warn_of_others(self) -> None:
        """Warn of each condition some of whose cells did not run under what there is now."""
        lines = [
            f"condition {condition!r}: {cells} cells of generation {number} ({', '.join(why)})"
            for number, conditions in counts(self._found).items()
            for condition, cells in conditions.items()
            if (why := self._why(number, condition))
        ]
        if lines:
            shown = "\n".join(f"  - {line}" for line in lines)
            warnings.warn(
                f"{self._store.path}: there are cells that ran under something else than those of "
                f"now, generation {self._generation.number}:\n{shown}\n"
                "'crystallize drop STORE --condition NAME' has a condition's cells run again.",
                StoreWarning,
                stacklevel=2,
            )

    def _why(self, number: int, condition: str) -> list[str]:
        """What cells of a condition ran under that is something else now."""
        if number == self._generation.number:
            return []
        before = {one.number: one for one in self._known}.get(number, Generation(number))
        return before.changes(self._now, [condition]) + before.versions(self._now)
