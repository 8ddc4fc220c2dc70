"""All tables of a result: its summary and its sections, as they are or by factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from crystallize.description.factors import factor_names
from crystallize.printable import one_line
from crystallize.results.pivot import pivoted, pivots, summary_entries
from crystallize.results.section_tables import is_rows, section_tables
from crystallize.results.summary import SummaryRow
from crystallize.results.tables import counted, summary_table
from crystallize.results.text_table import TextTable, shortened


class Shown(NamedTuple):
    """What of a result is shown.

    Attributes
    ----------
    cut : str
        Says that its run ended before all cells had run; empty if not.
    """

    summary: Sequence[SummaryRow]
    sections: Mapping[str, Any]
    factors: Mapping[str, Mapping[str, Any]]
    failed: int
    warned: int
    cut: str

    @property
    def levels(self) -> set[str]:
        """The columns of factors."""
        names = factor_names(self.factors)
        return {*names, *(f"factor.{name}" for name in names)}

    def notes(self, *, see: bool = False) -> list[str]:
        """What is said below the summary; `see` has it say where there is more."""
        return counted(self.failed, self.warned, cut=self.cut, see=see)

    def tables(
        self, by: Sequence[str] = (), across: Sequence[str] = (), *, see: bool = False
    ) -> list[TextTable]:
        """The tables, where any factors are named by these.

        Sections that do not have all that is named stand as they are.
        """
        if not (by or across):
            summary = summary_table(self.summary, self.notes(see=see))
            return [summary, *section_tables(self.sections, self.levels)]
        entries = summary_entries(self.summary, self.factors, "mean")
        columns = across or (() if "metric" in by else ("metric",))
        found = []
        if all(name in entry.of for entry in entries for name in (*by, *columns)):
            pivot = pivoted(entries, by, columns, "mean (Monte Carlo standard error)")
            found.append(pivot.laid_out(self.notes(see=see)))
        rows = {name: section for name, section in self.sections.items() if is_rows(section)}
        for name, turned in pivots(rows, self.factors, by, across or ("measure",)):
            if turned is None:
                found += section_tables({name: rows[name]}, self.levels)
            else:
                found.append(turned.laid_out())
        return found


def cut_short(stopped: object) -> str:
    """What is said of a run that a time limit ended, by what its provenance has of that.

    Examples
    --------
    >>> cut_short({"reason": "the time limit of 5 s was over", "cells": 3, "of": 10})
    '3 of 10 cells ran: the time limit of 5 s was over'
    >>> cut_short(None)
    ''
    """
    if not isinstance(stopped, Mapping) or "cells" not in stopped:
        return ""
    said = f"{stopped['cells']} of {stopped.get('of')} cells ran: {stopped.get('reason')}"
    return shortened(one_line(said))
