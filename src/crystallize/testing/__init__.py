"""What plugin authors run against their plugins, with pytest.

The suites load on first use: workers import the functions that the suites run, from
here too, and need no pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.testing.aggregators import AggregatorSuite as AggregatorSuite
    from crystallize.testing.comparison import same_result as same_result
    from crystallize.testing.executors import AsyncExecutorSuite as AsyncExecutorSuite
    from crystallize.testing.executors import ExecutorSuite as ExecutorSuite
    from crystallize.testing.executors import LoopExecutorSuite as LoopExecutorSuite
    from crystallize.testing.observers import ObserverSuite as ObserverSuite

__all__ = [
    "AggregatorSuite",
    "AsyncExecutorSuite",
    "ExecutorSuite",
    "LoopExecutorSuite",
    "ObserverSuite",
    "same_result",
]

if not TYPE_CHECKING:  # or else type checkers would take any name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "AggregatorSuite": "crystallize.testing.aggregators",
            "AsyncExecutorSuite": "crystallize.testing.executors",
            "ExecutorSuite": "crystallize.testing.executors",
            "LoopExecutorSuite": "crystallize.testing.executors",
            "ObserverSuite": "crystallize.testing.observers",
            "same_result": "crystallize.testing.comparison",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
