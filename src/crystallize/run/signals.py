"""Ctrl-C and SIGTERM as a request to stop, never mistaken for a failure of the function."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from crystallize.worker.interruption import Interruption

SIGNALS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
"""The signals that end a run, with the handlers that Python gives them."""


T = TypeVar("T")


class Interrupts:
    """Turns signals into :exc:`Interruption`, but only while the driver waits for work.

    While an outcome is being kept the signal is noted and acted upon afterwards,
    so that what finished is never half kept.  A handler that the user installed
    stays in place.

    Attributes
    ----------
    requested : bool
        Whether the run is to stop; looked at after every completion and tick.
    signum : int
        The signal that asked for it.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signum: int = signal.SIGINT
        self._waiting = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals in this block, in the main thread, where Python's handlers are."""
        ours = []
        if threading.current_thread() is threading.main_thread():
            ours = [s for s, handler in SIGNALS.items() if signal.getsignal(s) is handler]
        for signum in ours:
            signal.signal(signum, self._on_signal)
        try:
            yield
        finally:
            for signum in ours:
                signal.signal(signum, SIGNALS[signum])

    def next_of(self, iterator: Iterator[T], end: T) -> T:
        """The iterator's next item, or `end`; a signal ends the wait where the main thread waits.

        Raises
        ------
        Interruption
        """
        self._waiting = threading.current_thread() is threading.main_thread()
        try:
            if self.requested:
                raise Interruption
            return next(iterator, end)
        finally:
            self._waiting = False

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self.requested:  # a second Ctrl-C: out, at once
            raise KeyboardInterrupt
        self.requested, self.signum = True, signum
        if self._waiting:
            raise Interruption
