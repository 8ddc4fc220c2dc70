"""The strategy ``futures``: any executor of the concurrent.futures kind, by name."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from crystallize.plugins.execution import FactoryExecution
from crystallize.testing import ExecutorSuite


class TestThreadPool(ExecutorSuite):
    def make(self) -> FactoryExecution:
        return FactoryExecution("concurrent.futures:ThreadPoolExecutor", workers=3)


class TestProcessPool(ExecutorSuite):
    patience = 60.0

    def make(self) -> FactoryExecution:
        options = {"max_workers": 2, "mp_context": get_context("forkserver")}
        return FactoryExecution(ProcessPoolExecutor, options)


class TestLoky(ExecutorSuite):
    patience = 60.0

    def make(self) -> FactoryExecution:
        return FactoryExecution("loky:get_reusable_executor", {"max_workers": 2})
