"""What only Linux has; elsewhere these do nothing."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

if sys.platform == "linux":
    import fcntl

_held: list[Connection] = []
"""Pipes whose end is signalled to this process; closed, they would say nothing."""


def end_with(lifeline: Connection) -> None:
    """End this process when the other end of a pipe is gone, also while a cell holds the GIL."""
    if sys.platform == "linux":
        # The kernel's signal, which nobody handles, ends the process.
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
        _held.append(lifeline)


def let_the_driver_go_first() -> None:
    """Being woken with a task must not stop the driver from waking the others."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
