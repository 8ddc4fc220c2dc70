"""Holding BLAS and OpenMP to a number of threads."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack


class BlasLimits:
    """Holds the libraries that are loaded, and those that are loaded later.

    OpenMP's limit belongs to a thread; OpenBLAS's to the process, where the
    thread that set it first owns it.  So the driver holds it around a run, and
    each thread that runs cells holds its own.

    Parameters
    ----------
    threads : int or None
        ``None`` leaves the libraries alone.
    """

    def __init__(self, threads: int | None) -> None:
        self.threads = threads
        self._local = threading.local()

    def hold(self) -> None:
        """Hold what is loaded now; cheap where nothing was loaded since the last time."""
        if self.threads is None or getattr(self._local, "modules", 0) == len(sys.modules):
            return
        from threadpoolctl import threadpool_limits

        if not hasattr(self._local, "held"):
            self._local.held = ExitStack()
        self._local.held.enter_context(threadpool_limits(self.threads))
        self._local.modules = len(sys.modules)

    def release(self) -> None:
        """Give back what this thread holds."""
        if hasattr(self._local, "held"):
            self._local.held.close()
            self._local.modules = 0


class _Worker:
    """The limits of a worker process, which outlive the run that asked for them."""

    def __init__(self) -> None:
        self._limits = BlasLimits(None)

    def limits(self, threads: int | None) -> BlasLimits:
        if threads != self._limits.threads:
            self._limits.release()
            self._limits = BlasLimits(threads)
        return self._limits


limits_of_worker = _Worker().limits
"""The limits that are in force in this worker, changed to `threads` where they differ."""
