"""The executors in the box are what a type checker takes for executors."""

from types import SimpleNamespace
from typing import Any

import pytest

from crystallize import PluginError, hookimpl
from crystallize.plugins import Capabilities, Completion, Execution, LoopExecutor, StreamingExecutor
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution

STREAMING: list[StreamingExecutor] = [SerialExecution(), ParallelExecution(2), AsyncExecution()]
LOOPS: list[LoopExecutor] = [SerialExecution(), ParallelExecution(2)]


class Eager(Execution):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        yield from (Completion(task, call(task)) for task in iter(next_task, None))


@pytest.mark.parametrize("executor", LOOPS)
def test_the_loop_needs_nothing_but_a_number_of_replicates(executor: LoopExecutor) -> None:
    loop = SimpleNamespace(replicates=3)
    assert executor.run_experiment_loop(loop, lambda index: index * index) == [0, 1, 4]


@pytest.mark.parametrize("executor", STREAMING)
def test_what_it_can_do_is_one_object(executor: StreamingExecutor) -> None:
    assert executor.capabilities == Capabilities.of(executor)
    assert executor.capabilities.workers >= 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("functions", "sync"),
        ("functions", {"both"}),
        ("functions", set()),
        ("workers", 0),
        ("workers", True),
        ("workers", 2.0),
        ("shares_process", 1),
        ("block_seconds", 0),
    ],
)
def test_a_field_that_means_nothing_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"Capabilities\.{field}: expected"):
        Capabilities(**{field: value})


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(TypeError, match="share_process"):
        Capabilities(share_process=True)  # type: ignore[call-arg]


def _said(base: type) -> type:
    """A subclass that says in its ``__init__`` what it can do."""

    def init(self: Any) -> None:
        super(kind, self).__init__()
        self.capabilities = Capabilities(workers=3, shares_process=False)

    kind = type("Says", (base,), {"__init__": init})
    return kind


@pytest.mark.parametrize("base", [SerialExecution, ParallelExecution, AsyncExecution, Eager])
def test_what_it_can_do_may_be_said_when_it_is_made(base: type) -> None:
    says = _said(base)
    assert Capabilities.of(says()).workers == 3
    assert says() == says()
    assert says() != base()


def test_what_is_said_beside_the_capabilities_is_refused() -> None:
    class Misplaced(Eager):
        single_cell = True

    with pytest.raises(PluginError, match="Misplaced has 'single_cell' but no 'capabilities'"):
        Capabilities.of(Misplaced())

    class Computed(Eager):
        workers = 4  # an option of its own, from which it follows what it can do

        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(workers=self.workers)

    assert Capabilities.of(Computed()).workers == 4
    Computed.workers = 1
    assert Capabilities.of(Computed()).workers == 1
