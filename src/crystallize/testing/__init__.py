"""What plugin authors run against their plugins, with pytest."""

from __future__ import annotations

from crystallize.testing.executors import AsyncExecutorSuite, ExecutorSuite, same_result

__all__ = ["AsyncExecutorSuite", "ExecutorSuite", "same_result"]
