"""Many replicates at once, in threads or in processes of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from crystallize.checks import whole_number
from crystallize.contracts import ActiveRun, Call, Completion, NextTask
from crystallize.errors import InvalidValueError, suggestion
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.futures import FutureLike, FuturesExecution
from crystallize.plugins.execution.threads import ThreadPool

MOST_PROCESSES = 60 if sys.platform == "win32" else sys.maxsize
"""Windows waits for 63 pipes at once, and not for more."""

VALID_EXECUTOR_TYPES = frozenset({"thread", "process"})
"""What ``executor_type`` may be."""


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

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, for any other `max_workers` or `executor_type`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> pool = ParallelExecution(max_workers=2)
    >>> pool.run_experiment_loop(SimpleNamespace(replicates=3), lambda i: i * i)
    [0, 1, 4]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        executor_type: str = "thread",
        progress: bool = False,
    ) -> None:
        super().__init__(progress)
        if not isinstance(executor_type, str) or executor_type not in VALID_EXECUTOR_TYPES:
            hint = suggestion(str(executor_type), VALID_EXECUTOR_TYPES)
            raise InvalidValueError(
                "executor_type", executor_type, f"'thread' or 'process'{hint and ' -' + hint}"
            )
        self.max_workers = (
            None if max_workers is None else whole_number("max_workers", max_workers, least=1)
        )
        if executor_type == "process" and self.max_workers and self.max_workers > MOST_PROCESSES:
            raise InvalidValueError(
                "max_workers", max_workers, f"at most {MOST_PROCESSES} processes"
            )
        self.executor_type = executor_type
        self.shares_process = executor_type == "thread"
        self.local_processes = executor_type == "process"

    @cached_property
    def workers(self) -> int:
        if self.max_workers is not None:
            return self.max_workers
        from loky import cpu_count

        most = MOST_PROCESSES if self.executor_type == "process" else sys.maxsize
        return min(int(cpu_count()), most)

    @property
    def can_stop(self) -> bool:
        """Whether a running task can be stopped: a process can be killed, a thread cannot."""
        return self.executor_type == "process"

    @hookimpl
    def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Iterator[Completion | None]:
        if self.executor_type == "thread":
            yield from super().execute(experiment, call, next_task, run)
            return
        from crystallize.plugins.execution.processes import ProcessPool

        with ProcessPool(call, self.workers) as processes:
            run.register_control(processes.stop, processes.elapsed)
            yield from processes.completions(next_task)

    @contextmanager
    def submitter(self, call: Call, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        with ThreadPool(call, workers) as threads:
            yield threads.submit
