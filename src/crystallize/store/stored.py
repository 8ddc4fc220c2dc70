"""Looking at a store without its experiment: no function is imported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.description.seeding import Seeding
from crystallize.errors import StoreError
from crystallize.store.generations import Generation, Generations
from crystallize.store.identity import is_open, replicates_of, stored_factors
from crystallize.store.records import read_records
from crystallize.store.sqlite import Store


class StoredExperiment:
    """What a store holds.

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
    records : list of Record
        The undamaged ones.
    damaged : list of str
        What the damaged ones are called.
    tables : dict of str to Table
        Condition -> its cells.
    errors : dict of (str, int) to CellError
        Cell -> its error.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        with Store(path, read_only=True) as store:
            identity = store.identity
            if identity is None:
                raise StoreError(
                    f"{path}: this store is empty. A copy of a store in use is made by "
                    "'crystallize copy'; what was written last is not in the file alone."
                )
            self.path = Path(path)
            self.identity = identity
            self.generations = Generations.of_store(store)
            self.records = list(store.records())
            self.damaged = store.damaged()
        # The rule and the keys are not there in a store of an earlier version.
        self._seeding = Seeding(
            identity["seed"], identity.get("seed_rule", "numpy"), identity.get("stream_keys", {})
        )
        cells = read_records(self.records, self._replicates(), self._seeding)
        self.tables, self.errors, self.cells = cells.tables, cells.errors, cells.ranges()
        if cells.unreadable:
            self.damaged += [record.name for record in cells.unreadable]
            self.records = [one for one in self.records if one not in cells.unreadable]

    def _replicates(self) -> dict[str, int]:
        """Condition -> how many replicates it has, or where that was to be seen, has by now."""
        known = replicates_of(self.identity)
        if is_open(self.identity):
            for record in self.records:
                if record.condition in known:
                    known[record.condition] = max(known[record.condition], record.stop)
        return known

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

    def counts(self) -> list[dict[str, Any]]:
        """For each condition how many cells are done, failed and missing."""
        rows = []
        failures = Counter(condition for condition, _ in self.errors)
        for condition, table in self.tables.items():
            done = int(table.done.sum())
            failed = failures[condition]
            missing = table.size - done - failed
            row = {"condition": condition, "done": done, "failed": failed, "missing": missing}
            rows.append(row)
        return rows

    def outcomes(self) -> Outcomes:
        """The cells; their provenance is the identity, and what they ran under."""
        order = {name: place for place, name in enumerate(self.tables)}
        errors = sorted(self.errors.values(), key=lambda e: (e.replicate, order[e.condition]))
        seeding = self._seeding
        return Outcomes(self.tables, errors, seeding.root, self.about(), seeding.rule, seeding.keys)

    def about(self) -> dict[str, Any]:
        """The identity, and what the cells ran under."""
        return {**self.identity, "generations": self.generations.described(self.cells)}
