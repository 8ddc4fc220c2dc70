"""The store of a run that is under way."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import StoreMismatchError, StoreWarning
from crystallize.store.identity import differences, identity, united
from crystallize.store.records import Cell, read_records
from crystallize.store.sqlite import Record, Store


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
        self.found = 0
        try:
            self._agree()
        except BaseException:
            self._store.close()
            raise

    def _agree(self) -> None:
        """See that the store is of this experiment, and say in it what there is of it now."""
        wanted = identity(self._experiment)
        stored = self._store.identity
        changes = self._store.changes
        if stored is not None:
            if differing := differences(stored, wanted):
                if not self._experiment.accept_changes:
                    lines = "\n".join(f"  - {line}" for line in differing)
                    raise StoreMismatchError(
                        f"{self._store.path}: this store holds another experiment:\n{lines}\n"
                        "Give another store; or accept the changes (accept_changes=True, "
                        "--accept-changes), and its cells stand beside the new ones."
                    )
                changes.append({"differences": differing, "before": stored})
            wanted = united(stored, wanted)
        self._store.set_identity(wanted, changes)

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
        tables, errors = read_records(
            self._store.records(), tuple(experiment.conditions), experiment.replicates,
            experiment.seeding,
        )  # fmt: skip
        if experiment.retry_failed:
            errors = {}
        self.found = sum(int(table.done.sum()) for table in tables.values()) + len(errors)
        return tables, errors

    def commit(self, records: Sequence[Record]) -> None:
        """Commit blocks; they survive anything from now on."""
        self._store.add(records)

    def close(self) -> None:
        """Close the file; what was kept is in it already."""
        self._store.close()
