"""Ctrl-C and SIGTERM as a request to stop, never mistaken for a failure of the function."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from crystallize.worker.interruption import Interruption

AGAIN_SECONDS = 1.0
"""After which time the signal is sent once more to an executor that has not answered it: one that
handles an exception as Ctrl-C raises it, which may have come from a worker, ends by itself."""
SOON_SECONDS = 1e-3
"""After which time it is sent once more where what is raised is lost."""
WEAK_REFERENCES = {
    function.__code__.co_filename for function in (WeakSet.add, WeakValueDictionary.values)
}
"""The files of the standard library whose functions Python calls when an object goes away."""


class Interrupts:
    """The requests to stop one run.

    A signal is noted, and seen at the next completion or tick.  In the main thread
    it also raises :exc:`Interruption`, but only where nothing can be left half done:
    in a cell, which is run again; where a stranger's code may take for ever; and, the
    second time, anywhere in an executor.  What finished is never half kept.

    Parameters
    ----------
    strike : callable
        Strikes the cell that this thread is running; whether there is one.

    Attributes
    ----------
    requested : bool
        Whether the run is to stop.
    signum : int
        The signal that asked for it.
    """

    def __init__(self, strike: Callable[[], bool]) -> None:
        self.requested = False
        self.signum: int = signal.SIGINT
        self._strike = strike
        self._in_executor = False
        self._interruptible = False
        self._reminder: threading.Timer | None = None
        self._is_reminded = False
        self._handled_before: BaseException | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Be told of signals in this block, in the main thread, where Python's handlers run."""
        if not _in_main_thread():
            yield
            return
        _handlers.join(self)
        try:
            yield
        finally:
            _handlers.leave(self)
            if self._reminder is not None:
                self._reminder.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A stranger's code, which a signal ends wherever it is.

        Raises
        ------
        Interruption
        """
        before = self._interruptible
        self._interruptible = _in_main_thread()
        try:
            yield
        finally:
            self._interruptible = before

    def enter_executor(self) -> None:
        """Say that from now on an executor's code runs: the second signal ends it."""
        self._in_executor = _in_main_thread()
        self._handled_before = sys.exc_info()[1]

    def leave_executor(self) -> None:
        """Say that it does no longer."""
        self._in_executor = False
        self._handled_before = None

    def request(self, signum: int) -> bool:
        """Ask the run to stop; whether the code that runs now is to be interrupted."""
        again = self.requested
        if self._is_reminded:
            self._is_reminded = False
            # An exception in the midst of it, in Thread.join say, is what makes it hang.
            again = not self._is_ending()
        elif not again:
            self.requested, self.signum = True, signum
            if self._in_executor and hasattr(signal, "pthread_kill"):
                self._reminder = threading.Timer(AGAIN_SECONDS, self._remind)
                self._reminder.daemon = True
                self._reminder.start()
        return self._strike() or self._interruptible or (again and self._in_executor)

    def _is_ending(self) -> bool:
        """Whether the executor handles an exception as a signal raises it."""
        handled = sys.exc_info()[1]
        return handled is not self._handled_before and isinstance(
            handled, (KeyboardInterrupt, Interruption)
        )

    def _remind(self) -> None:
        if self._in_executor:
            self._is_reminded = True
            _send_to_main_thread(self.signum)


class _Handlers:
    """This process's handlers of the signals that end runs, while there are any.

    A handler that the user installed stays in place.

    A forked child gives the handlers back, but Python drops what has arrived in it
    until then: a child that is ended as soon as it is there would live on. So the
    signals are held up around a fork, in the thread that forks.
    """

    def __init__(self) -> None:
        self._runs: list[Interrupts] = []
        self._before: dict[int, Any] = {}
        self._forking = threading.local()
        self._late: list[int] | None = None

    def join(self, run: Interrupts) -> None:
        if not self._runs:
            for signum in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(signum)
                if _is_pythons(handler):
                    self._before[signum] = handler
                    signal.signal(signum, self._on_signal)
        self._runs.append(run)

    def leave(self, run: Interrupts) -> None:
        self._runs.remove(run)
        if not self._runs:
            self.give_back()

    def give_back(self) -> None:
        """Put the handlers back that were there before."""
        while self._before:
            signum, handler = self._before.popitem()
            if signal.getsignal(signum) == self._on_signal:
                signal.signal(signum, handler)

    def before_fork(self) -> None:
        if self._before and hasattr(signal, "pthread_sigmask"):
            if _in_main_thread():
                self._late = []
            self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._before)

    def after_fork(self) -> None:
        """In the parent, or in a child that has given the handlers back."""
        mask = vars(self._forking).pop("mask", None)
        if mask is None:
            return
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if _in_main_thread():
            if self._late:
                threading.Thread(target=self._send_again, args=(self._late,), daemon=True).start()
            self._late = None

    def _send_again(self, late: list[int]) -> None:
        while self._late is late:  # the hook has not ended
            time.sleep(0.001)
        for signum in late:
            _send_to_main_thread(signum)

    def forget(self) -> None:
        """In a forked child, which has no run of its own."""
        self._runs.clear()
        with suppress(ValueError):  # not in its main thread
            self.give_back()
        self._late = None  # those are the parent's
        self.after_fork()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._late is not None:
            # What is raised in a hook of a fork is lost. It is sent again after that.
            self._late.append(signum)
            return
        if _loses_what_is_raised(frame):
            threading.Thread(target=_send_soon, args=(signum,), daemon=True).start()
            return
        # Every run is told, also those around a nested one; then the code that runs now.
        answers = [run.request(signum) for run in self._runs]
        if any(answers):
            raise Interruption


def _is_pythons(handler: Any) -> bool:
    """Whether nobody but Python, or its event loop's runner, has put a handler there."""
    if handler is signal.default_int_handler or handler is signal.SIG_DFL:
        return True
    method = getattr(handler, "func", handler)
    return getattr(method, "__module__", "") == "asyncio.runners"


def _loses_what_is_raised(frame: FrameType | None) -> bool:
    """Whether Python only prints what is raised there: it runs since an object went away."""
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename in WEAK_REFERENCES:
            return True
        frame = frame.f_back
    return False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _send_soon(signum: int) -> None:
    time.sleep(SOON_SECONDS)
    _send_to_main_thread(signum)


def _send_to_main_thread(signum: int) -> None:
    if not hasattr(signal, "pthread_kill"):
        signal.raise_signal(signum)  # whose handler runs in the main thread all the same
        return
    with suppress(OSError):
        ident = threading.main_thread().ident
        assert ident is not None
        signal.pthread_kill(ident, signum)


_handlers = _Handlers()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_handlers.before_fork,
        after_in_parent=_handlers.after_fork,
        after_in_child=_handlers.forget,
    )
