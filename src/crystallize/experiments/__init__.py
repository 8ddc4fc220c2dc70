"""The user's face: the experiment, and the aggregation of its outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.experiments.aggregation import ResultAggregator as ResultAggregator
    from crystallize.experiments.experiment import Experiment as Experiment

__all__ = [
    "Experiment",
    "ResultAggregator",
]

if not TYPE_CHECKING:  # or else type checkers would take any name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "Experiment": "crystallize.experiments.experiment",
            "ResultAggregator": "crystallize.experiments.aggregation",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
