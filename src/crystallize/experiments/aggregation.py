"""From outcomes to a result."""

from __future__ import annotations

from crystallize.cells.outcomes import Outcomes
from crystallize.description.spec import ExperimentSpec
from crystallize.hookspecs import hookimpl
from crystallize.results.result import Result

__all__ = ["ResultAggregator"]


class ResultAggregator:
    """Collate outcomes, seeds, provenance and metrics into a :class:`~crystallize.Result`.

    The core's own implementation of
    :func:`~crystallize.hookspecs.aggregate_results`; a plugin's comes before it.
    """

    @hookimpl(trylast=True)
    def aggregate_results(self, experiment: ExperimentSpec, outcomes: Outcomes) -> Result:
        """Make the result of a run.

        Parameters
        ----------
        experiment : ExperimentSpec
        outcomes : Outcomes
            All that landed.
        """
        return Result.of_outcomes(
            outcomes, experiment.baseline, experiment.factors, experiment.summary
        )
