"""Checks of the plain loop, on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from crystallize.testing.facts import ExecutorChecks
from crystallize.testing.noted import Noted, most_at_once
from crystallize.testing.suite import where


class LoopChecks(ExecutorChecks):
    """What ``run_experiment_loop`` must do for anything that has ``replicates``."""

    def loop(self, replicates: int, function: Callable[..., Any]) -> Any:
        """What its plain loop gives."""
        loop: Any = self.make().run_experiment_loop
        return self.within(loop, SimpleNamespace(replicates=replicates), function)

    @pytest.mark.parametrize("replicates", [1, 2, 17, 300])
    def test_the_loop_alone_returns_results_in_index_order(self, replicates: int) -> None:
        results = self.loop(replicates, self.function("square"))
        expected = [i * i for i in range(replicates)]
        assert results == expected, (
            f"run_experiment_loop gave {results!r:.200} for {replicates} replicates; it must "
            "return a list with replicate_fn(i) at index i, whatever order they finished in."
        )

    def test_the_loop_alone_calls_each_index_once(self) -> None:
        noted = Noted(self.folder)
        self.loop(50, noted.coroutine_at if self.is_async else noted.at)
        calls = Counter(note.start for note in noted.notes())
        assert calls == Counter(range(50)), (
            f"run_experiment_loop called replicate_fn {calls.total()} times for 50 replicates, of "
            f"{len(calls)} indices. Call it once for each: nothing is retried there, and nothing "
            "is tried out before."
        )

    def test_the_loop_alone_lets_exceptions_through(self) -> None:
        try:
            self.loop(20, self.function("refusing"))
        except LookupError:
            return
        raise AssertionError(
            "replicate_fn raised a LookupError, and run_experiment_loop returned. Let it through: "
            "that is how a run ends, on Ctrl-C too."
        )

    @where(lambda facts: facts.says, "executors that say how many workers they have")
    def test_the_loop_alone_runs_no_more_at_once_than_it_has_workers(self) -> None:
        noted, workers = Noted(self.folder, seconds=0.03), self.facts.capabilities.workers
        self.loop(min(4 * workers, 40), noted.coroutine_at if self.is_async else noted.at)
        most = most_at_once(noted.notes())
        assert most <= workers, (
            f"run_experiment_loop ran {most} calls at once, and capabilities.workers is {workers}. "
            "Run no more, or say how many there are."
        )
