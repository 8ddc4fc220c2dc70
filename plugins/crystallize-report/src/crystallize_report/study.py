"""A result as the sections of a report read it: whatever is in it, answers have their types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from crystallize import Result
from crystallize_report.texts import Names, found, listed, mapping, shortened

Row = Mapping[str, Any]


class ReportedStudy:
    """What is asked of a result more than once.

    Parameters
    ----------
    result : Result

    Attributes
    ----------
    result : Result
    provenance : mapping
    names : Names
        What conditions are called in tables.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self.provenance = mapping(result.provenance)
        self.names = Names(result.conditions)

    @property
    def is_of_store(self) -> bool:
        """Whether it was read from a store, which has cells and no conclusions."""
        return "identity" in self.provenance or isinstance(self.provenance.get("function"), str)

    @property
    def name(self) -> str:
        """What the experiment is called."""
        given = self.provenance.get("name" if self.is_of_store else "experiment")
        return given if isinstance(given, str) and given.strip() else "experiment"

    @property
    def short_name(self) -> str:
        """The same, as far as a heading has room."""
        return shortened(self.name, 120)

    @property
    def function(self) -> str | None:
        """``module:name`` of the function."""
        if self.is_of_store:
            module, name = self.provenance.get("module"), self.provenance.get("function")
        else:
            of = mapping(self.provenance, "function")
            module, name = of.get("module"), of.get("name")
        return f"{module}:{name}" if isinstance(module, str) and isinstance(name, str) else None

    @property
    def docstring(self) -> str:
        """What the function says of itself."""
        doc = self.provenance.get("doc")
        doc = doc if self.is_of_store else found(self.provenance, "function", "doc")
        return doc if isinstance(doc, str) else ""

    @cached_property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Condition -> its parameters, as they were written down."""
        of = mapping(self.provenance, "conditions")
        return {name: mapping(of, name) for name in self.result.conditions}

    @cached_property
    def shared(self) -> dict[str, Any]:
        """The parameters that all conditions have alike."""
        first = next(iter(self.parameters.values()), {})
        return {
            key: value
            for key, value in first.items()
            if key not in self.factor_names
            and all(key in p and p[key] == value for p in self.parameters.values())
        }

    @cached_property
    def factor_names(self) -> list[str]:
        """The factors, in the order of the parameters."""
        return list(dict.fromkeys(n for levels in self.result.factors.values() for n in levels))

    @property
    def levels(self) -> set[str]:
        """The columns of tables that hold levels of factors."""
        return {*self.factor_names, *(f"factor.{name}" for name in self.factor_names)}

    @cached_property
    def needless(self) -> set[str]:
        """Columns that say no more than factors do: names of conditions that are made of them."""
        factors = self.result.factors
        if len(factors) > 1 and all(
            levels and name == ",".join(f"{key}={value}" for key, value in levels.items())
            for name, levels in factors.items()
        ):
            return {"condition"}
        return set()

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """The usual statistics of every metric."""
        return self.result.summary(["mean", "mcse", "sd", "min", "max"])

    @property
    def metrics(self) -> list[str]:
        """The metrics."""
        return list(dict.fromkeys(row["metric"] for row in self.summary if row["metric"]))

    @cached_property
    def tables(self) -> dict[str, list[Row]]:
        """The sections that are rows of names and plain values."""
        return {str(name): rows for name, rows in self.result.sections.items() if is_rows(rows)}

    @cached_property
    def other_sections(self) -> dict[str, Any]:
        """The sections that are not."""
        return {k: v for k, v in self.result.sections.items() if k not in self.tables and v != []}

    def options_of(self, aggregator: str) -> Mapping[str, Any]:
        """What an aggregator was given."""
        for plugin in listed(self.provenance, "plugins"):
            if plugin.get("name") == aggregator and plugin.get("kind") == "aggregator":
                return mapping(plugin, "options")
        return {}

    @property
    def alpha(self) -> float:
        """1 - the confidence of what `performance` says."""
        given = self.options_of("performance").get("alpha", 0.05)
        return given if isinstance(given, float) and 0 < given < 1 else 0.05

    @cached_property
    def counts(self) -> list[dict[str, Any]]:
        """For each condition how many cells finished, failed, and are missing."""
        failed = dict.fromkeys(self.result.conditions, 0)
        for error in self.result.errors:
            failed[error.condition] = failed.get(error.condition, 0) + 1
        sizes = self.result.replicates_of
        return [
            {
                "condition": condition,
                "replicates": sizes[condition],
                "finished": finished,
                "failed": failed[condition],
                "missing": max(0, sizes[condition] - finished - failed[condition]),
            }
            for condition, finished in self.result.finished.items()
        ]


def is_rows(section: object) -> bool:
    """Whether a section is a table."""
    return (
        isinstance(section, list)
        and len(section) > 0
        and all(isinstance(row, Mapping) and row for row in section)
        and all(
            value is None or isinstance(value, (bool, int, float, str))
            for row in section
            for value in row.values()
        )
    )
