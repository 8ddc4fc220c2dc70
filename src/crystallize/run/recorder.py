"""What finished is kept here: in columns, in the store, and then reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import monotonic, sleep
from typing import Any

from crystallize.cells.attempts import Attempt
from crystallize.cells.block import Block, Row, Stretch
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.page import PageBounds
from crystallize.cells.rows import Rows
from crystallize.cells.sheet import Sheet
from crystallize.cells.table import Table
from crystallize.cells.window import Window
from crystallize.description.seeding import Seeding
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import StoreError, StoreLostError
from crystallize.run.attempts import AttemptBook
from crystallize.run.observers import Observers
from crystallize.run.progress import Display
from crystallize.run.room import Room
from crystallize.run.run_log import RunLog
from crystallize.run.tally import Tally
from crystallize.store.archive import Archive
from crystallize.store.lock import Lent
from crystallize.store.paged import PagedCells
from crystallize.store.parts import inside
from crystallize.store.records import Cell, attempt_records, lost_record, records, sheet_records
from crystallize.store.rows import Record

FOUND_AT_ONCE = 2**16
"""How many replicates of a condition are reported together that were in the store."""
STATUS_SECONDS = 0.5
"""How often it is said in the store how far the run is, at the most."""
COMMIT_PAUSES = (0.1, 0.5, None)
"""How long to wait before each further try at a commit."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What came to an end and is to be kept and reported.

    A block, a plain sheet, a cell that was lost, or attempts, of which nothing is reported.
    """

    block: Block | Sheet | None
    errors: list[CellError]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def has_cells(self) -> bool:
        return self.block is not None or bool(self.errors)

    @property
    def finished(self) -> int:
        """How many cells have metrics."""
        if self.block is None:
            return 0
        return len(self.block) - (len(self.block.failures) if isinstance(self.block, Block) else 0)

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        yield from attempt_records(self.attempts)
        if isinstance(self.block, Sheet):
            first = self.block.condition
            yield from sheet_records(names[first : first + self.block.conditions], self.block)
        elif self.block is not None:
            yield from records(names[self.block.condition], self.block, self.errors)
        elif self.errors:
            yield lost_record(self.errors[0])

    def outcomes(self, names: Sequence[str], seeding: Seeding) -> Iterator[Outcomes]:
        block = self.block
        if isinstance(block, Sheet):
            for part in block.blocks():
                yield from Landed(part, []).outcomes(names, seeding)
            return
        if block is None:
            name, table = self.errors[0].condition, Table(self.errors[0].replicate, 1)
        else:
            name, table = names[block.condition], Table(block.start, block.stop - block.start)
            table.add(block)
        yield Outcomes({name: table}, self.errors, seeding.root, {}, seeding.rule, seeding.keys)


class Recorder:
    """Keeps the outcomes of one run.

    What landed is in :attr:`tables` at once; a release commits it to the store, and
    only then reports it.

    Parameters
    ----------
    experiment : ExperimentSpec
    observers : Observers
    makes_batches : bool
        Whether someone looks at outcomes as they land.

    Attributes
    ----------
    tables : mapping of str to Table or Window
        Condition -> its cells; without values those that no page had yet.
    found : int
        How many cells were in the store already.
    attempts : AttemptBook
    """

    def __init__(
        self, experiment: ExperimentSpec, observers: Observers, *, makes_batches: bool
    ) -> None:
        self.found = 0
        self.attempts = AttemptBook(experiment)
        self._experiment = experiment
        self._names = tuple(experiment.conditions)
        keeps_values = experiment.keep == "values"
        self._room = Room(experiment.replicates_of) if keeps_values else None
        self._parts = experiment.parts
        self._bounds = PageBounds(max(experiment.replicates_of.values()))
        self.tables: ConditionTables | Mapping[str, Window]
        if keeps_values:
            self.tables = ConditionTables(experiment.replicates_of)
        else:
            self.tables = {
                name: Window(size, self._bounds) for name, size in experiment.replicates_of.items()
            }
        self._observers = observers
        self._makes_batches = makes_batches
        self._archive: Archive | None = None
        self._tally: Tally | None = None
        self._displays: Sequence[Display] = ()
        self._log: RunLog | None = None
        self._told, self._has_news = -inf, False
        self._counted = 0  # of what landed and could not be committed
        self._rows: dict[int, Rows] = {}  # of the conditions that have some since the last time
        self._landed: list[Landed] = []
        self._stored: PagedCells | None = None
        self._missing: Mapping[str, Sequence[tuple[int, int]]] = {}

    def open_store(self, opened: ExitStack) -> dict[tuple[str, int], CellError]:
        """Open the store, if there is one; the errors of the cells that are in it."""
        if self._experiment.store is None:
            return {}
        self._archive = Archive(self._experiment, self._experiment.store)
        opened.callback(self._archive.close)
        if self._experiment.keep == "summary":
            self._stored, survey = self._archive.load_pages()
            self._missing, errors = survey.missing, survey.errors
            self.tables = {
                name: Window(
                    size, self._bounds, partial(self._found_of, name), survey.last.get(name, -1)
                )
                for name, size in self._experiment.replicates_of.items()
            }
        else:
            self.tables, errors = self._archive.load()
        self.found = self._archive.found
        self.attempts.found(self._archive.attempts)
        if isinstance(self.tables, ConditionTables):
            for name, table in self.tables.made():
                self._take_room(name, table, table.columns)
            for sheet, names in self.tables.sheets:
                self._take_room_of(sheet, names)
        return errors

    def missing(self, errors: Iterable[Cell]) -> Iterator[tuple[int, int, int]]:
        """The cells that are still to be run, as (condition, start, stop).

        Parameters
        ----------
        errors : iterable of (str, int)
            The cells that have an error.
        """
        missing = self._missing
        if isinstance(self.tables, ConditionTables):
            missing = self.tables.missing(errors)
        for condition, (name, part) in enumerate(self._parts.items()):
            if ranges := missing.get(name, [part]):
                for start, stop in inside(ranges, part):
                    yield condition, start, stop

    def page_starts(self) -> Iterable[int]:
        """The first replicates of pages of which there are cells, by which summaries are made."""
        starts = {
            start for t in self.tables.values() if isinstance(t, Window) for start in t.starts
        }
        if self._stored is not None:
            starts.update(start for start, _ in self._stored.pages())
        return starts

    def _found_of(self, name: str, start: int, stop: int) -> Table:
        assert self._stored is not None
        return self._stored.cells(name, start, stop).table

    @property
    def store(self) -> dict[str, Any] | None:
        """Where cells are from, if there is a store."""
        return None if self._archive is None else self._archive.provenance()

    def lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return nullcontext(Lent()) if self._archive is None else self._archive.lent(give_up)

    def found_outcomes(self, errors: Mapping[tuple[str, int], CellError]) -> Iterator[Outcomes]:
        """What was in the store, a part at a time."""
        if not self.found:
            return
        seeding = self._experiment.seeding
        failed: dict[tuple[str, int], list[CellError]] = defaultdict(list)
        for error in errors.values():
            failed[error.condition, error.replicate // FOUND_AT_ONCE].append(error)
        for name, table in self.tables.items():
            for start in range(0, table.size, FOUND_AT_ONCE):
                part = self._part(name, start, min(start + FOUND_AT_ONCE, table.size))
                own = failed[name, start // FOUND_AT_ONCE]
                outcomes = Outcomes({name: part}, own, seeding.root, {}, seeding.rule, seeding.keys)
                if len(outcomes):
                    yield outcomes

    def _part(self, name: str, start: int, stop: int) -> Table:
        table = self.tables[name]
        return (
            table.part(start, stop)
            if isinstance(table, Table)
            else self._found_of(name, start, stop)
        )

    def whole(self, stops: Mapping[str, int]) -> Mapping[str, Table]:
        """The cells of each condition, up to where it ends; of a run that keeps values."""
        if stops == self._experiment.replicates_of and isinstance(self.tables, ConditionTables):
            return self.tables
        return {
            name: table if table.size == stops[name] else table.part(0, stops[name])
            for name, table in self.tables.items()
            if isinstance(table, Table)
        }

    def begin(self, tally: Tally, displays: Sequence[Display], log: RunLog | None) -> None:
        """Count what is reported from now on, for those who show it and for the store."""
        self._tally, self._displays, self._log = tally, displays, log
        self.tell()

    def tell(self, *, goes_on: bool = True) -> None:
        """Say in the store how far the run is, for who looks on from elsewhere."""
        if self._archive is not None and self._tally is not None:
            self._archive.tell(self._tally.status(goes_on=goes_on))
            self._told, self._has_news = monotonic(), False

    def conclude(self, replicates: Mapping[str, int]) -> None:
        """Keep in the store how many replicates each condition came to have."""
        if self._archive is not None:
            self._archive.conclude(replicates)

    def keep_row(self, row: Row) -> None:
        """Keep one cell; a block for each would cost more than the cell does."""
        rows = self._rows_of(row.task.condition)
        rows.add_checked(row.task.start, row.names, row.values)
        rows.seconds[row.task.start] = row.seconds
        if row.warned:
            rows.warned[row.task.start] = row.warned

    def keep_stretch(self, stretch: Stretch) -> None:
        """Keep a few cells."""
        rows, replicates = self._rows_of(stretch.condition), stretch.replicates
        rows.add_stretch(replicates, stretch.names, stretch.values)
        rows.seconds.update(zip(replicates, stretch.seconds, strict=True))

    def _rows_of(self, condition: int) -> Rows:
        rows = self._rows.get(condition)
        if rows is None:
            rows = self._rows[condition] = Rows(condition)
        return rows

    def keep_block(self, block: Block, errors: list[CellError]) -> None:
        """Keep a block's metrics, and the errors of those of its cells that failed for good."""
        block.recorded = None  # attempts are kept by themselves
        if len(errors) < len(block.failures):
            final = {error.replicate - block.start for error in errors}
            tried_again = [f.offset for f in block.failures if f.offset not in final]
            block.warned = block.warned and block.warned.without(tried_again)
            block.durations = block.durations and block.durations.without(tried_again)
        if len(block) > len(block.failures) - len(errors):
            self._landed.append(Landed(block, errors))
        self._add(block)

    def _add(self, block: Block) -> None:
        name = self._names[block.condition]
        table = self.tables[name]
        if isinstance(table, Window):
            table.add(block)
            return
        known = len(table.columns)
        table.add(block)
        if len(table.columns) > known:
            self._take_room(name, table, list(table.columns)[known:])

    def keep_sheet(self, sheet: Sheet) -> None:
        """Keep the cells of many conditions, with which nothing was wrong."""
        names = self._names[sheet.condition : sheet.condition + sheet.conditions]
        if isinstance(self.tables, ConditionTables) and self.tables.keep(sheet, names):
            self._landed.append(Landed(sheet, []))
            self._take_room_of(sheet, names)
            return
        for block in sheet.blocks():
            self._add(block)
        self._landed.append(Landed(sheet, []))

    def _take_room(self, condition: str, table: Table, metrics: Iterable[str]) -> None:
        """Count in columns of a condition that are new."""
        if self._room is not None:
            for metric in metrics:
                self._room.take(condition, metric, table.columns[metric].nbytes, table.size)

    def _take_room_of(self, sheet: Sheet, names: Sequence[str]) -> None:
        """Count in what a sheet's conditions will take when all of their cells are there."""
        if self._room is None:
            return
        replicates = sum(map(self._experiment.replicates_of.__getitem__, names))
        for column in sheet.cells.columns:
            size = replicates * column.bytes_each
            self._room.take(names[0], column.name, size, replicates)

    def keep_errors(self, errors: Sequence[CellError]) -> None:
        """Keep cells that never came back."""
        self._landed += [Landed(None, [error]) for error in errors]

    def has_finished(self, condition: int) -> bool:
        """Whether there are metrics of any cell of a condition."""
        return bool(self._rows.get(condition)) or self.tables[self._names[condition]].has_any

    def gathered(self) -> list[Landed]:
        """Take what landed since the last time."""
        kept, self._rows = self._rows, {}
        for condition in sorted(kept):
            for block in kept[condition].sparse_blocks():
                self.keep_block(block, [])
        landed, self._landed = self._landed, []
        if attempts := self.attempts.taken():
            landed.append(Landed(None, [], attempts))
        return landed

    def release(self, landed: list[Landed]) -> list[Outcomes]:
        """Commit what landed to the store, and only then report it.

        A commit that fails is tried again, and at last kept for the next release.

        Raises
        ------
        StoreError
            If it cannot be committed.
        """
        first = self._count(landed[self._counted :])
        if landed and self._archive is not None:
            try:
                self._commit(self._archive, landed)
            except StoreLostError:  # what is left of it has them
                raise
            except StoreError:
                self._landed, self._counted = landed + self._landed, len(landed)
                raise
        elif self._has_news and self._is_time_to_tell():
            self.tell()
        self._counted = 0
        batches: list[Outcomes] = []
        for item in landed:
            if self._makes_batches and item.has_cells:
                batches += item.outcomes(self._names, self._experiment.seeding)
        if self._log is not None:
            self._log.failed(first)
        for display in self._displays:
            display.look()
        for batch in batches:
            self._observers.observe("outcomes_completed", outcomes=batch)
        return batches

    def _commit(self, archive: Archive, landed: list[Landed]) -> None:
        kept = [record for item in landed for record in item.records(self._names)]
        status = None
        self._has_news = not self._is_time_to_tell()
        if self._tally is not None and not self._has_news:
            status, self._told = self._tally.status(), monotonic()
        for pause in COMMIT_PAUSES:
            try:
                archive.commit(kept, status)
                return
            except StoreError as error:
                if pause is None or isinstance(error, StoreLostError):
                    raise
                sleep(pause)

    def _is_time_to_tell(self) -> bool:
        return monotonic() > self._told + STATUS_SECONDS

    def _count(self, landed: Iterable[Landed]) -> list[CellError]:
        """Count what landed; the errors that are the first of their kind."""
        if self._tally is None:
            return []
        first = []
        for item in landed:
            first += self._tally.add(item.finished, item.errors)
        return first
