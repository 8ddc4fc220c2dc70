"""From outcomes, those of a run or those in a store, to a result."""

from __future__ import annotations

from typing import Protocol

from crystallize.cells.outcomes import Outcomes
from crystallize.results.result import Result


class HasBaseline(Protocol):
    """All that a result needs of an experiment beside its outcomes."""

    @property
    def baseline(self) -> str: ...


def collated(experiment: HasBaseline, outcomes: Outcomes) -> Result:
    """Outcomes, seeds, provenance and metrics as a result, without sections."""
    return Result.of_outcomes(outcomes, experiment.baseline)
