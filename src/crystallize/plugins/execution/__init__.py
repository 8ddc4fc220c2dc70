"""The execution strategies in the box, and what a strategy of your own builds on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.plugins.execution.asynchronous import AsyncExecution as AsyncExecution
    from crystallize.plugins.execution.base import Completion as Completion
    from crystallize.plugins.execution.base import Execution as Execution
    from crystallize.plugins.execution.futures import FuturesExecution as FuturesExecution
    from crystallize.plugins.execution.parallel import VALID_EXECUTOR_TYPES as VALID_EXECUTOR_TYPES
    from crystallize.plugins.execution.parallel import ParallelExecution as ParallelExecution
    from crystallize.plugins.execution.serial import SerialExecution as SerialExecution

__all__ = [
    "VALID_EXECUTOR_TYPES",
    "AsyncExecution",
    "Completion",
    "Execution",
    "FuturesExecution",
    "ParallelExecution",
    "SerialExecution",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AsyncExecution": f"{__name__}.asynchronous",
        "Completion": f"{__name__}.base",
        "Execution": f"{__name__}.base",
        "FuturesExecution": f"{__name__}.futures",
        "ParallelExecution": f"{__name__}.parallel",
        "SerialExecution": f"{__name__}.serial",
        "VALID_EXECUTOR_TYPES": f"{__name__}.parallel",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
