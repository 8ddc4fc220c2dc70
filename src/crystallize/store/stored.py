"""Looking at a store without its experiment: no function is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crystallize.cells.attempts import Attempt
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.page import PageBounds
from crystallize.cells.summaries import PageSummaries
from crystallize.cells.table import Table
from crystallize.description.project import in_project
from crystallize.description.seeding import Seeding
from crystallize.description.summarized import USUAL
from crystallize.errors import StoreError
from crystallize.store.about import Identity
from crystallize.store.generations import Generation, Generations
from crystallize.store.identity import is_open, replicates_of, stored_factors
from crystallize.store.paged import PagedCells
from crystallize.store.parts import Range, inside, parts_of, shard_of
from crystallize.store.reading import Ranges, read_records
from crystallize.store.records import Cell, is_readable
from crystallize.store.sqlite import Store


class Stored:
    """What a store says of its experiment, and in a subclass its cells.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    identity : dict
        Name, function, seed and conditions of its experiment.
    generations : Generations
        What its cells ran under.
    cells : dict
        Generation -> condition -> ranges of replicates that have an outcome.
    replicates : dict of str to int
        Condition -> how many replicates it has.
    shard : Shard or None
        The shard whose store it is, if it is one's.
    damaged : list of str
        What the damaged records are called.
    errors : dict of (str, int) to CellError
        Cell -> its error.
    attempts : list of Attempt
        By replicate, condition and number.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """

    cells: Ranges
    errors: dict[Cell, CellError]
    attempts: list[Attempt]
    damaged: list[str]

    def __init__(self, path: str | Path) -> None:
        with Store(path, read_only=True) as store:
            identity = _identity(store)
            self.path = Path(path)
            self.identity = identity
            self.generations = Generations.of_store(store, identity)
            self._seeding = _seeding(identity)
            self.replicates = _replicates(store, identity)
            self.shard = shard_of(self.path, identity)
            self._parts = parts_of(self.shard, self.replicates)
            self._read(store)

    def _read(self, store: Store) -> None:
        raise NotImplementedError

    @property
    def baseline(self) -> str:
        """The name of the baseline condition."""
        return str(self.identity["baseline"])

    @property
    def factors(self) -> dict[str, dict[str, Any]]:
        """Condition -> factor -> level: the parameters whose values differ."""
        return stored_factors(self.identity)

    @property
    def latest(self) -> Generation:
        """What its last run ran under."""
        return self.generations.latest(self.identity)

    @property
    def done(self) -> dict[str, int]:
        """Condition -> how many of its cells have metrics."""
        raise NotImplementedError

    @property
    def missing(self) -> dict[str, list[Range]]:
        """Condition -> the ranges of its replicates, all of them, that have no outcome."""
        raise NotImplementedError

    def counts(self) -> list[dict[str, Any]]:
        """For each condition how many cells are done, failed and missing."""
        failures = Counter(condition for condition, _ in self.errors)
        missing, rows = self.missing, []
        for condition, done in self.done.items():
            failed = failures[condition]
            ranges = inside(missing[condition], self._parts[condition])
            rows.append(
                {
                    "condition": condition,
                    "done": done,
                    "failed": failed,
                    "missing": sum(stop - start for start, stop in ranges),
                }
            )
        return rows

    def outcomes(self) -> Outcomes:
        """The cells; their provenance is the identity, and what they ran under."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """The identity, and what the cells ran under."""
        return {**self.identity, "generations": self.generations.described(self.cells)}

    def _errors(self) -> list[CellError]:
        order = {name: place for place, name in enumerate(self.replicates)}
        return sorted(self.errors.values(), key=lambda e: (e.replicate, order[e.condition]))


class StoredExperiment(Stored):
    """What a store holds, all of it in memory.

    Attributes
    ----------
    records : list of Record
        The undamaged ones.
    tables : ConditionTables
    """

    def _read(self, store: Store) -> None:
        damaged: list[int] = []
        records = list(store.records(damaged))
        cells = read_records(records, self.replicates, self._seeding)
        self.records = [one for one in records if one not in cells.unreadable]
        self.damaged = []
        if damaged or cells.unreadable:  # or else they need not be read once more
            self.damaged = store.damaged(lambda record: record not in cells.unreadable)
        self.tables, self.errors, self.cells = cells.tables, cells.errors, cells.ranges()
        self.attempts = cells.attempts

    @property
    def done(self) -> dict[str, int]:
        return self.tables.finished_of_each()

    @property
    def missing(self) -> dict[str, list[Range]]:
        return self.tables.missing(self.errors)

    def outcomes(self) -> Outcomes:
        seeding = self._seeding
        return Outcomes(
            self.tables, self._errors(), seeding.root, self.about(), seeding.rule, seeding.keys,
            attempts=self.attempts,
        )  # fmt: skip


class StoredSummaries(Stored):
    """What summaries need of the cells of a store, read page by page: memory does not grow.

    Attributes
    ----------
    summaries : PageSummaries
    """

    def _read(self, store: Store) -> None:
        self.summaries = PageSummaries(self.replicates, USUAL.by_element)
        survey = PagedCells(store, self.replicates, self._seeding).survey(self.summaries)
        self.errors, self.cells = survey.errors, survey.ranges
        self.attempts = survey.attempts
        self._missing = survey.missing
        self.damaged = store.damaged(is_readable)

    @property
    def missing(self) -> dict[str, list[Range]]:
        return self._missing

    @property
    def done(self) -> dict[str, int]:
        return {name: summary.finished for name, summary in self.summaries.of.items()}

    def outcomes(self) -> Outcomes:
        # Its path stands where a run's provenance has it, for who asks for values.
        about = {**self.about(), "store": {"path": in_project(self.path)}}
        seeding = self._seeding
        return Outcomes(
            {}, self._errors(), seeding.root, about, seeding.rule, seeding.keys, self.summaries,
            self.attempts,
        )  # fmt: skip


class StoredPages:
    """The cells of an open store, a page at a time; those that are added meanwhile are not seen.

    Attributes
    ----------
    replicates : dict of str to int
        Condition -> how many replicates it has.
    factors : dict of str to dict
        Condition -> factor -> level.

    Raises
    ------
    StoreError
        If the store is empty.
    """

    def __init__(self, store: Store) -> None:
        identity = _identity(store)
        self.replicates = _replicates(store, identity)
        self.factors = stored_factors(identity)
        self._bounds = PageBounds(max(self.replicates.values()))
        self._cells = PagedCells(store, self.replicates, _seeding(identity))

    def tables(self, condition: str) -> Iterator[Table]:
        """All replicates of a condition in index order, those that have no cells too."""
        size = self.replicates[condition]
        for start, stop in self._bounds.around(0, size):
            yield self._cells.cells(condition, start, min(stop, size)).table


def _identity(store: Store) -> Identity:
    identity = store.identity
    if identity is None:
        raise StoreError(
            f"{store.path}: this store is empty. A copy of a store in use is made by "
            "'crystallize copy'; what was written last is not in the file alone."
        )
    return identity


def _seeding(identity: Identity) -> Seeding:
    # The rule and the keys are not there in a store of an earlier version.
    return Seeding(
        identity["seed"], identity.get("seed_rule", "numpy"), identity.get("stream_keys", {})
    )


def _replicates(store: Store, identity: Identity) -> dict[str, int]:
    """Condition -> how many replicates it has, or where that was to be seen, has by now."""
    known = replicates_of(identity)
    if is_open(identity):
        for record in store.records():
            for condition in record.conditions:
                if condition in known:
                    known[condition] = max(known[condition], record.stop)
    return known
