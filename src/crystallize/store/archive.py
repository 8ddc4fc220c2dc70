"""The store of a run that is under way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from crystallize.cells.attempts import Attempt
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.outcome import CellError
from crystallize.description.fingerprint import (
    function_fingerprint,
    halted_before_conditions,
)
from crystallize.description.project import in_project
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import StoreMismatchError, StoreWarning
from crystallize.store.about import Identity
from crystallize.store.extract import Extract, of_any, of_plain
from crystallize.store.generations import (
    UNRECORDED,
    Generation,
    Generations,
    counts,
    described,
)
from crystallize.store.identity import concluded, identity, is_same, replicates_of, united
from crystallize.store.lock import Lent
from crystallize.store.paged import PagedCells, Survey
from crystallize.store.parts import check_same_shard
from crystallize.store.reading import Ranges, read_records
from crystallize.store.records import Cell, is_readable
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store
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
        self._extract: Extract | None = None
        self._cells: Ranges = {}
        self.found = 0
        self.attempts: list[Attempt] = []
        try:
            self._agree()
        except BaseException:
            self._store.close()
            raise

    def _agree(self) -> None:
        """See that the store is of this experiment, and say in it what there is of it now."""
        experiment, store = self._experiment, self._store
        number, told = store.extract() or (UNRECORDED, None)
        extract = Extract.from_json(told)
        with halted_before_conditions(experiment) as walk:
            self._reached = walk.fingerprint()
            made_of = of_plain(experiment, self._reached)
            if made_of is None or extract is None or extract.made_of != made_of:
                walk.add_conditions(experiment.conditions)
                self._wanted = identity(experiment)
                self._now = Generation.under(walk.fingerprint(), self._wanted)
                made_of = made_of or self._made_of_any()
        if extract is not None and extract.made_of == made_of:
            self._extract, self._number, self._had_cells = extract, number, store.has_cells
            return
        self._agree_in_full()
        if made_of is not None:
            self._keep_extract(made_of)

    def _agree_in_full(self) -> None:
        """The same, by what the store says of each condition."""
        stored, wanted = self._store.identity, self._wanted
        self._generations = Generations()
        self._had_cells = stored is not None and bool(self._store.filled)
        if stored is not None:
            self._generations = Generations.of_store(self._store, stored)
        if stored is not None and self._had_cells:
            changes = self._generations.latest(stored).changes(self._now)
            if changes and not self._experiment.accept_changes:
                raise StoreMismatchError(self._refusal(changes))
            check_same_shard(self._store.path, stored, self._experiment.shard)
            wanted = united(stored, wanted)
        self._generation = self._generations.add(self._now)
        self._number = self._generation.number
        self._identity = {**wanted, "generation": self._number}
        self._keep(self._generation)

    def _made_of_any(self) -> str | None:
        fingerprint = self._now.fingerprint
        if fingerprint is None or fingerprint.unknown:  # what cannot be known may have changed
            return None
        return of_any(self._wanted, self._now.record())

    def _keep_extract(self, made_of: str) -> None:
        """Have the next run see at a glance that the store says what it says now, if it is all."""
        generation, now = self._generation, self._now.fingerprint
        kept = generation.fingerprint
        if (
            now is not None
            and kept is not None
            and kept.digest == now.digest
            and not generation.left
            and self._generations.numbers == [generation.number]
            and is_same(self._identity, {**self._wanted, "generation": generation.number})
        ):
            self._store.set_extract(Extract(made_of, kept.digest, dict(kept.versions)))

    # What a store that says all of it already is asked for only where it is wanted: the store,
    # since cells may have changed what the experiment is made of by then.

    @cached_property
    def _identity(self) -> Identity:
        return self._store.identity or {}

    @cached_property
    def _generations(self) -> Generations:
        found = Generations.of_store(self._store, self._identity)
        found.keep_whole(self._number)
        return found

    @cached_property
    def _generation(self) -> Generation:
        return self._generations[self._number]

    @cached_property
    def _now(self) -> Generation:
        return Generation.now(self._experiment, self._identity)

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
            "generation": self._number,
            "generations": self._described(),
        }

    def commit(self, records: Sequence[Record], status: Status | None = None) -> None:
        """Commit blocks, and how far the run is with them; they survive anything from now on."""
        self._store.add(
            [replace(record, generation=self._number) for record in records],
            None if status is None else status.to_json(),
        )
        self._has_run = True

    def lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return self._store.lent(give_up)

    def conclude(self, replicates: Mapping[str, int]) -> None:
        """Keep how many replicates conditions came to have, if that is more than before."""
        before = replicates_of(self._identity) if self._had_cells else {}
        most = {name: max(n, before.get(name, 0)) for name, n in replicates.items()}
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

    def _described(self) -> list[dict[str, Any]]:
        """The generations that there are."""
        extract = self._extract
        if extract is None or not self._cells.keys() <= {self._number}:
            return self._generations.described(self._cells)
        return [described(self._number, extract.fingerprint, extract.versions, self._cells)]

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
        before = self._reached
        if not before.written:
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
        others = {number: of for number, of in self._cells.items() if number != self._number}
        lines = [
            f"condition {condition!r}: {cells} cells of generation {number} ({', '.join(why)})"
            for number, conditions in counts(others).items()
            for condition, cells in conditions.items()
            if (why := self._why(number, condition))
        ]
        if lines:
            shown = _listed(lines)
            warnings.warn(
                f"{self._store.path}: there are cells that ran under something else than those of "
                f"now, generation {self._number}:\n{shown}\n"
                "'crystallize drop STORE --condition NAME' has a condition's cells run again.",
                StoreWarning,
                stacklevel=2,
            )

    def _why(self, number: int, condition: str) -> list[str]:
        """What cells of a condition ran under that is something else now."""
        before, now = self._generations[number], self._now.only([condition])
        return before.changes(now) + before.versions(now)


def _listed(lines: Sequence[str]) -> str:
    """A line each, as many as one wants to read."""
    more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([*(f"  - {line}" for line in lines[:SHOWN]), *more])
