"""Many replicates at once, in threads or in processes of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from crystallize.checks import choice, memory, optional, whole_number
from crystallize.contracts import (
    ActiveRun,
    Call,
    Capabilities,
    Completion,
    FutureLike,
    NextTask,
)
from crystallize.errors import InvalidValueError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import Option, default, method_of
from crystallize.plugins.execution.futures import FuturesExecution
from crystallize.plugins.execution.threads import ThreadPool

MOST_PROCESSES = 60 if sys.platform == "win32" else sys.maxsize
"""Windows waits for 63 pipes at once, and not for more."""

VALID_EXECUTOR_TYPES = frozenset({"thread", "process"})
"""What ``executor_type`` may be."""


class _Workers(Option[int | None]):
    """How many workers, of which there may be so many at the most."""

    def __set__(self, executor: Any, value: object) -> None:
        super().__set__(executor, value)
        if executor.max_workers is not None and executor.max_workers > executor._most:
            raise InvalidValueError("max_workers", value, f"at most {executor._most} processes")


class _OfProcesses(Option[int | None]):
    """When a worker process is replaced, which no thread can be."""

    def __set__(self, executor: Any, value: object) -> None:
        super().__set__(executor, value)
        if value is not None and executor.executor_type == "thread":
            expected = (
                "None with executor_type='thread': threads share one process, which nobody can "
                "replace; executor_type='process' has workers that can be"
            )
            raise InvalidValueError(self._name, value, expected)


class _Memory(_OfProcesses):
    """How much memory a worker process may have."""

    def __set__(self, executor: Any, value: object) -> None:
        super().__set__(executor, value)
        if value is not None and sys.platform == "win32":
            raise InvalidValueError(self._name, value, "None on Windows, which does not say it")


class ParallelExecution(FuturesExecution):
    """Run replicates in a pool of threads or processes; takes plain functions.

    Parameters
    ----------
    max_workers : int, optional
        How many workers at the most.  Default: the CPUs that this process may
        use (affinity and cgroup limits count), and never more than there are
        tasks.
    executor_type : {"thread", "process"}
        Threads share this process; processes are started fresh, need no
        ``if __name__ == "__main__"`` guard, and take lambdas, closures and
        functions of a notebook.
    progress : bool
        Show a progress bar on standard error.
    max_tasks_per_worker : int, optional
        After how many cells a worker process is replaced by a new one.
    max_memory : int or str, optional
        After a block that leaves a worker process with more memory of its own than this, it is
        replaced: bytes, or text as in ``"500 MB"`` and ``"2 GiB"``.  No cell is ended for it.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, for any other `max_workers` or `executor_type`, and for threads
        that are to be replaced.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> pool = ParallelExecution(max_workers=2)
    >>> pool.run_experiment_loop(SimpleNamespace(replicates=3), lambda i: i * i)
    [0, 1, 4]
    """

    executor_type: Option[str] = Option(partial(choice, choices=("thread", "process")))
    max_workers = _Workers(optional(partial(whole_number, least=1)))
    max_tasks_per_worker = _OfProcesses(optional(partial(whole_number, least=1)))
    max_memory = _Memory(optional(memory))

    def __init__(
        self,
        max_workers: int | None = None,
        executor_type: str = "thread",
        progress: bool = False,
        *,
        max_tasks_per_worker: int | None = None,
        max_memory: int | str | None = None,
    ) -> None:
        super().__init__(progress)
        self.executor_type = executor_type
        self.max_workers = max_workers
        self.max_tasks_per_worker = max_tasks_per_worker
        self.max_memory = max_memory

    @default
    def capabilities(self) -> Capabilities:
        processes = self.executor_type == "process"
        return Capabilities(
            workers=self._workers,
            shares_process=not processes,
            can_cancel=processes,  # a process can be killed, a thread cannot
            local_processes=processes,
            loss_is_the_tasks=processes,  # each worker has a process for itself
        )

    @property
    def _workers(self) -> int:
        if self.max_workers is not None:
            return self.max_workers
        from loky import cpu_count

        return min(int(cpu_count()), self._most)

    @property
    def _most(self) -> int:
        return MOST_PROCESSES if self.executor_type == "process" else sys.maxsize

    @property
    def calls_run_here(self) -> bool:
        """Whether its workers are threads."""
        return self.executor_type == "thread"

    @hookimpl
    def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Iterator[Completion | None]:
        if self.executor_type == "thread":
            yield from super().execute(experiment, call, next_task, run)
            return
        from crystallize.plugins.execution.processes.limits import Limits
        from crystallize.plugins.execution.processes.pool import ProcessPool

        limits = Limits(self.max_tasks_per_worker, self.max_memory)
        with ProcessPool(call, self._workers, limits) as processes:
            run.register_control(processes.cancel, processes.elapsed)
            method_of(run, "register_hand_over")(processes.hand_over)
            if not limits:  # or else large blocks would come to much more than these
                register = method_of(run, "register_shortening")
                register(processes.shorten, processes.running)
            yield from processes.completions(next_task, method_of(run, "tick"))

    @contextmanager
    def submitter(self, call: Call, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        with ThreadPool(call, workers) as threads:
            yield threads.submit
