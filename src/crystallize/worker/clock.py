"""Time of this process in which its cells could not run, which counts for none of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 0.05
"""How often the clock looks."""
SUSPENDED_SECONDS = 0.5
"""A look that is later than this, without CPU time used, tells of a process that was stopped."""


class CellClock:
    """Notices imports, and a process that was stopped and continued.

    The first cell that imports a library in a worker pays for all others; and a
    program that was stopped with Ctrl-Z ran nothing at all.  Nothing is watched, and
    nothing costs anything, before :meth:`watch`.
    """

    def __init__(self) -> None:
        self._lost = 0.0
        self._thread = 0
        self._tell: Callable[[bool], None] | None = None
        self._importing: float | None = None
        self._lock = threading.Lock()
        self._looked = self._used = 0.0

    def watch(self, tell: Callable[[bool], None]) -> None:
        """Begin to watch the calling thread, where cells run.

        Parameters
        ----------
        tell : callable
            Told, with true and false, when an import begins and when it is over.
        """
        if self._tell is not None:
            self._tell = tell
            return
        self._tell = tell
        self._thread = threading.get_ident()
        self._looked, self._used = time.monotonic(), time.process_time()
        sys.addaudithook(self._audit)
        threading.Thread(target=self._keep_looking, name="crystallize-clock", daemon=True).start()

    def lost_seconds(self) -> float:
        """How many seconds were lost so far."""
        if self._tell is not None:
            if self._importing is not None and threading.get_ident() == self._thread:
                self._end_import()  # whoever asks in that thread does not import any more
            self._look()
        return self._lost

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        # Raised for a module that is not loaded yet, before anything of it is looked for.
        if event != "import" or self._importing is not None or self._tell is None:
            return
        if threading.get_ident() == self._thread:
            self._importing = time.monotonic()
            self._tell(True)

    def _keep_looking(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            if self._importing is not None and not _is_importing(self._thread):
                self._end_import()
            self._look()

    def _look(self) -> None:
        with self._lock:
            now, cpu = time.monotonic(), time.process_time()
            passed, used = now - self._looked, cpu - self._used
            self._looked, self._used = now, cpu
            if self._importing is None and passed > SUSPENDED_SECONDS and used < passed / 2:
                self._lost += passed - LOOK_SECONDS

    def _end_import(self) -> None:
        with self._lock:
            began, self._importing = self._importing, None
            if began is None:
                return
            self._lost += time.monotonic() - began
        if self._tell is not None:
            self._tell(False)


def _is_importing(thread: int) -> bool:
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


clock = CellClock()
"""This process's."""
