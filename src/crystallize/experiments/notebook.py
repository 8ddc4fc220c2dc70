"""An experiment as a notebook shows it: its conditions and what they set, before it is run."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from crystallize.description.factors import levels
from crystallize.description.spec import ExperimentSpec
from crystallize.printable import one_line
from crystallize.results.tables import are_numbers
from crystallize.results.text_table import ON_A_PAGE, TextTable, shortened

ROOM = replace(ON_A_PAGE, everything="experiment.conditions has them")


def page(experiment: ExperimentSpec, execution: str) -> str:
    """The HTML of an experiment: a row for each condition, a column for each parameter."""
    own = levels(experiment.shown_conditions)
    parameters = list(dict.fromkeys(name for given in own.values() for name in given))
    columns = {name: [given.get(name) for given in own.values()] for name in parameters}
    names = [
        f"{one_line(name)} (baseline)" if name == experiment.baseline else one_line(name)
        for name in own
    ]
    shown = (["-" if v is None else one_line(v) for v in column] for column in columns.values())
    replicates = [str(count) for count in experiment.replicates_of.values()]
    table = TextTable(
        columns=["condition", *map(one_line, parameters), "replicates"],
        rows=[list(row) for row in zip(names, *shown, replicates, strict=True)],
        numbers=[False, *map(are_numbers, columns.values()), True],
        names=1,
    )
    facts = (shortened(one_line(experiment.name)), f"seed {experiment.seed}", execution)
    about = f"<p>{escape(', '.join(facts))}</p>"
    return f'<div class="crystallize-experiment">{about}{table.html(ROOM)}</div>'
