"""Crystallize: replicated experiments under any execution strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.errors import CrystallizeError as CrystallizeError
    from crystallize.experiments.conditions import grid as grid
    from crystallize.experiments.experiment import Experiment as Experiment
    from crystallize.experiments.result import Result as Result
    from crystallize.hookspecs import hookimpl as hookimpl

__all__ = ["CrystallizeError", "Experiment", "Result", "grid", "hookimpl"]

__getattr__ = lazy_names(
    __name__,
    {
        "CrystallizeError": "crystallize.errors",
        "Experiment": "crystallize.experiments.experiment",
        "Result": "crystallize.experiments.result",
        "grid": "crystallize.experiments.conditions",
        "hookimpl": "crystallize.hookspecs",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
