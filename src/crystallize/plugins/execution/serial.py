"""One replicate after another, in the driver's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from crystallize.callables import is_async
from crystallize.contracts import (
    SYNC_AND_ASYNC,
    ActiveRun,
    Call,
    Capabilities,
    Completion,
    HasReplicates,
    NextTask,
)
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import Execution, attempt


class SerialExecution(Execution):
    """Run every replicate in turn; takes plain and coroutine functions.

    Parameters
    ----------
    progress : bool
        Show a progress bar on standard error.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> SerialExecution().run_experiment_loop(SimpleNamespace(replicates=3), lambda i: i * i)
    [0, 1, 4]
    """

    capabilities = Capabilities(functions=SYNC_AND_ASYNC, shares_process=False)

    @hookimpl
    def execute(
        self, experiment: HasReplicates, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Iterator[Completion | None]:
        while (task := next_task()) is not None:
            yield attempt(call, task)

    @hookimpl
    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]:
        if not is_async(replicate_fn):
            return super().run_experiment_loop(experiment, replicate_fn)
        from crystallize.worker.event_loop import OwnLoop, without_running_loop

        def in_loop() -> list[Any]:
            with closing(OwnLoop()) as loop:
                return super(SerialExecution, self).run_experiment_loop(
                    experiment,
                    lambda i: loop.run(replicate_fn(i)),
                )

        return without_running_loop(in_loop)
