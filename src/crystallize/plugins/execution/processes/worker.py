"""A worker process, and what the driver knows of it."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing import resource_tracker as pythons_tracker
from multiprocessing.connection import Connection
from typing import Any

from loky.backend import get_context, resource_tracker
from loky.backend.utils import kill_process_tree

from crystallize.contracts import TICK
from crystallize.plugins.execution.processes.messages import (
    FORGET,
    FORGOTTEN,
    LIMITS,
    LOAD,
    RUN,
    SHORTEN,
    STATE,
    Message,
    receive,
    send,
)
from crystallize.plugins.execution.processes.serve import SAFE_PATH, SAFE_PATH_KEPT, serve
from crystallize.plugins.execution.processes.surroundings import working_folder
from crystallize.worker.interpreter_flags import started_with_flags

MOST_WORDS = 2**16
"""How much of a traceback is read."""
END_SECONDS = 1.0
"""How long a worker whose pipe has ended may take to end itself."""

_ending: deque[Connection] = deque(maxlen=64)
"""What keeps workers that were told to end from being ended before they have done so."""


@contextmanager
def _flushable_streams() -> Iterator[None]:
    """Streams that can be flushed, as whoever starts a process does: a program may have none."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        io.StringIO() if stream is None or stream.closed else stream for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def _interruptions_held_up() -> Iterator[None]:
    """Have a Ctrl-C that comes while a worker starts wait until it can pass it over.

    What a signal finds importing prints a traceback.  The mask is inherited; :func:`serve` ends it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    for tracker in (resource_tracker, pythons_tracker):
        tracker.ensure_running()  # which would end it, were it started meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _in_a_folder() -> Iterator[None]:
    """The folder that this program works in, or another where that was deleted.

    No process can be started in one that is not there.  Nobody else misses it meanwhile: a
    relative path leads nowhere there.
    """
    if working_folder() is not None:
        yield
        return
    gone = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tempfile.gettempdir())
        yield
    finally:
        os.fchdir(gone)
        os.close(gone)


class Worker:
    """A process, and what the driver knows of it."""

    def __init__(self) -> None:
        # Whom the end of a pipe is signalled to belongs to the pipe, so each has its own.
        lifeline, self._driver_end = Pipe(duplex=False)
        self.connection, theirs = Pipe()
        self.driver = os.getpid()
        self._crash: Connection | None = None
        crash: Connection | None = None
        if os.name == "posix":
            self._crash, crash = Pipe(duplex=False)
        # A module in the working directory must not be taken for the standard library's.
        safely = {SAFE_PATH: "1", SAFE_PATH_KEPT: os.environ.get(SAFE_PATH, "")}
        self.process = get_context("loky").Process(
            target=serve, args=(self.driver, lifeline, theirs, crash), env=safely
        )
        with (
            _flushable_streams(),
            started_with_flags(),
            _in_a_folder(),
            _interruptions_held_up(),
        ):
            self.process.start()
        for end in (lifeline, theirs, crash):
            if end is not None:
                end.close()
        self.task: Any = None
        self.generation = 0
        self.since = self.heard = 0.0
        self._standing: float | None = None
        self.busy = self.loaded = self.stopped = self.retires = self.has_left = False

    def load(self, state: bytes, payload: bytes, limits: bytes | None = None) -> None:
        """Send the callable; only when it has arrived a task's time begins.

        Parameters
        ----------
        state : bytes
            What the worker takes over before and after.
        payload : bytes
        limits : bytes, optional
            After what it wants to be replaced.
        """
        self.loaded = False
        if limits is not None:
            self._send(LIMITS, limits)
        self._send(STATE, state)
        self._send(LOAD, payload)

    def run(self, task: Any) -> None:
        self.task, self.since, self.busy = task, time.monotonic(), True
        self._standing = None
        self._send(RUN, pickle.dumps(task))

    def shorten(self) -> None:
        """Have its task end early."""
        self._send(SHORTEN)

    def interrupt(self) -> None:
        """Have it end a task that is to end early at once, in the middle of a cell."""
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)

    def stand_still(self, stands: bool) -> None:
        """Learn that the cell imports something, which is no time of its own, or no more."""
        if stands:
            self._standing = self.heard
        elif self._standing is not None:
            self.since += self.heard - self._standing
            self._standing = None

    @property
    def elapsed(self) -> float:
        """For how many seconds its task has been able to run."""
        return (time.monotonic() if self._standing is None else self._standing) - self.since

    def forget(self) -> None:
        """Free what the callable holds, and wait for another one."""
        self._send(FORGET)

    def has_forgotten(self, seconds: float) -> list[Message]:
        """Wait until it has left what it opened for cells; what it says before it says so."""
        said: list[Message] = []
        latest = time.monotonic() + seconds
        try:
            while self.connection.poll(max(0.0, latest - time.monotonic())):
                message = receive(self.connection)
                if message.kind == FORGOTTEN:
                    self.has_left = True
                    break
                said.append(message)
        except (OSError, EOFError):  # it died: there is nothing left to leave
            self.has_left = True
        return said

    def is_usable(self) -> bool:
        if self.stopped or self.retires:
            return False
        return time.monotonic() - self.heard < TICK or bool(self.process.is_alive())

    def end(self) -> None:
        """Let it end by itself."""
        self.connection.close()
        if self._crash is not None:
            self._crash.close()
        _ending.append(self._driver_end)

    def kill(self) -> None:
        """End it now, and what its cell started."""
        self.stopped = True
        try:
            kill_process_tree(self.process)
        except Exception:  # neither psutil nor pgrep is here: what the cell started lives on
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def last_words(self) -> str:
        """The traceback that a fault of C code left, or nothing."""
        words = b""
        with suppress(OSError, EOFError):
            while self._crash is not None and self._crash.poll() and len(words) < MOST_WORDS:
                part = os.read(self._crash.fileno(), MOST_WORDS)
                if not part:
                    break
                words += part
        return words.decode(errors="replace")

    def how_it_ended(self) -> str:
        """Say it in a few words, once its pipe has ended."""
        self.process.join(END_SECONDS)
        if self.process.exitcode is None:  # alive, without a pipe
            self.kill()
            return "the worker process closed its connection"
        code = self.process.exitcode
        if code >= 0:
            return f"the worker process ended with EXIT({code})"
        with suppress(ValueError):
            return f"the worker process ended with {signal.Signals(-code).name}({code})"
        return f"the worker process ended with signal {-code}"

    def _send(self, kind: bytes, content: bytes = b"") -> None:
        with suppress(OSError):  # it died: the other end of its pipe says so
            send(self.connection, kind, content)
