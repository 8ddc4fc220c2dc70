"""Ctrl-C as a request to stop, which a user's function cannot mistake for its own failure."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption(BaseException):
    """Raised in the driver's main thread by Ctrl-C; never recorded as a failed cell."""


class Interrupts:
    """Turns SIGINT into :exc:`Interruption`, but only while the driver waits for work.

    While an outcome is being kept the signal is noted and acted upon afterwards,
    so that what finished is never half kept.  A handler that the user installed
    stays in place.

    Attributes
    ----------
    requested : bool
        Whether the run is to stop; looked at after every completion and tick.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT in this block, where this is the main thread with Python's handler."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let the signal interrupt this block, where the main thread runs it."""
        self._waiting = threading.current_thread() is threading.main_thread()
        try:
            if self.requested:
                raise Interruption
            yield
        finally:
            self._waiting = False

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self.requested:  # a second Ctrl-C: out, at once
            raise KeyboardInterrupt
        self.requested = True
        if self._waiting:
            raise Interruption
