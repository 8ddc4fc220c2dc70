"""From outcomes, wherever they come from, to a result."""

from __future__ import annotations

from crystallize.cells.outcomes import Outcomes
from crystallize.results.result import Result


def collated(outcomes: Outcomes, baseline: str) -> Result:
    """Outcomes, seeds, provenance and metrics as a result, without sections.

    Parameters
    ----------
    outcomes : Outcomes
        All of a run, or of a store.
    baseline : str
        The name of the baseline condition.
    """
    return Result(
        metrics=outcomes.metrics(),
        done={name: table.done for name, table in outcomes.tables.items()},
        errors=list(outcomes.errors),
        root=outcomes.root,
        baseline=baseline,
        provenance=dict(outcomes.provenance),
    )
