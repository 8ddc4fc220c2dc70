"""A whole report as one page: sections, templates, and what the browser may load: nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crystallize import Result
from crystallize_report.budget import fitted
from crystallize_report.pictures import Pictures, pictures
from crystallize_report.sections.again import again
from crystallize_report.sections.asked import asked
from crystallize_report.sections.failed import failed
from crystallize_report.sections.ran import ran
from crystallize_report.sections.results import Part, results
from crystallize_report.sections.sure import sure
from crystallize_report.study import ReportedStudy
from crystallize_report.tables import Table
from crystallize_report.texts import counted, isolated, visible

TEMPLATES = "templates"


def page(
    result: Result,
    *,
    mcse: float | None = None,
    certificate: Mapping[str, Any] | None = None,
    figures: bool = True,
) -> str:
    """The page of a result.

    Parameters
    ----------
    result : Result
    mcse : float, optional
        The Monte Carlo standard error that is wanted of every number.
    certificate : mapping, optional
        What ``crystallize verify --json`` printed.
    figures : bool
        Whether there are figures.

    Returns
    -------
    str
    """
    study = ReportedStudy(result)
    out, how_sure, went_wrong = results(study), sure(study, mcse), failed(study)
    question, run = asked(study), ran(study, certificate)
    tables = [
        *(table for part in out.parts for table in part.tables),
        *how_sure.tables,
        question.design,
        *(table for table in (went_wrong.counts, went_wrong.warnings) if table is not None),
        *run.tables,
    ]
    told_apart(tables)
    told_apart(out.parts)
    fitted(tables)
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            study=study,
            lead=_lead(study),
            policy=_policy(style, script),
            style=Markup(style),
            script=Markup(script),
            asked=question,
            ran=run,
            failed=went_wrong,
            results=out,
            sure=how_sure,
            pictures=pictures(result) if figures else Pictures(),
            again=again(study),
        )
    )


def told_apart(named: Sequence[Table] | Sequence[Part]) -> None:
    """Number names that come again, for files and anchors."""
    seen: set[str] = set()
    for one in named:
        name, count = one.name, 1
        while one.name in seen:
            count += 1
            one.name = f"{name}-{count}"
        seen.add(one.name)


def _lead(study: ReportedStudy) -> str:
    result = study.result
    sizes = sorted({count["replicates"] for count in study.counts})
    each = " to ".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1])))
    noun = "replicate" if each == "1" else "replicates"
    return (
        f"{counted(len(result.conditions), 'condition')} of {each} {noun}, "
        f"{counted(result.cells, 'cell')}, seed {result.root}."
    )


def _policy(style: str, script: str) -> str:
    """What the browser is told: this style and this script, data in the page, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(TEMPLATES, name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crystallize_report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a template shows goes through here.
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )
    environment.filters["isolated"] = isolated
    return environment
