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
        self._threads = threads
        self._local = threading.local()

    def hold(self) -> None:
        """Hold what is loaded now; cheap where nothing was loaded since the last time."""
        if self._threads is None or getattr(self._local, "modules", 0) == len(sys.modules):
            return
        from threadpoolctl import threadpool_limits

        if not hasattr(self._local, "held"):
            self._local.held = ExitStack()
        self._local.held.enter_context(threadpool_limits(self._threads))
        self._local.modules = len(sys.modules)

    def release(self) -> None:
        """Give back what this thread holds."""
        if hasattr(self._local, "held"):
            self._local.held.close()
            self._local.modules = 0
