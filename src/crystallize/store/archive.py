"""The store of a run that is under way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystallize.cells.attempts import Attempt
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.outcome import CellError
from crystallize.description.fingerprint import function_fingerprint
from crystallize.description.project import in_project
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import StoreMismatchError, StoreWarning
from crystallize.store.generations import Generation, Generations, counts
from crystallize.store.identity import concluded, identity, replicates_of, united
from crystallize.store.lock import Lent
from crystallize.store.paged import PagedCells, Survey
from crystallize.store.parts import check_same_shard
from crystallize.store.reading import Ranges, read_records
from crystallize.store.records import Cell, is_readable
from crystallize.store.rows import Record
from crystallize.store.sqlite import Identity, Store
from crystallize.store.status import Status

SHOWN = 20
"""How many lines are shown of what changed."""


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
    attempts : list of Attempt
        Those that were in it.

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
        self._reader: Store | None = None
        self._has_run = False
        self._cells: Ranges = {}
        self._before: dict[str, int] = {}
        self.found = 0
        self.attempts: list[Attempt] = []
        try:
            self._agree()
        except BaseException:
            self._store.close()
            raise

    def _agree(self) -> None:
        """See that the store is of this experiment, and say in it what there is of it now."""
        wanted = identity(self._experiment)
        self._now = Generation.now(self._experiment, wanted)
        if self._says_so_already(wanted):
            return
        stored = self._store.identity
        self._generations = Generations()
        if stored is not None:
            self._generations = Generations.of_store(self._store, stored)
        if stored is not None and self._store.filled:
            changes = self._generations.latest(stored).changes(self._now)
            if changes and not self._experiment.accept_changes:
                raise StoreMismatchError(self._refusal(changes))
            check_same_shard(self._store.path, stored, self._experiment.shard)
            self._before = replicates_of(stored)
            wanted = united(stored, wanted)
        self._generation = self._generations.add(self._now)
        self._identity = {**wanted, "generation": self._generation.number}
        self._keep(self._generation)

    def _says_so_already(self, wanted: Identity) -> bool:
        """Whether the store says all of that already, so that none of it need be read.

        Of very many conditions it is much, and it is the same in most resumed runs.
        """
        number, fingerprint = self._store.latest_generation, self._now.fingerprint
        if number is None or fingerprint is None or fingerprint.unknown:
            return False
        same = {**wanted, "generation": number}
        if not self._store.says(same, number, self._now.record()):
            return False
        self._identity, self._before = same, replicates_of(same)
        if number > 1:
            self._generations = Generations.of_store(self._store, same)
        else:
            self._generations = Generations.unrecorded(same)
        self._generation = self._generations.add(self._now)
        return True

    def _refusal(self, changes: Sequence[str]) -> str:
        return (
            f"{self._store.path}: this store holds another experiment:\n{_listed(changes)}\n"
            "Give another store; or forget cells with 'crystallize drop', so that they are run "
            "again; or accept the changes (accept_changes=True, --accept-changes), and its cells "
            "stand beside the new ones."
        )

    def load(self) -> tuple[ConditionTables, dict[Cell, CellError]]:
        """The cells that are in the store, of those that the experiment has.

        Returns
        -------
        (ConditionTables, dict of (str, int) to CellError)
            The cells, and cell -> its error; the errors are left out where
            failed cells are to be run again.
        """
        experiment = self._experiment
        damaged: list[int] = []
        records = self._store.records(damaged)
        cells = read_records(
            records, experiment.replicates_of, experiment.seeding, experiment.parts
        )
        if damaged or cells.unreadable:
            self._set_aside(lambda record: record not in cells.unreadable)
        if experiment.retry_failed:
            cells = cells._replace(errors={})
        self.found = cells.tables.finished + len(cells.errors)
        self._cells, self.attempts = cells.ranges(), cells.attempts
        self._warn_of_others()
        return cells.tables, cells.errors

    def load_pages(self) -> tuple[PagedCells, Survey]:
        """The same for a run that keeps no values: what reads them, and which there are."""
        experiment = self._experiment
        self._set_aside(is_readable)
        self._reader = Store(self._store.path, read_only=True)
        cells = PagedCells(
            self._reader, experiment.replicates_of, experiment.seeding, experiment.parts,
            with_errors=not experiment.retry_failed,
        )  # fmt: skip
        survey = cells.survey()
        self.found, self._cells = survey.found, survey.ranges
        self.attempts = survey.attempts
        self._warn_of_others()
        return cells, survey

    def provenance(self) -> dict[str, Any]:
        """Which cells were found, under what they ran, and under what the others run now."""
        return {
            "path": in_project(self._store.path),
            "found": self.found,
            "generation": self._generation.number,
            "generations": self._generations.described(self._cells),
        }

    def commit(self, records: Sequence[Record], status: Status | None = None) -> None:
        """Commit blocks, and how far the run is with them; they survive anything from now on."""
        number = self._generation.number
        self._store.add(
            [replace(record, generation=number) for record in records],
            None if status is None else status.to_json(),
        )
        self._has_run = True

    def lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return self._store.lent(give_up)

    def conclude(self, replicates: Mapping[str, int]) -> None:
        """Keep how many replicates conditions came to have, if that is more than before."""
        most = {name: max(n, self._before.get(name, 0)) for name, n in replicates.items()}
        self._identity = concluded(self._identity, most)
        self._keep(self._generation)

    def tell(self, status: Status) -> None:
        """Say how far the run is, where no block is committed with it."""
        self._store.set_status(status.to_json())

    def close(self) -> None:
        """Close the file; what was kept is in it already."""
        if self._has_run:
            with suppress(Exception):  # only the next run in this process would look at it
                self._keep_what_was_left()
        if self._reader is not None:
            self._reader.close()
        self._store.close()

    def _set_aside(self, is_readable: Callable[[Record], bool]) -> None:
        for name in self._store.set_aside(is_readable):
            warnings.warn(
                f"{self._store.path}: {name} are damaged; they are set aside and run again.",
                StoreWarning,
                stacklevel=3,
            )

    def _keep(self, generation: Generation) -> None:
        self._store.set_identity(self._identity, {generation.number: generation.record()})

    def _keep_what_was_left(self) -> None:
        """Keep what the cells themselves made of what they reach, in this process."""
        before = self._now.fingerprint
        if before is None or not before.written:
            return
        after = function_fingerprint(self._experiment.function)
        left = {
            name: part.digest
            for name, part in after.parts.items()
            if name in before.parts and before.parts[name].digest != part.digest
        }
        if left:
            self._keep(replace(self._generation, left={**self._generation.left, **left}))

    def _warn_of_others(self) -> None:
        """Warn of each condition some of whose cells did not run under what there is now."""
        lines = [
            f"condition {condition!r}: {cells} cells of generation {number} ({', '.join(why)})"
            for number, conditions in counts(self._cells).items()
            for condition, cells in conditions.items()
            if (why := self._why(number, condition))
        ]
        if lines:
            shown = _listed(lines)
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
        before, now = self._generations[number], self._now.only([condition])
        return before.changes(now) + before.versions(now)


def _listed(lines: Sequence[str]) -> str:
    """A line each, as many as one wants to read."""
    more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([*(f"  - {line}" for line in lines[:SHOWN]), *more])
