"""The limit: bare processes that each do their share and send nothing back."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from benchmarks.workloads import WORKERS, WORKLOADS, Workload

DONE = b"done"


def share(pipe: Connection) -> None:
    """Wait for a share, run it when told."""
    while (given := pipe.recv()) is not None:
        name, indices = given
        function = WORKLOADS[name].indexed
        pipe.send_bytes(DONE)
        pipe.recv_bytes()
        for index in indices:
            function(index)
        pipe.send_bytes(DONE)


class BareProcesses:
    """As many processes as workers, started beforehand."""

    def __enter__(self) -> BareProcesses:
        context = get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for _ in range(WORKERS):
            ours, theirs = context.Pipe()
            process = context.Process(target=share, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()

    def give(self, workload: Workload, shares: Sequence[Sequence[int]]) -> None:
        """Hand out the shares; nothing runs yet."""
        for pipe, indices in zip(self._pipes, shares, strict=True):
            pipe.send((workload.name, indices))
        self._wait()

    def go(self) -> None:
        """Run what was given, to the end of the last."""
        for pipe in self._pipes:
            pipe.send_bytes(b"go")
        self._wait()

    def _wait(self) -> None:
        for pipe in self._pipes:
            pipe.recv_bytes()
