"""All workers of this process: those that run, and idle ones between two runs.

Starting a worker takes longer than many an experiment, so idle ones are kept for
the next run of this process, as long as they would start the same today.
"""

from __future__ import annotations

import os
import threading
from multiprocessing.util import Finalize
from weakref import WeakSet

from crystallize.errors import ExecutorError, described
from crystallize.plugins.execution.processes.surroundings import Surroundings
from crystallize.plugins.execution.processes.worker import Worker


class Reserve:
    """All workers of this process: those that run, and idle ones between two runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[Surroundings, Worker]] = []
        self._all: WeakSet[Worker] = WeakSet()
        self._ended = False
        self._process = 0

    def take(self, now: Surroundings, count: int, *, fresh: bool = False) -> list[Worker]:
        """Idle workers, and new ones; those that would start otherwise today are ended.

        Parameters
        ----------
        now : Surroundings
        count : int
        fresh : bool
            Whether only new ones will do.

        Raises
        ------
        ExecutorError
            When the program is about to end.
        """
        with self._lock:
            if self._process != os.getpid():
                self._process = os.getpid()
                # Before multiprocessing waits for every process; a child of it, too, calls this.
                Finalize(None, self._end, exitpriority=100)
            if self._ended:
                raise ExecutorError("The program ends, so no more worker processes are started.")
            idle, self._idle = self._idle, []
            good = [w for then, w in idle if then.still_hold(now) and w.is_usable()]
            wanted = 0 if fresh else count
            self._idle = [(now, worker) for worker in good[wanted:]]
        for _, worker in idle:
            if worker not in good:
                worker.end()
        taken = good[:wanted]
        for _ in range(count - len(taken)):
            try:
                taken.append(Worker())
            except (OSError, UnboundLocalError) as error:  # of the latter, loky loses the former
                for worker in taken:
                    worker.end()
                cause = error.__context__ if isinstance(error, UnboundLocalError) else error
                raise ExecutorError(
                    f"Worker process {len(taken) + 1} of {count} could not be started: "
                    f"{described(cause or error)}. A worker takes a process and some ten file "
                    "descriptors; use fewer workers (max_workers), or let this program have more."
                ) from error
        self._all.update(taken)
        return taken

    def put(self, now: Surroundings, workers: list[Worker]) -> None:
        """Keep workers that are idle now."""
        for worker in workers:
            worker.forget()
        with self._lock:
            self._idle += [(now, worker) for worker in workers]
            if self._ended:
                self._end_all()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._end_all()

    def _end_all(self) -> None:
        for worker in list(self._all):
            # Nobody reads any more what a run that was left in its middle comes to.
            if worker.busy and worker.driver == os.getpid():
                worker.kill()
            worker.end()


reserve = Reserve()
