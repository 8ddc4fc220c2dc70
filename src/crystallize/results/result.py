"""What an experiment came to, in one object; how it is computed and written is beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.plain import json_data, plain_data
from crystallize.cells.warned import WarningRecord
from crystallize.checks import whole_number
from crystallize.description.seeding import Seeding
from crystallize.description.streams import seeds_of
from crystallize.results import file
from crystallize.results.exports import as_frame, error_data, metric_data, warning_data
from crystallize.results.replacing import replaced_whole
from crystallize.results.section_tables import sections_as_html, sections_as_text
from crystallize.results.summary import SummaryRow, summarize
from crystallize.results.tables import as_html, as_text
from crystallize.store.stored import StoredExperiment

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """Metrics, errors, seeds, provenance and sections of one run.

    Parameters
    ----------
    metrics : mapping
        Condition -> metric -> array of shape (replicates, ...), with the condition's own
        number of replicates.
    done : mapping
        Condition -> boolean array of shape (replicates,): which cells finished.
    errors : list of CellError
        In replicate order.
    root : int
        The root seed.
    baseline : str
        The name of the baseline condition.
    provenance : dict
    sections : dict, optional
        What aggregators added, by name.
    seed_rule : {"numpy", "crystallize-ml"}
        How seeds follow from the root.
    factors : mapping, optional
        Condition -> factor -> level.
    warnings : list of WarningRecord
        What cells warned of: one record for each condition, category and message, in the
        order of the first replicates; the same under every strategy, and after a resume.
        If cells of a condition give more than 1000 texts in one line of code, these are one
        record, with the first text.

    Attributes
    ----------
    metrics : dict
        ``metrics[condition][metric]`` is an array whose position is the
        replicate; NaN, or ``None`` in a column that holds no numbers, where a
        cell failed, so that conditions stay paired.
    factors : dict
        ``factors[condition][parameter]`` for the parameters whose values differ between
        conditions; empty where the experiment is not known, as for what a store holds.
    """

    def __init__(
        self,
        metrics: Mapping[str, Mapping[str, Array]],
        done: Mapping[str, npt.NDArray[np.bool_]],
        errors: list[CellError],
        root: int,
        baseline: str,
        provenance: dict[str, Any],
        sections: dict[str, Any] | None = None,
        seed_rule: str = "numpy",
        factors: Mapping[str, Mapping[str, Any]] | None = None,
        warnings: Sequence[WarningRecord] = (),
    ) -> None:
        self.metrics = {condition: dict(arrays) for condition, arrays in metrics.items()}
        self.done = dict(done)
        self.errors = errors
        self.root = root
        self.seed_rule = seed_rule
        self.baseline = baseline
        self.provenance = provenance
        self.sections: dict[str, Any] = {} if sections is None else sections
        known = {} if factors is None else factors
        self.factors = {condition: dict(known.get(condition, {})) for condition in self.done}
        self.warnings = list(warnings)

    @classmethod
    def of_outcomes(
        cls,
        outcomes: Outcomes,
        baseline: str,
        factors: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Result:
        """Outcomes with their seeds and provenance as a result, without sections."""
        return cls(
            metrics=outcomes.metrics(),
            done={name: table.done for name, table in outcomes.tables.items()},
            errors=list(outcomes.errors),
            root=outcomes.root,
            seed_rule=outcomes.seed_rule,
            baseline=baseline,
            provenance=dict(outcomes.provenance),
            factors=factors,
            warnings=outcomes.warnings(),
        )

    @classmethod
    def from_store(cls, path: str | Path) -> Result:
        """Read what is in a store, also while a run goes on; cells that are missing are so here.

        Parameters
        ----------
        path : path

        Returns
        -------
        Result
            Without sections; its provenance is the identity of the experiment.

        Raises
        ------
        StoreError
            If there is no store, or what is there is none.
        """
        stored = StoredExperiment(Path(path))
        return cls.of_outcomes(stored.outcomes(), stored.baseline)

    @property
    def conditions(self) -> list[str]:
        """The names of the conditions, in the experiment's order."""
        return list(self.done)

    @property
    def replicates(self) -> int:
        """How many replicates there are; a condition may have fewer: ``len(done[condition])``."""
        return max(map(len, self.done.values()))

    @cached_property
    def seeds(self) -> list[int]:
        """The seed of each replicate; made when first looked at."""
        return seeds_of(Seeding(self.root, self.seed_rule), self.replicates)

    def summary(self) -> list[SummaryRow]:
        """One row for each condition and metric.

        Returns
        -------
        list of dict
            With the keys ``condition``, ``metric``, ``n`` (values that the statistics
            are of), ``nan`` (values that are NaN, which the statistics leave out),
            ``failed`` (cells that failed), ``warnings`` (how many the cells of the
            condition gave), ``mean``, ``sd`` (n - 1 in the
            denominator), ``mcse`` (Monte Carlo standard error of the mean,
            sd / sqrt(n)), ``min`` and ``max``; ``None`` where a value does not
            exist, as for text.

        References
        ----------
        Morris, White and Crowther (2019), "Using simulation studies to evaluate
        statistical methods", Statistics in Medicine 38, table 6, for `mcse`.
        """
        return summarize(self.metrics, self.done, self.errors, self.warnings)

    def to_frame(self) -> pd.DataFrame:
        """One row for each cell, one column for each metric; needs pandas.

        A metric that is named like one of the index columns, ``condition`` or
        ``replicate``, has ``metric.`` in front of its name.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        return as_frame(self.metrics, {name: len(done) for name, done in self.done.items()})

    def to_dict(self) -> dict[str, Any]:
        """The result as strict JSON has it.

        Returns
        -------
        dict
            ``metrics`` (condition -> metric -> list in replicate order, ``None``
            where the cell has no value), ``seeds``, ``errors``, ``warnings``,
            ``summary``, ``sections``, ``provenance``.  Numbers that JSON lacks are the
            strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
        """
        return {
            "metrics": {
                condition: {
                    metric: metric_data(values, self.done[condition])
                    for metric, values in arrays.items()
                }
                for condition, arrays in self.metrics.items()
            },
            "seeds": list(self.seeds),
            "errors": [error_data(error) for error in self.errors],
            "warnings": [warning_data(record) for record in self.warnings],
            "summary": json_data(plain_data(self.summary(), "summary")),
            "sections": json_data(plain_data(self.sections, "sections")),
            "provenance": json_data(plain_data(self.provenance, "provenance")),
        }

    def to_json(self, path: str | Path) -> None:
        """Write :meth:`to_dict` to a file, whole or not at all."""
        text = json.dumps(self.to_dict(), allow_nan=False, indent=2)
        with replaced_whole(Path(path)) as beside:
            beside.write_text(text + "\n", encoding="utf-8")

    def export(self, path: str | Path) -> None:
        """Write the result to a file of the kind that its ending says.

        Of ``.json`` and ``.zip`` there is :meth:`to_json` and :meth:`save`; installed
        plugins add others.  The file is written beside its place, then put there.

        Raises
        ------
        UnknownNameError
            If nothing writes files of that ending; lists those that there are.
        ExportError
            An :exc:`OSError`, if it could not be written.
        """
        from crystallize.results import exporting

        exporting.export(self, Path(path), exporting.exporter_for("path", path))

    def save(self, path: str | Path) -> None:
        """Write everything to one file: a zip of JSON and NumPy arrays, no pickles.

        The file is written beside its place, then put there: what stood there stays where
        that fails.

        Raises
        ------
        ResultFileError
            If a section or the provenance is not plain data.
        """
        parts: file.Parts = {
            "metrics": self.metrics,
            "done": self.done,
            "errors": self.errors,
            "root": self.root,
            "seed_rule": self.seed_rule,
            "baseline": self.baseline,
            "provenance": self.provenance,
            "sections": self.sections,
            "factors": self.factors,
            "warnings": self.warnings,
        }
        file.save(parts, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, max_bytes: int | None = None) -> Result:
        """Read what :meth:`save` wrote; everything is checked before it is believed.

        Parameters
        ----------
        path : path
        max_bytes : int, optional
            How much the file may hold when it is unpacked: a small file can be made to fill
            the memory.  Default: 50 times the size of the file, but at least 256 MB.

        Raises
        ------
        ResultFileError
            If the file is not a saved result, is damaged, or holds more than that.
        """
        if max_bytes is not None:
            max_bytes = whole_number("max_bytes", max_bytes, least=1)
        return cls(**file.load(Path(path), max_bytes))

    def __repr__(self) -> str:
        table = as_text(self.summary(), len(self.errors), _total(self.warnings))
        return table + sections_as_text(self.sections)

    def _repr_html_(self) -> str:
        table = as_html(self.summary(), len(self.errors), _total(self.warnings))
        return table + sections_as_html(self.sections)


def _total(warnings: Sequence[WarningRecord]) -> int:
    return sum(record.count for record in warnings)
