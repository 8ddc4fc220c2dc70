"""From the outcomes of a run to its result."""

from __future__ import annotations

from crystallize.cells.outcomes import Outcomes
from crystallize.description.spec import ExperimentSpec
from crystallize.results.result import Result


def collated(experiment: ExperimentSpec, outcomes: Outcomes) -> Result:
    """Outcomes, seeds, provenance and metrics as a result, without sections."""
    return Result(
        metrics=outcomes.metrics(),
        done={name: table.done for name, table in outcomes.tables.items()},
        errors=list(outcomes.errors),
        root=experiment.seed,
        baseline=experiment.baseline,
        provenance=dict(outcomes.provenance),
    )
