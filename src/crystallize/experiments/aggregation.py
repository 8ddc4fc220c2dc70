"""From outcomes to a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize.experiments.result import Result
from crystallize.hookspecs import hookimpl

if TYPE_CHECKING:
    from crystallize.experiments.experiment import Experiment
    from crystallize.experiments.outcomes import Outcomes

__all__ = ["ResultAggregator"]


class ResultAggregator:
    """Collate outcomes, seeds, provenance and metrics into a :class:`~crystallize.Result`.

    The core's own implementation of
    :func:`~crystallize.hookspecs.aggregate_results`; a plugin's comes before it.
    """

    @hookimpl(trylast=True)
    def aggregate_results(self, experiment: Experiment, outcomes: Outcomes) -> Result:
        """Make the result of a run.

        Parameters
        ----------
        experiment : Experiment
        outcomes : Outcomes
            All that landed.
        """
        return Result(
            metrics=outcomes.metrics(),
            done={name: table.done for name, table in outcomes.tables.items()},
            errors=list(outcomes.errors),
            root=experiment.seed,
            baseline=experiment.baseline,
            provenance=dict(outcomes.provenance),
        )
