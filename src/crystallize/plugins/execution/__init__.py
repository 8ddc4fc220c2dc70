"""The execution strategies in the box, and what a strategy of your own builds on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.contracts import Completion as Completion
    from crystallize.plugins.execution.asynchronous import AsyncExecution as AsyncExecution
    from crystallize.plugins.execution.base import Execution as Execution
    from crystallize.plugins.execution.factory import FactoryExecution as FactoryExecution
    from crystallize.plugins.execution.futures import FuturesExecution as FuturesExecution
    from crystallize.plugins.execution.parallel import VALID_EXECUTOR_TYPES as VALID_EXECUTOR_TYPES
    from crystallize.plugins.execution.parallel import ParallelExecution as ParallelExecution
    from crystallize.plugins.execution.serial import SerialExecution as SerialExecution

__all__ = [
    "VALID_EXECUTOR_TYPES",
    "AsyncExecution",
    "Completion",
    "Execution",
    "FactoryExecution",
    "FuturesExecution",
    "ParallelExecution",
    "SerialExecution",
]

if not TYPE_CHECKING:  # or else type checkers would take any name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "VALID_EXECUTOR_TYPES": "crystallize.plugins.execution.parallel",
            "AsyncExecution": "crystallize.plugins.execution.asynchronous",
            "Completion": "crystallize.contracts",
            "Execution": "crystallize.plugins.execution.base",
            "FactoryExecution": "crystallize.plugins.execution.factory",
            "FuturesExecution": "crystallize.plugins.execution.futures",
            "ParallelExecution": "crystallize.plugins.execution.parallel",
            "SerialExecution": "crystallize.plugins.execution.serial",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
