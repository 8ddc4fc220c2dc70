"""Experiments: what is run, how it is seeded and scheduled, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.experiments.aggregation import ResultAggregator as ResultAggregator
    from crystallize.experiments.conditions import grid as grid
    from crystallize.experiments.experiment import Experiment as Experiment
    from crystallize.experiments.outcomes import CellError as CellError
    from crystallize.experiments.outcomes import Outcome as Outcome
    from crystallize.experiments.outcomes import Outcomes as Outcomes
    from crystallize.experiments.result import Result as Result

__all__ = [
    "CellError",
    "Experiment",
    "Outcome",
    "Outcomes",
    "Result",
    "ResultAggregator",
    "grid",
]

__getattr__ = lazy_names(
    __name__,
    {
        "CellError": f"{__name__}.outcomes",
        "Experiment": f"{__name__}.experiment",
        "Outcome": f"{__name__}.outcomes",
        "Outcomes": f"{__name__}.outcomes",
        "Result": f"{__name__}.result",
        "ResultAggregator": f"{__name__}.aggregation",
        "grid": f"{__name__}.conditions",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
