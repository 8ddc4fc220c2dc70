"""What was asked: aims, data, estimands, methods, measures, from the docstring and the config."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from crystallize_report.study import ReportedStudy
from crystallize_report.tables import Table, laid_out
from crystallize_report.texts import counted, inline, listed, mapping, scalar, shortened, visible

PARTS = {
    "Aims": ("aim", "aims", "question"),
    "Data": ("data", "data-generating mechanism", "data-generating mechanisms", "mechanisms"),
    "Estimands": ("estimand", "estimands", "target", "targets"),
    "Methods": ("method", "methods"),
    "Measures": ("measures", "performance", "performance measures"),
}
"""ADEMP, and the headings in a docstring under which each is looked for."""
HEADING = re.compile(r"^(\S.*)\n-{3,}[ \t]*$", re.MULTILINE)
MOST_LEVELS = 12
OF_NAMES = 150_000
"""How many letters there is room for of all long names together."""
MOST_TEXT = 3000
"""How many letters of a part of the docstring; the whole is there too, folded."""


@dataclass(frozen=True)
class Part:
    """One of the five.

    Attributes
    ----------
    title : str
    text : str
        What the docstring says.
    facts : list of str
        What follows from the config.
    """

    title: str
    text: str
    facts: list[str]


@dataclass(frozen=True)
class Asked:
    """The section."""

    about: str
    parts: list[Part]
    design: Table
    shared: list[tuple[str, str]]
    long_names: list[tuple[str, str]]
    docstring: str


def asked(study: ReportedStudy) -> Asked:
    """Gather it."""
    about, said = docstring_parts(study.docstring)
    facts = {
        "Aims": _aims(study),
        "Data": _data(study),
        "Estimands": _estimands(study),
        "Methods": _methods(study),
        "Measures": _measures(study),
    }
    return Asked(
        shortened(about, MOST_TEXT),
        [Part(title, shortened(said.get(title, ""), MOST_TEXT), facts[title]) for title in PARTS],
        _design(study),
        [(visible(key), shortened(value, 300)) for key, value in study.shared.items()],
        _long_names(study),
        study.docstring,
    )


def docstring_parts(doc: str) -> tuple[str, dict[str, str]]:
    """What stands before the first heading, and under those that are of the five.

    Examples
    --------
    >>> doc = "One trial.\\n\\nAims\\n----\\nIs it safe?\\n\\nParameters\\n----------\\nn"
    >>> docstring_parts(doc)
    ('One trial.', {'Aims': 'Is it safe?'})
    """
    pieces = HEADING.split(doc)
    known = {alias: title for title, aliases in PARTS.items() for alias in aliases}
    parts: dict[str, str] = {}
    for heading, text in zip(pieces[1::2], pieces[2::2], strict=True):
        title = known.get(heading.strip().lower())
        if title is not None and text.strip():
            parts[title] = "\n\n".join(filter(None, (parts.get(title), text.strip())))
    return pieces[0].strip(), parts


def _long_names(study: ReportedStudy) -> list[tuple[str, str]]:
    """What is short in tables, with as much of it as there is room for."""
    long = study.names.long
    return [(study.names(name), shortened(name, OF_NAMES // len(long))) for name in long]


def _aims(study: ReportedStudy) -> list[str]:
    return [
        f"Claimed beforehand, {inline(row.get('hypothesis'), 300)}: {inline(row.get('claim'), 300)}"
        for row in study.tables.get("hypotheses", [])
    ]


def _data(study: ReportedStudy) -> list[str]:
    found = [counted(len(study.result.conditions), "condition")]
    for name in study.factor_names:
        levels = list(
            dict.fromkeys(inline(own.get(name, "-")) for own in study.result.factors.values())
        )
        more = f", … {len(levels)} levels" if len(levels) > MOST_LEVELS else ""
        found.append(f"{inline(name)}: {', '.join(levels[:MOST_LEVELS])}{more}")
    streams = mapping(study.provenance, "seed").get("streams") or study.provenance.get("streams")
    if isinstance(streams, list) and streams:
        found.append(
            "Conditions share random streams but where they differ in "
            f"{', '.join(map(inline, streams))}, which have streams of their own."
        )
    elif len(study.result.conditions) > 1:
        found.append("Replicate i has the same random stream under every condition.")
    return found


def _estimands(study: ReportedStudy) -> list[str]:
    options = study.options_of("performance")
    estimates, truth = _list(options.get("estimate")), options.get("truth")
    if not estimates:
        return []
    truths = truth if isinstance(truth, list) else [truth] * len(estimates)
    return [
        f"{inline(name)} estimates "
        + ("what no truth was given for" if one is None else f"{inline(one)}, the truth")
        for name, one in zip(estimates, truths, strict=False)
    ]


def _methods(study: ReportedStudy) -> list[str]:
    options = study.options_of("performance")
    found = [f"reference: {inline(options['reference'])}"] if options.get("reference") else []
    if not found and len(study.result.conditions) > 1:
        found = [f"baseline: {inline(study.result.baseline)}"]
    return found


def _measures(study: ReportedStudy) -> list[str]:
    found = []
    for plugin in listed(study.provenance, "plugins"):
        if plugin.get("kind") == "aggregator":
            options = mapping(plugin, "options")
            given = ", ".join(
                f"{key} = {inline(value)}" for key, value in options.items() if key != "claims"
            )
            found.append(f"{inline(plugin.get('name'))}{f' ({given})' if given else ''}")
    for until in listed(study.provenance, "until"):
        wanted = ", ".join(f"{k} = {v}" for k, v in until.items() if v is not None and k != "path")
        found.append(f"replicates until {inline(wanted, 300)}")
    return found


def _design(study: ReportedStudy) -> Table:
    rows = []
    for count in study.counts:
        condition = count["condition"]
        varied: dict[str, Any] = {
            _column(key): scalar(value)
            for key, value in study.result.factors.get(condition, {}).items()
        }
        rows.append(
            {
                "condition": condition,
                **varied,
                "replicates": count["replicates"],
                "role": "baseline" if condition == study.result.baseline else "treatment",
            }
        )
    leave_out = () if len(rows) > 1 else ("role",)
    levels = {_column(name) for name in study.factor_names}
    return laid_out("design", "Conditions", rows, study.names, levels, leave_out=leave_out)


def _column(factor: str) -> str:
    return f"factor.{factor}" if factor in ("condition", "replicates", "role") else factor


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
