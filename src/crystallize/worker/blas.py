"""Holding BLAS and OpenMP to a number of threads."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import Any


class BlasLimits:
    """Limits the libraries that are loaded, and those that are loaded later.

    OpenMP's limit belongs to a thread; OpenBLAS's to the process.  So the driver
    keeps it around a run, and each thread that runs cells limits its own.

    Parameters
    ----------
    threads : int or None
        ``None`` leaves the libraries alone.
    """

    def __init__(self, threads: int | None) -> None:
        self.threads = threads
        self._local = threading.local()
        self._kept_in: list[int] = []

    def apply(self) -> None:
        """Limit what is loaded now; cheap where nothing was loaded since the last time."""
        if self.threads is None or getattr(self._local, "modules", 0) == len(sys.modules):
            return
        _found.apply(self.threads)
        self._local.modules = len(sys.modules)

    def begin(self) -> None:
        """Limit it, and have it given back by none until this has ended as often as it began."""
        if self.threads is not None:
            self._kept_in.append(threading.get_ident())
            _found.kept_in(self._kept_in[-1], +1)
            self.apply()

    def end(self) -> None:
        """Give back what was found, unless somebody else keeps it."""
        if self.threads is None:
            return
        if self._kept_in:
            # A stream may be closed in another thread than it was begun in.
            thread = threading.get_ident()
            kept = thread if thread in self._kept_in else self._kept_in[-1]
            self._kept_in.remove(kept)
            _found.kept_in(kept, -1)
        self._local.modules = 0
        _found.give_back()


class _Found:
    """What the libraries had before anybody held them.

    Runs overlap in any order, so none of them can give back what it found itself:
    that may be what another has set.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # Of this process (`None`) or of a thread.
        self._keepers: Counter[int | None] = Counter()
        self._before: dict[int | None, dict[str, tuple[Any, int]]] = {}

    def kept_in(self, thread: int, more: int) -> None:
        with self._lock:
            for scope in (None, thread):
                self._keepers[scope] += more

    def apply(self, threads: int) -> None:
        from threadpoolctl import ThreadpoolController

        with self._lock:
            for library in ThreadpoolController().lib_controllers:
                scope = threading.get_ident() if library.user_api == "openmp" else None
                before = self._before.setdefault(scope, {})
                before.setdefault(library.filepath, (library, library.num_threads))
                _set(library, threads)

    def give_back(self) -> None:
        with self._lock:
            self._keepers = +self._keepers
            for scope in (None, threading.get_ident()):
                if not self._keepers[scope]:
                    for library, threads in self._before.pop(scope, {}).values():
                        _set(library, threads)
                        _disown(library)
            if not self._keepers:
                self._before.clear()  # of threads that ran cells, and have ended


def _set(library: Any, threads: int) -> None:
    """Set the limit, whichever thread has set it before."""
    if library.num_threads != threads:
        _disown(library)
        library.set_num_threads(threads)


def _disown(library: Any) -> None:
    # Newer ones let only the thread that set OpenBLAS's limit first set it again, silently.
    clear = getattr(library, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _Worker:
    """The limits of a worker process, which outlive the run that asked for them."""

    def __init__(self) -> None:
        self._limits = BlasLimits(None)

    def limits(self, threads: int | None) -> BlasLimits:
        if threads != self._limits.threads:
            self._limits.end()
            self._limits = BlasLimits(threads)
        return self._limits


_found = _Found()
limits_of_worker = _Worker().limits
"""The limits that are in force in this worker, changed to `threads` where they differ."""
