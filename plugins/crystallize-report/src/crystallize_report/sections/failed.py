"""What failed: counts by condition and type, one traceback of each type, warnings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from crystallize import CellError
from crystallize_report.study import ReportedStudy
from crystallize_report.tables import Table, laid_out
from crystallize_report.texts import counted, inline, scalar, visible

MOST_TYPES = 20
MOST_TRACEBACK = 4000
"""How many letters of a traceback are shown, half of them its last."""


@dataclass(frozen=True)
class Example:
    """The first failure of a type."""

    title: str
    facts: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Failed:
    """The section."""

    verdict: str
    is_good: bool
    counts: Table | None
    examples: list[Example]
    types_left_out: int
    warnings: Table | None


def failed(study: ReportedStudy) -> Failed:
    """Gather it."""
    errors, warnings = study.result.errors, study.result.warnings
    first: dict[str, CellError] = {}
    for error in errors:
        first.setdefault(error.type, error)
    times = Counter(error.type for error in errors)
    return Failed(
        _verdict(study),
        not errors and not any(count["missing"] for count in study.counts),
        _counts(study) if errors else None,
        [_example(study, error, times[kind]) for kind, error in list(first.items())[:MOST_TYPES]],
        max(0, len(first) - MOST_TYPES),
        _warnings(study) if warnings else None,
    )


def _verdict(study: ReportedStudy) -> str:
    total = {key: sum(c[key] for c in study.counts) for key in ("finished", "failed", "missing")}
    cells = study.result.cells
    parts = []
    if total["failed"]:
        share = 100 * total["failed"] / cells
        parts.append(f"{total['failed']:,} of {counted(cells, 'cell')} failed ({share:.3g}%).")
        rates = {c["failed"] / c["replicates"] for c in study.counts if c["replicates"]}
        if len(rates) > 1:
            parts.append("Not equally often under every condition, so comparisons are conditional.")
    else:
        parts.append(f"No cell failed of {cells:,}.")
    lost = {(error.condition, error.replicate) for error in study.result.errors}
    tried = {(a.condition, a.replicate) for a in study.result.attempts if a.type is not None}
    if again := len(tried - lost):
        parts.append(f"{counted(again, 'cell')} failed at first and finished when tried again.")
    if total["missing"]:
        parts.append(f"{counted(total['missing'], 'cell')} not run yet, or not to the end.")
    if given := sum(record.count for record in study.result.warnings):
        parts.append(f"{counted(given, 'warning')}.")
    return " ".join(parts)


def _counts(study: ReportedStudy) -> Table:
    of = Counter((error.condition, error.type) for error in study.result.errors)
    sizes = {count["condition"]: count["replicates"] for count in study.counts}
    rows: list[dict[str, Any]] = []
    for condition in study.result.conditions:
        for (where, kind), number in sorted(of.items(), key=lambda item: (-item[1], item[0])):
            if where == condition:
                factors = {k: scalar(v) for k, v in study.result.factors[condition].items()
                           if k not in ("condition", "type", "failed", "n", "rate")}  # fmt: skip
                rate = number / sizes[condition] if sizes[condition] else None
                rows.append({"condition": condition, **factors, "type": kind, "failed": number,
                             "n": sizes[condition], "rate": rate})  # fmt: skip
    return laid_out(
        "failures", "Failed cells by condition and type", rows, study.names, study.levels,
        leave_out=study.needless,
    )  # fmt: skip


def _example(study: ReportedStudy, error: CellError, times: int) -> Example:
    facts = (
        f"The first: condition {inline(error.condition)}, replicate {error.replicate}, "
        f"seed {error.seed}, {counted(error.attempts, 'attempt')}."
    )
    text = error.traceback
    if len(text) > MOST_TRACEBACK:
        half = MOST_TRACEBACK // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} letters …\n{text[-half:]}"
    title = f"{inline(error.type)}: {counted(times, 'cell')}"
    return Example(title, facts, inline(error.message, 500), text)


def _warnings(study: ReportedStudy) -> Table:
    rows = [
        {"condition": one.condition, "category": one.category, "message": visible(one.message),
         "times": one.count, "first in replicate": one.replicate}
        for one in study.result.warnings
    ]  # fmt: skip
    return laid_out("warnings", "Warnings of cells", rows, study.names)
