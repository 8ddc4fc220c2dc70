"""What an experiment came to, in one object; how it is computed and written is beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.attempts import Attempt
from crystallize.cells.condition_tables import ConditionTables, Singles
from crystallize.cells.durations import DurationColumn, DurationSummary
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.plain import json_data, plain_data
from crystallize.cells.summaries import PageSummaries
from crystallize.cells.warned import WarningRecord
from crystallize.checks import choice, known, names, whole_number
from crystallize.description.seeding import Seeding
from crystallize.description.spec import RULES, Keep
from crystallize.description.streams import seeds_of
from crystallize.description.summarized import USUAL, Summarized
from crystallize.description.summarized import elements as checked_elements
from crystallize.description.summarized import statistics as checked_statistics
from crystallize.errors import CrystallizeError, InvalidValueError, ValuesNotKeptError
from crystallize.results import attempt_table, file, notebook
from crystallize.results.arrow import write_arrow, write_parquet
from crystallize.results.delimited import write_csv
from crystallize.results.documents import latex, markdown
from crystallize.results.duration_texts import CellDurations, duration_lines, duration_rows
from crystallize.results.exports import as_frame, error_data, metric_data, warning_data
from crystallize.results.labelled import as_dataset, write_netcdf
from crystallize.results.long_form import LongForm, long_form
from crystallize.results.pivot import PivotTable, pivoted, section_entries, summary_entries
from crystallize.results.replacing import replaced_whole
from crystallize.results.section_tables import is_rows
from crystallize.results.shown import Shown, cut_short
from crystallize.results.summary import (
    Summary,
    SummaryRow,
    of_pages,
    of_single_numbers,
    of_values,
    summarize,
)
from crystallize.results.text_table import UNLIMITED, Room, TextTable
from crystallize.store.stored import StoredExperiment, StoredSummaries

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Given = TypeVar("Given")
Later: TypeAlias = Given | Callable[[], Given]
"""What is given, or what gives it."""
Rows = Literal["cells", "attempts"]
"""What the rows of a table are."""
ROWS: tuple[Rows, ...] = ("cells", "attempts")

IN_PYTHON = Room(rows=60, everything="print(result.text()) shows them")
"""What ``repr`` shows: a long table would scroll away what stands above it."""


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
    stream_keys : mapping, optional
        Condition -> the key of its streams, of those that have their own.
    warnings : list of WarningRecord
        What cells warned of: one record for each condition, category and message, in the
        order of the first replicates; the same under every strategy, and after a resume.
        If cells of a condition give more than 1000 texts in one line of code, these are one
        record, with the first text.
    summarized : Summarized, optional
        What :meth:`summary` says of each metric, and which arrays it takes apart.
    summaries : PageSummaries, optional
        What there is instead of `metrics` and `done`, which are ``None`` then, of a run that
        keeps no values.
    attempts : list of Attempt
        Every attempt at a cell that failed, or recorded something with ``ctx.record``: its
        ``condition``, ``replicate``, ``attempt`` (1, 2, …), ``seconds`` (NaN where that is not
        known), ``type`` and ``message`` (``None`` where it did not fail) and ``recorded``, a
        dict.  By replicate, condition and number; of a run that keeps no values the first 10,000.
    durations : mapping, optional
        Condition -> how long its cells took.
    replicates : mapping of str to int, optional
        Condition -> how many replicates it has; by default the lengths of `done`.  With it
        `metrics`, `done` and `durations` may be callables that give the mappings when these
        are first looked at.
    single_numbers : callable, optional
        Gives condition by condition all metrics, if each condition has one cell and that has
        finite floats alone.  What is summarized before anybody looks at `metrics` needs none.

    Attributes
    ----------
    metrics : dict
        ``metrics[condition][metric]`` is an array whose position is the
        replicate; NaN, or ``None`` in a column that holds no numbers, where a
        cell failed, so that conditions stay paired.  A run with ``keep="summary"`` has
        none: a :exc:`ValuesNotKeptError` says where there are some.
    factors : dict
        ``factors[condition][parameter]`` for the parameters whose values differ between
        conditions.
    """

    def __init__(
        self,
        metrics: Later[Mapping[str, Mapping[str, Array]]] | None,
        done: Later[Mapping[str, npt.NDArray[np.bool_]]] | None,
        errors: list[CellError],
        root: int,
        baseline: str,
        provenance: dict[str, Any],
        sections: dict[str, Any] | None = None,
        seed_rule: str = "numpy",
        factors: Mapping[str, Mapping[str, Any]] | None = None,
        warnings: Sequence[WarningRecord] = (),
        stream_keys: Mapping[str, int] | None = None,
        summarized: Summarized = USUAL,
        summaries: PageSummaries | None = None,
        attempts: Sequence[Attempt] = (),
        durations: Later[Mapping[str, DurationColumn]] | None = None,
        replicates: Mapping[str, int] | None = None,
        single_numbers: Callable[[], Iterator[Singles] | None] | None = None,
    ) -> None:
        self._single_numbers = single_numbers
        self._given: dict[str, Any] = {"metrics": metrics, "done": done, "durations": durations}
        self._summaries = summaries
        if summaries is not None:
            replicates = summaries.replicates
        elif replicates is None:
            replicates = {condition: len(flags) for condition, flags in self._done.items()}
        self._replicates = dict(replicates)
        self.summarized = summarized
        self.errors = errors
        self.root = root
        self.seed_rule = seed_rule
        self.baseline = baseline
        self.provenance = provenance
        self.sections: dict[str, Any] = {} if sections is None else sections
        known = {} if factors is None else factors
        self.factors = {condition: dict(known.get(condition, {})) for condition in self._replicates}
        self.warnings = list(warnings)
        self.stream_keys = {} if stream_keys is None else dict(stream_keys)
        self.attempts = list(attempts)

    def _taken(self, name: str) -> Mapping[str, Any]:
        """One of the mappings that the result was made with; nobody asks for it again."""
        given = self._given.pop(name)
        return (given() if callable(given) else given) or {}

    @cached_property
    def _metrics(self) -> dict[str, dict[str, Array]]:
        return {condition: dict(arrays) for condition, arrays in self._taken("metrics").items()}

    @cached_property
    def _done(self) -> dict[str, npt.NDArray[np.bool_]]:
        return dict(self._taken("done"))

    @cached_property
    def _durations(self) -> CellDurations:
        took = self._taken("durations")
        return CellDurations(
            {
                name: took.get(name) or DurationColumn(size)
                for name, size in (self._replicates.items() if self._summaries is None else ())
            }
        )

    @classmethod
    def of_outcomes(
        cls,
        outcomes: Outcomes,
        baseline: str,
        factors: Mapping[str, Mapping[str, Any]] | None = None,
        summarized: Summarized = USUAL,
    ) -> Result:
        """Outcomes with their seeds and provenance as a result, without sections."""
        kept = outcomes.summaries is None
        tables = outcomes.tables
        return cls(
            metrics=outcomes.metrics if kept else None,
            done=outcomes.done if kept else None,
            errors=list(outcomes.errors),
            root=outcomes.root,
            seed_rule=outcomes.seed_rule,
            baseline=baseline,
            provenance=dict(outcomes.provenance),
            factors=factors,
            warnings=outcomes.warnings(),
            stream_keys=outcomes.stream_keys,
            summarized=summarized,
            summaries=outcomes.summaries,
            attempts=outcomes.attempts,
            durations=outcomes.durations if kept else None,
            replicates=outcomes.replicates if kept else None,
            single_numbers=tables.single_numbers if isinstance(tables, ConditionTables) else None,
        )

    @classmethod
    def from_store(cls, path: str | Path, *, keep: Keep = "values") -> Result:
        """Read what is in a store, also while a run goes on; cells that are missing are so here.

        Parameters
        ----------
        path : path
        keep : {"values", "summary"}
            ``"summary"`` reads page by page, and keeps what :meth:`summary` needs.

        Returns
        -------
        Result
            Without sections; its provenance is the identity of the experiment.

        Raises
        ------
        StoreError
            If there is no store, or what is there is none.
        """
        keep = RULES["keep"]("keep", keep)
        stored = (StoredExperiment if keep == "values" else StoredSummaries)(Path(path))
        return cls.of_outcomes(stored.outcomes(), stored.baseline, stored.factors)

    @property
    def metrics(self) -> dict[str, dict[str, Array]]:
        """Condition -> metric -> array whose position is the replicate."""
        self._refuse_without("metrics")
        return self._metrics

    @property
    def done(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Condition -> which cells finished."""
        self._refuse_without("flags of single cells")
        return self._done

    @property
    def durations(self) -> CellDurations:
        """Condition -> seconds that each cell took, position = replicate; floats.

        NaN where that is not known: where a cell is missing, was lost with its worker, or is
        from a store of an earlier version.  Of a cell that was tried several times it is the
        last attempt; :attr:`attempts` has the others.

        The clock is read once for a stretch of cells, which has one cell where these take half a
        millisecond or longer.  Of quicker ones each has the mean of its stretch, of cells that
        take microseconds that of its block.  A coroutine's seconds are those from its beginning
        to its end, whatever else ran on the loop meanwhile.

        Raises
        ------
        ValuesNotKeptError
            If the run kept none; :meth:`duration_summary` has the means all the same.
        """
        self._refuse_without("durations of single cells")
        return self._durations

    def duration_summary(self) -> list[dict[str, Any]]:
        """How long cells took: a row for each condition.

        Returns
        -------
        list of dict
            With the keys ``condition``, ``n`` (of how many cells it is known), ``mean`` and
            ``p95``, the 95% quantile, in seconds; ``None`` where nothing is known.

        Notes
        -----
        No two runs agree on it, so it is in no summary.  The quantile is of seconds rounded to
        eight bits, at most 0.4% off.
        """
        return duration_rows(self._duration_summaries())

    def duration_lines(self) -> list[str]:
        """The same as lines for people, if cells took a tenth of a second or longer on average."""
        return duration_lines(self._duration_summaries())

    def _duration_summaries(self) -> dict[str, DurationSummary]:
        if self._summaries is None:
            return self._durations.summaries()
        return {name: one.durations for name, one in self._summaries.of.items()}

    @property
    def keeps_values(self) -> bool:
        """Whether there are metrics, and not only what a summary needs of them."""
        return self._summaries is None

    @property
    def conditions(self) -> list[str]:
        """The names of the conditions, in the experiment's order."""
        return list(self._replicates)

    @property
    def replicates(self) -> int:
        """How many replicates there are; a condition may have fewer: ``len(done[condition])``."""
        return max(self._replicates.values())

    @property
    def replicates_of(self) -> dict[str, int]:
        """Condition -> how many replicates it has."""
        return dict(self._replicates)

    @property
    def cells(self) -> int:
        """How many cells there are, those that failed or are missing too."""
        return sum(self._replicates.values())

    @property
    def finished(self) -> dict[str, int]:
        """Condition -> how many of its cells have metrics."""
        if self._summaries is not None:
            return {name: summary.finished for name, summary in self._summaries.of.items()}
        return {name: int(np.count_nonzero(flags)) for name, flags in self._done.items()}

    @cached_property
    def seeds(self) -> list[int]:
        """The seed of each replicate, under every condition; made when first looked at.

        Raises
        ------
        CrystallizeError
            If conditions have streams of their own: :meth:`seeds_of` has those of one.
        """
        if self.stream_keys:
            raise CrystallizeError(
                "The seeds of a replicate differ between conditions, which have streams of their "
                "own; seeds_of(condition) has those of one."
            )
        return seeds_of(Seeding(self.root, self.seed_rule), self.replicates)

    def seeds_of(self, condition: str) -> list[int]:
        """The seed of each replicate under one condition.

        Raises
        ------
        UnknownNameError
            If there is no such condition.
        """
        known("condition", condition, "condition", self.conditions)
        seeding = Seeding(self.root, self.seed_rule, self.stream_keys)
        return seeds_of(seeding.of(condition), self._replicates[condition])

    def _seeds_data(self) -> Any:
        if self._summaries is not None:
            return None
        if self.stream_keys:
            return {condition: self.seeds_of(condition) for condition in self.conditions}
        return list(self.seeds)

    def summary(
        self,
        statistics: Sequence[str] | None = None,
        elements: bool | Sequence[str] | None = None,
    ) -> list[SummaryRow]:
        """One row for each condition and metric.

        Parameters
        ----------
        statistics : sequence of str, optional
            Which statistics the rows have: of ``mean``, ``sd`` (n - 1 in the denominator),
            ``mcse`` (Monte Carlo standard error of the mean, sd / sqrt(n)), ``min``, ``max``,
            ``sum``, ``median``, quantiles by their percentage (``q95``, ``q2.5``),
            ``skewness`` and ``kurtosis`` (0 for a normal).  Default: the experiment's own
            choice, or the first five.
        elements : bool or sequence of str, optional
            Metrics whose arrays have a row for each element, called ``x[0]``, or ``x[0,2]``;
            ``True`` for all.  Default: the experiment's own choice, or none.

        Returns
        -------
        list of dict
            With the keys ``condition``, each factor (``factor.`` before its name where there
            is another column of that name), ``metric``, ``n`` (values that the statistics
            are of), ``nan`` (values that are NaN, which the statistics leave out),
            ``failed`` (cells that failed), ``warnings`` (how many the cells of the
            condition gave), and the statistics; ``None`` where a value does not
            exist, as for text.

        Raises
        ------
        UnknownNameError
            If there is no such statistic.
        ValuesNotKeptError
            If the run kept no values, and did not take apart the same arrays.

        Notes
        -----
        Values are looked at in replicate order, so a summary is the same bits whatever ran
        them.  Moments are as good as a float can say them, sums are rounded once.  Quantiles
        interpolate (type 7); of a run that kept no values they are of numbers rounded to eight
        bits, at most 0.4% off, from 1024 values on.

        References
        ----------
        Morris, White and Crowther (2019), "Using simulation studies to evaluate
        statistical methods", Statistics in Medicine 38, table 6, for `mcse`.

        Examples
        --------
        >>> from crystallize import Experiment
        >>> result = Experiment(lambda replicate: replicate, replicates=11, seed=1).run()
        >>> result.summary(["sum", "q95"])[0]["q95"]
        9.5
        """
        wanted = self.summarized
        if statistics is not None:
            wanted = replace(wanted, statistics=checked_statistics("statistics", statistics))
        if elements is not None:
            wanted = replace(wanted, elements=checked_elements("elements", elements))
        if self._summaries is None:
            found = self._of_values(wanted)
        elif wanted.elements == self.summarized.elements:
            found = of_pages(self._summaries)
        else:
            raise self._without("other elements than those that the experiment chose")
        return summarize(found, self.errors, self.warnings, wanted, self.factors)

    def _of_values(self, wanted: Summarized) -> Iterator[Summary]:
        """The statistics of each metric, from values that who has seen them may have changed."""
        were_seen = "metrics" not in self._given
        if not (self._single_numbers is None or were_seen or wanted.has_quantiles):
            singles = self._single_numbers()
            if singles is not None:
                return of_single_numbers(singles)
        return of_values(self._metrics, self._done, wanted)

    def table(
        self,
        by: str | Sequence[str] = (),
        across: str | Sequence[str] = "metric",
        *,
        statistic: str = "mean",
        section: str | None = None,
    ) -> PivotTable:
        """One number of each condition and metric, by the levels of factors.

        Parameters
        ----------
        by, across : str or sequence of str
            What the rows are of, and the columns: factors, ``"condition"``, ``"metric"``; of a
            section ``"measure"``, ``"estimator"`` and the like.  What is named in neither is
            in the rows too, so nothing is averaged.
        statistic : str
            A column of :meth:`summary`.  A mean has its Monte Carlo standard error in brackets.
        section : str, optional
            A section whose values, with their errors, are shown instead: ``"performance"``.

        Returns
        -------
        PivotTable
            Printing it gives the table; ``.cells`` has the numbers.  The last digit of a
            number stands where the second one of its Monte Carlo error does.

        Raises
        ------
        UnknownNameError
            If there is no such factor, statistic or section, with what there is.
        InvalidValueError
            If a name is in both, or a section has no values of conditions.

        Examples
        --------
        >>> from crystallize import Experiment, grid
        >>> def trial(rng, n, power):
        ...     return {"mean": rng.normal(size=n).mean() ** power}
        >>> sets = grid(n=[10, 1000], power=[1, 2])
        >>> Experiment(trial, sets, replicates=200, seed=1).run().table(across="power")
        mean of mean
           n           power=1              power=2
          10     0.000 (0.022)      0.1005 (0.0096)
        1000  -0.0015 (0.0021)  0.000888 (0.000092)
        """
        by, across = _names("by", by), _names("across", across)
        if section is None:
            rows = self.summary([statistic, "mcse"])
            found = summary_entries(rows, self.factors, statistic)
            return pivoted(found, by, across, statistic)
        rows = self.sections[known("section", section, "section", self.sections)]
        entries = section_entries(rows, self.factors) if is_rows(rows) else None
        if entries is None:
            expected = "a section whose rows have 'condition' and 'value'"
            raise InvalidValueError("section", section, expected)
        if across == ["metric"] and not any("metric" in entry.of for entry in entries):
            across = ["measure"] if all("measure" in entry.of for entry in entries) else []
        return pivoted(entries, by, across, section)

    def to_frame(self, rows: Rows = "cells") -> pd.DataFrame:
        """One row for each cell, one column for each metric; needs pandas.

        Its first columns are ``condition``, ``replicate`` and the factors.  A metric that is
        named like one of these has ``metric.`` in front of its name.

        Parameters
        ----------
        rows : {"cells", "attempts"}
            ``"attempts"`` has a row for each of :attr:`attempts` instead: ``condition``,
            ``replicate``, ``attempt``, the factors, ``seconds``, ``type``, ``message``, and a
            column for each name that was recorded.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        if choice("rows", rows, ROWS) == "attempts":
            return attempt_table.as_frame(*self._attempt_rows())
        return as_frame(self._long_form())

    def _attempt_rows(self) -> tuple[list[str], list[dict[str, Any]]]:
        return attempt_table.attempt_rows(self.attempts, self.factors)

    def to_dict(self) -> dict[str, Any]:
        """The result as strict JSON has it.

        Returns
        -------
        dict
            ``metrics`` (condition -> metric -> list in replicate order, ``None``
            where the cell has no value), ``factors``, ``seeds`` (a list; condition -> list
            where conditions have streams of their own), ``errors``, ``warnings``,
            ``summary``, ``sections``, ``provenance``.  Numbers that JSON lacks are the
            strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.  Where no values were
            kept, ``metrics`` and ``seeds`` are ``None``.  What differs from run to run is in
            ``provenance``: there are the rows of :meth:`duration_summary` too, as
            ``durations``, and :attr:`attempts`.
        """
        return {
            "metrics": None
            if self._summaries
            else {
                condition: {
                    metric: metric_data(values, self._done[condition])
                    for metric, values in arrays.items()
                }
                for condition, arrays in self._metrics.items()
            },
            "factors": json_data(plain_data(self.factors, "factors")),
            "seeds": self._seeds_data(),
            "errors": [error_data(error) for error in self.errors],
            "warnings": [warning_data(record) for record in self.warnings],
            "summary": json_data(plain_data(self.summary(), "summary")),
            "sections": json_data(plain_data(self.sections, "sections")),
            "provenance": {
                **json_data(plain_data(self.provenance, "provenance")),
                "durations": self.duration_summary(),
                "attempts": [attempt_table.attempt_data(attempt) for attempt in self.attempts],
            },
        }

    def to_json(self, path: str | Path) -> None:
        """Write :meth:`to_dict` to a file, whole or not at all."""
        text = json.dumps(self.to_dict(), allow_nan=False, indent=2)
        with replaced_whole(Path(path)) as beside:
            beside.write_text(text + "\n", encoding="utf-8")

    def to_csv(self, path: str | Path, rows: Rows = "cells") -> None:
        """Write a row for each cell: condition, replicate, the factors, the metrics.

        Every number has all its digits, arrays and lists are JSON, whole.  A cell that has not
        finished has empty fields; a value that is NaN or infinite is ``NaN``, ``Infinity``.

        Parameters
        ----------
        path : path
        rows : {"cells", "attempts"}
            ``"attempts"`` writes the table of attempts, as :meth:`to_frame` has it.
        """
        if choice("rows", rows, ROWS) == "attempts":
            with replaced_whole(Path(path)) as beside:
                attempt_table.write_csv(*self._attempt_rows(), beside)
            return
        with replaced_whole(Path(path)) as beside:
            write_csv(self._long_form(), beside)

    def to_parquet(self, path: str | Path) -> None:
        """Write the same rows as Parquet, typed; needs pyarrow.

        Arrays and lists are lists, what has no type of Arrow's is JSON, a cell that has not
        finished is null.  The schema's metadata have the provenance, as JSON.

        Raises
        ------
        ImportError
            Where pyarrow is not installed.
        """
        with replaced_whole(Path(path)) as beside:
            write_parquet(self._long_form(), beside, self._about())

    def to_arrow(self, path: str | Path) -> None:
        """Write the same table as an Arrow (Feather) file; see :meth:`to_parquet`."""
        with replaced_whole(Path(path)) as beside:
            write_arrow(self._long_form(), beside, self._about())

    def to_xarray(self) -> xr.Dataset:
        """An array for each metric, with the factors and ``replicate`` as dimensions; needs xarray.

        Where the factors do not tell the conditions apart, the dimensions are
        ``condition`` and ``replicate``.  Combinations that are no condition, and cells that have
        not finished, are NaN, or ``None`` in what holds no numbers.

        Raises
        ------
        ImportError
            Where xarray is not installed.
        """
        data: xr.Dataset = as_dataset(self._long_form(), self._about())
        return data

    def to_netcdf(self, path: str | Path) -> None:
        """Write :meth:`to_xarray` to a file, objects as texts; needs h5netcdf too."""
        with replaced_whole(Path(path)) as beside:
            write_netcdf(self._long_form(), beside, self._about())

    def to_markdown(
        self, path: str | Path, *, by: str | Sequence[str] = (), across: str | Sequence[str] = ()
    ) -> None:
        """Write the tables of :meth:`text` in Markdown."""
        self._write_tables(Path(path), by, across, markdown)

    def to_latex(
        self, path: str | Path, *, by: str | Sequence[str] = (), across: str | Sequence[str] = ()
    ) -> None:
        """Write the tables of :meth:`text` in LaTeX, with the rules of the package booktabs."""
        self._write_tables(Path(path), by, across, latex)

    def _write_tables(
        self,
        path: Path,
        by: str | Sequence[str],
        across: str | Sequence[str],
        written: Callable[[list[TextTable]], str],
    ) -> None:
        text = written(self._shown().tables(_names("by", by), _names("across", across)))
        with replaced_whole(path) as beside:
            beside.write_text(text, encoding="utf-8")

    def _long_form(self) -> LongForm:
        return long_form(self.metrics, self.done, self.factors)

    def _about(self) -> dict[str, Any]:
        about = {"root": self.root, "seed_rule": self.seed_rule, "provenance": self.provenance}
        return {key: plain_data(value, key) for key, value in about.items()}

    def export(self, path: str | Path) -> None:
        """Write the result to a file of the kind that its ending says.

        That is :meth:`to_json`, :meth:`save` for ``.zip``, :meth:`to_csv`, :meth:`to_parquet`,
        :meth:`to_arrow`, :meth:`to_netcdf` for ``.nc``, :meth:`to_markdown` for ``.md``,
        :meth:`to_latex` for ``.tex``; installed plugins add others.  The
        file is written beside its place, then put there.

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
            "metrics": self._metrics,
            "done": self._done,
            "errors": self.errors,
            "root": self.root,
            "seed_rule": self.seed_rule,
            "baseline": self.baseline,
            "provenance": self.provenance,
            "sections": self.sections,
            "factors": self.factors,
            "warnings": self.warnings,
            "stream_keys": self.stream_keys,
            "summarized": self.summarized,
            "summaries": self._summaries,
            "attempts": self.attempts,
            "durations": self._durations.columns,
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

    def _refuse_without(self, what: str) -> None:
        if not self.keeps_values:
            raise self._without(what)

    def _without(self, what: str) -> ValuesNotKeptError:
        store = self.provenance.get("store")
        return ValuesNotKeptError(what, store and store["path"])

    def __repr__(self) -> str:
        return self.text(IN_PYTHON)

    def text(
        self,
        room: Room = UNLIMITED,
        *,
        by: str | Sequence[str] = (),
        across: str | Sequence[str] = (),
    ) -> str:
        """The summary and the sections as tables, in so much room: by default all of it.

        Parameters
        ----------
        room : Room
            How many rows and columns there is room for.
        by, across : str or sequence of str
            Factors, to have means and values by their levels, as :meth:`table` has them.
        """
        tables = self._shown().tables(_names("by", by), _names("across", across), see=True)
        return "\n\n".join(table.text(room) for table in tables)

    def _repr_html_(self) -> str:
        about = (
            self.provenance.get("experiment"),
            len(self.conditions),
            self.replicates,
            self.root,
        )
        values = notebook.numbers(self._metrics, self._done)
        return notebook.page(notebook.title(*about), self._shown(), self.errors, values)

    def _shown(self) -> Shown:
        warned = sum(record.count for record in self.warnings)
        cut = cut_short(self.provenance.get("stopped"))
        return Shown(self.summary(), self.sections, self.factors, len(self.errors), warned, cut)


def _names(where: str, given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(names(where, given))
