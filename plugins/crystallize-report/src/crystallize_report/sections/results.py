"""What came out: hypotheses, performance, comparisons, estimates, and the metrics themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crystallize import CrystallizeError
from crystallize_report.errors_of import error_of_difference
from crystallize_report.study import ReportedStudy, Row
from crystallize_report.tables import Column, Table, laid_out
from crystallize_report.texts import listed, mapping, shortened, visible

MOST_ACROSS = 8
"""How many columns of values a table by factors has at most."""
MOST_LOOKS = 12
"""How many looks of a stopping path are shown."""
MOST_JSON = 5000
VERDICTS = {"supported": "good", "not supported": "bad", "undecided": "open"}
SAYS = {
    "performance": "How well each estimator does. A measure that is a difference from 0, or of a "
    "coverage from what was promised, is marked where it is smaller than its own Monte Carlo "
    "standard error (MCSE): so much happens by chance alone.",
    "compare": "Each treatment less its baseline, by replicates in pairs where there are some. "
    "p adjusted decides, the interval says by how much.",
    "estimate": "What each metric is, with an interval.",
    "quantiles": "Quantiles, with intervals.",
    "ranks": "Ranks over data sets; the lowest is best.",
    "failures": "How often cells failed, with Wilson's interval.",
    "until": "How well each condition was to be known, and is.",
}
ORDER = ("performance", "compare", "estimate", "quantiles", "ranks", "until", "failures")
FROM_ZERO = ("bias", "relative_bias", "relative_error", "relative_precision")
COVERAGES = ("coverage", "bias_eliminated_coverage")
WITHIN = "within 1 MCSE of"


@dataclass(frozen=True)
class Verdict:
    """What came of a claim."""

    name: str
    claim: str
    decision: str
    kind: str
    numbers: str


@dataclass
class Part:
    """A section of the result.

    Attributes
    ----------
    name, title, says : str
    tables : list of Table
    data : str
        A section that is no table, as JSON.
    """

    name: str
    title: str
    says: str = ""
    tables: list[Table] = field(default_factory=list)
    data: str = ""


@dataclass(frozen=True)
class Results:
    """The section.

    Attributes
    ----------
    verdicts : list of Verdict
    parts : list of Part
    """

    verdicts: list[Verdict]
    parts: list[Part]


def results(study: ReportedStudy) -> Results:
    """Gather it."""
    tables = study.tables
    parts = [_part(study, name) for name in ORDER if name in tables]
    parts += [_part(study, n) for n in tables if n not in (*ORDER, "hypotheses")]
    if "hypotheses" in tables:
        caption = "What was claimed beforehand, and what came of it"
        own = laid_out("hypotheses", caption, tables["hypotheses"], study.names)
        parts.insert(0, Part("hypotheses", "Hypotheses", tables=[own]))
    parts.append(Part("metrics", "Metrics", _says_metrics(study), [_metrics(study)]))
    for name, section in study.other_sections.items():
        parts.append(Part(name, shortened(name), data=_json(section)))
    return Results([_verdict(row) for row in tables.get("hypotheses", [])], parts)


def remark(study: ReportedStudy, row: Row) -> str | None:
    """What is to be said of a number that chance alone could have made."""
    value, error, measure = row.get("value"), row.get("mcse"), row.get("measure")
    if not isinstance(value, (int, float)) or not isinstance(error, float) or not error:
        return None
    if measure in FROM_ZERO and abs(value) < error:
        return f"{WITHIN} 0"
    promised = 1 - study.alpha
    if measure in COVERAGES and abs(value - promised) < error:
        return f"{WITHIN} {promised:g}"
    return None


def compared(study: ReportedStudy) -> list[dict[str, Any]]:
    """The rows of `compare` with their Monte Carlo errors, and what is to be said of each."""
    rows = []
    for row in study.tables.get("compare", []):
        error = error_of_difference(study.result, row)
        made: dict[str, Any] = {}
        for key, value in row.items():
            made[key] = value
            if key == "difference":
                made["mcse"] = error
        difference = row.get("difference")
        made["remark"] = None
        if isinstance(difference, float) and error and abs(difference) < error:
            made["remark"] = f"{WITHIN} 0"
        rows.append(made)
    return rows


def _part(study: ReportedStudy, name: str) -> Part:
    rows: Sequence[Row] = study.tables[name]
    tables = []
    if name == "performance":
        rows = [{**row, "remark": remark(study, row)} for row in rows]
        at_a_glance = _by_factors(study, name)
        tables = [at_a_glance] if at_a_glance is not None else []
    elif name == "compare":
        rows = compared(study)
    title = shortened(name).capitalize() if name in ORDER else shortened(name)
    caption = f"{title}: all numbers" if tables else title
    # Comparisons are named by two conditions, which their factors do not tell.
    leave_out = study.needless
    tables.append(
        laid_out(_file(name), caption, rows, study.names, study.levels, leave_out=leave_out)
    )
    if name == "until":
        tables += _paths(study)
    return Part(_file(name), title, SAYS.get(name, ""), tables)


def _by_factors(study: ReportedStudy, name: str) -> Table | None:
    """Values with their errors in brackets, by measure and the levels of factors."""
    across = _across(study)
    if not across:
        return None
    try:
        text = study.result.table(section=name, across=across).laid_out()
    except (CrystallizeError, TypeError):  # names or levels of strangers; all numbers follow below
        return None
    if len(text.rows) < 2:
        return None
    columns = []
    for place, head in enumerate(text.columns):
        levels = {line[place] for line in text.rows}
        is_name = place < text.names
        columns.append(
            Column(head, head, not is_name, is_name and 1 < len(levels) < len(text.rows))
        )
    return Table(
        f"{name}-by-factors",
        "At a glance: each value, and its MCSE in brackets",
        columns,
        text.rows,
    )


def _across(study: ReportedStudy) -> list[str]:
    """The factor whose levels are the columns: the last that has not too many."""
    for name in reversed(study.factor_names):
        levels = {str(own.get(name)) for own in study.result.factors.values()}
        if 1 < len(levels) <= MOST_ACROSS:
            return [name]
    return ["condition"] if 1 < len(study.result.conditions) <= MOST_ACROSS else []


def _paths(study: ReportedStudy) -> list[Table]:
    """How the half width came down, look by look."""
    tables = []
    for place, until in enumerate(listed(study.provenance, "until"), 1):
        rows = []
        for condition, path in mapping(until, "path").items():
            looks = [look for look in path if isinstance(look, list) and len(look) == 2]
            every = max(1, -(-len(looks) // MOST_LOOKS))
            kept = [look for i, look in enumerate(looks, 1) if i % every == 0 or i == len(looks)]
            rows += [
                {"condition": condition, "replicates": n, "half_width": width} for n, width in kept
            ]
        if rows:
            metric = shortened(until.get("metric"))
            tables.append(
                laid_out(f"stopping-path-{place}", f"Stopping path of {metric}", rows, study.names)
            )
    return tables


def _metrics(study: ReportedStudy) -> Table:
    rare = {
        key for key in ("nan", "warnings", "failed") if not any(r.get(key) for r in study.summary)
    }
    return laid_out(
        "metrics", "Every metric under every condition", study.summary, study.names,
        study.levels, leave_out=rare | study.needless,
    )  # fmt: skip


def _says_metrics(study: ReportedStudy) -> str:
    if not study.metrics:
        return "There are no metrics: no cell has finished, or none returned any."
    no_numbers = [
        shortened(name)
        for name in study.metrics
        if all(row["mean"] is None for row in study.summary if row["metric"] == name)
    ]
    if no_numbers:
        return f"No numbers, so no mean either: {', '.join(no_numbers)}."
    return ""


def _verdict(row: Row) -> Verdict:
    decision = visible(row.get("decision"))
    shown = []
    for key in ("difference", "lower", "upper", "p", "alpha", "n"):
        value = row.get(key)
        if isinstance(value, (int, float)):
            shown.append(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value:,}")
    return Verdict(
        shortened(row.get("hypothesis")), shortened(row.get("claim"), 200), decision,
        VERDICTS.get(decision, "open"), ", ".join(shown),
    )  # fmt: skip


def _json(section: Any) -> str:
    text = json.dumps(section, indent=2, default=str, ensure_ascii=False)
    if len(text) > MOST_JSON:
        return f"{text[:MOST_JSON]}\n… {len(text) - MOST_JSON:,} letters more"
    return text


def _file(name: str) -> str:
    """A section's name as one of a file and of an anchor."""
    return re.sub("[^A-Za-z0-9_]+", "-", name)[:40].strip("-") or "section"
