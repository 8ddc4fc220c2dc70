"""The conformance suite of execution strategies.

Subclass one of the suites in a test module and say how to make the executor::

    class TestMine(ExecutorSuite):
        def make(self):
            return MyExecution(workers=2)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crystallize.cells.outcomes import Outcomes
from crystallize.experiments.experiment import Experiment
from crystallize.hookspecs import hookimpl
from crystallize.results.errors import CellFailedError
from crystallize.results.result import Result

CONDITIONS = {"control": {"shift": 0.0}, "treated": {"shift": 2.5}}
FAILING = 17
"""Late enough that an executor was told of others before it is handed this one."""
LATE_SECONDS = 0.05
"""How long a cell waits before it fails: engines report what ends at once in any order."""


class Awkward(Exception):
    """An exception that cannot be pickled, unpickled or printed."""

    def __init__(self, first: object, second: object) -> None:
        super().__init__(first)
        self.second = second

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickling")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def same_result(one: Result, other: Result) -> None:
    """Assert that two results are the same, byte for byte."""
    assert list(one.metrics) == list(other.metrics)
    for condition, metrics in one.metrics.items():
        assert list(metrics) == list(other.metrics[condition])
        for metric, values in metrics.items():
            found = other.metrics[condition][metric]
            assert (values.dtype, values.shape) == (found.dtype, found.shape)
            if values.dtype == object:
                assert [_bytes(v) for v in values] == [_bytes(v) for v in found]
            else:
                assert values.tobytes() == found.tobytes()
    assert one.errors == other.errors
    assert one.seeds == other.seeds


def _bytes(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else (type(value), value)


def measured(rng: Any, seed: int, replicate: int, condition: str, shift: float) -> dict[str, Any]:
    """Metrics of every kind, after a random sleep; one replicate of one condition fails."""
    time.sleep(rng.random() / 1000)
    if replicate == FAILING and shift:
        raise ValueError(f"replicate {replicate}")
    return {
        "x": rng.normal() + shift,
        "count": replicate,
        "odd": bool(replicate % 2),
        "name": f"{condition}-{replicate}",
        "nothing": None,
        "seed": seed,
        "draws": rng.integers(0, 100, size=4),
    }


async def measured_async(
    rng: Any, seed: int, replicate: int, condition: str, shift: float
) -> dict[str, Any]:
    """The same as a coroutine function."""
    await asyncio.sleep(rng.random() / 1000)
    if replicate == FAILING and shift:
        raise ValueError(f"replicate {replicate}")
    return {
        "x": rng.normal() + shift,
        "seed": seed,
        "count": replicate,
        "name": condition,
    }


def awkward(replicate: int) -> float:
    """Raise an exception that does not travel, at one replicate, when others have finished."""
    if replicate == FAILING:
        time.sleep(LATE_SECONDS)
        raise Awkward(1, 2)
    return float(replicate)


async def awkward_async(replicate: int) -> float:
    """The same as a coroutine function."""
    if replicate == FAILING:
        await asyncio.sleep(LATE_SECONDS)
        raise Awkward(1, 2)
    return float(replicate)


def leaving(replicate: int) -> float:
    """Leave the interpreter at one replicate."""
    if replicate == FAILING:
        raise SystemExit(3)
    return float(replicate)


async def leaving_async(replicate: int) -> float:
    """The same as a coroutine function."""
    return leaving(replicate)


def square(index: int) -> int:
    """Square an index."""
    return index * index


async def square_async(index: int) -> int:
    """The same as a coroutine function."""
    await asyncio.sleep(0)
    return index * index


class Reported:
    """An observer that notes which replicates it was told to have finished."""

    def __init__(self) -> None:
        self.finished: list[int] = []

    @hookimpl
    def outcomes_completed(self, experiment: Experiment, outcomes: Outcomes) -> None:
        self.finished += [outcome.replicate for outcome in outcomes if outcome.error is None]


class ExecutorSuite:
    """What every executor must do; override :meth:`make`.

    Attributes
    ----------
    replicates : int
        How many replicates the larger tests run.
    """

    replicates = 60
    measured: Callable[..., Any] = staticmethod(measured)
    awkward: Callable[..., Any] = staticmethod(awkward)
    leaving: Callable[..., Any] = staticmethod(leaving)
    square: Callable[..., Any] = staticmethod(square)

    def make(self) -> Any:
        """A new executor."""
        raise NotImplementedError("override make() to give a new executor")

    def experiment(self, function: Callable[..., Any], **options: Any) -> Experiment:
        """An experiment on the executor."""
        arguments: dict[str, Any] = {"replicates": self.replicates, "seed": 20, **options}
        return Experiment(function, execution=self.make(), **arguments)

    def serial(self, function: Callable[..., Any], **options: Any) -> Result:
        """What the same experiment comes to serially."""
        arguments: dict[str, Any] = {"replicates": self.replicates, "seed": 20, **options}
        return Experiment(function, execution="serial", **arguments).run()

    @pytest.mark.parametrize("replicates", [1, 2, 17])
    def test_the_loop_alone_returns_results_in_index_order(self, replicates: int) -> None:
        loop = SimpleNamespace(replicates=replicates)
        results = self.make().run_experiment_loop(loop, self.square)
        assert results == [i * i for i in range(replicates)]

    def test_the_bytes_are_those_of_a_serial_run(self) -> None:
        result = self.experiment(self.measured, conditions=CONDITIONS).run()
        same_result(self.serial(self.measured, conditions=CONDITIONS), result)

    def test_a_failing_cell_fails_alone(self) -> None:
        result = self.experiment(self.measured, conditions=CONDITIONS).run()
        assert [(e.condition, e.replicate) for e in result.errors] == [("treated", FAILING)]
        assert np.isnan(result.metrics["treated"]["x"][FAILING])
        assert np.isfinite(result.metrics["control"]["x"]).all()
        assert np.isfinite(np.delete(result.metrics["treated"]["x"], FAILING)).all()

    def test_an_exception_that_does_not_travel_is_one_failed_cell(self) -> None:
        result = self.experiment(self.awkward).run()
        (error,) = result.errors
        assert (error.replicate, error.type, error.attempts) == (FAILING, "Awkward", 1)
        assert np.isfinite(result.metrics["baseline"]["value"]).sum() == self.replicates - 1

    def test_leaving_the_interpreter_is_one_failed_cell(self) -> None:
        result = self.experiment(self.leaving).run()
        assert [(e.replicate, e.type) for e in result.errors] == [(FAILING, "SystemExit")]

    def test_a_failing_cell_is_tried_again_with_the_same_seed(self) -> None:
        result = self.experiment(self.awkward, retries=2).run()
        assert [(e.replicate, e.attempts) for e in result.errors] == [(FAILING, 3)]

    def test_raising_ends_the_run_and_keeps_what_finished(self) -> None:
        reported = Reported()
        with pytest.raises(CellFailedError) as caught:
            self.experiment(self.awkward, on_error="raise", plugins=[reported]).run()
        assert caught.value.error.replicate == FAILING
        values = caught.value.result.metrics["baseline"]["value"]
        done = np.flatnonzero(np.isfinite(values))
        assert len(done)
        assert (values[done] == done).all()
        assert sorted(reported.finished) == done.tolist()

    def test_a_stream_gives_every_outcome_once(self) -> None:
        outcomes = list(self.experiment(self.measured, conditions=CONDITIONS).stream())
        cells = [(o.condition, o.replicate) for o in outcomes]
        assert sorted(cells) == sorted((c, i) for c in CONDITIONS for i in range(self.replicates))

    def test_a_stream_can_be_left_early(self) -> None:
        stream = self.experiment(self.measured, conditions=CONDITIONS).stream()
        first = next(stream)
        assert first.metrics is not None
        stream.close()

    def test_an_executor_can_be_used_again(self) -> None:
        experiment = self.experiment(self.measured, conditions=CONDITIONS)
        same_result(experiment.run(), experiment.run())

    def test_it_runs_inside_an_event_loop(self) -> None:
        experiment = self.experiment(self.measured, conditions=CONDITIONS)

        async def main() -> tuple[Result, Result, int]:
            return experiment.run(), await experiment.arun(), len(list(experiment.stream()))

        run, arun, streamed = asyncio.run(main())
        same_result(run, arun)
        assert streamed == 2 * self.replicates


class AsyncExecutorSuite(ExecutorSuite):
    """The same for an executor of coroutine functions."""

    measured = staticmethod(measured_async)
    awkward = staticmethod(awkward_async)
    leaving = staticmethod(leaving_async)
    square = staticmethod(square_async)
