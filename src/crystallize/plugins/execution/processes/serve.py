"""The worker's side of a pool of processes: answer messages, and end with the driver."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from crystallize.contracts import Call
from crystallize.errors import CrystallizeError
from crystallize.plugins.execution.processes.kept_state import KeptState
from crystallize.plugins.execution.processes.limits import Usage
from crystallize.plugins.execution.processes.linux import end_with, let_the_driver_go_first
from crystallize.plugins.execution.processes.messages import (
    ERROR,
    FORGET,
    FORGOTTEN,
    IMPORTED,
    IMPORTING,
    LIMITS,
    LOAD,
    LOADED,
    LOGGED,
    RETIRES,
    RUN,
    SHORTEN,
    STATE,
    UNLOADABLE,
    VALUE,
    Message,
    arrivals,
    pickled,
    receive,
    send,
    widen,
)
from crystallize.worker.clock import clock
from crystallize.worker.driver_state import DriverState
from crystallize.worker.interruption import Interruption
from crystallize.worker.logged import Logged, forwarding
from crystallize.worker.printed import print_whole_lines

SAFE_PATH = "PYTHONSAFEPATH"
"""Keeps a module in the working directory from being taken for one of the standard library."""
SAFE_PATH_KEPT = "CRYSTALLIZE_WORKER_SAFEPATH"
"""What the driver's own environment has under that name."""
WATCH_SECONDS = 1.0
"""How often a worker looks whether its driver is still there."""
IDLE_SECONDS = 60.0
"""How long a worker waits for another run before it ends."""

_NOTHING: Any = object()
"""What there is to call before anything was loaded; a callable may be ``None``."""


def serve(
    driver: int, lifeline: Connection, connection: Connection, crash: Connection | None
) -> None:
    """Run what a driver sends, until it or its pipe is gone.

    Parameters
    ----------
    driver : int
        Its process id.
    lifeline : Connection
        Whose other end only the driver has.
    connection : Connection
        Where messages come from and go to.
    crash : Connection or None
        Where the traceback goes if this process is ended by a fault of C code.
    """
    _tie_to(driver, lifeline)
    _look_like_a_program()
    print_whole_lines()
    if crash is not None:
        faulthandler.enable(crash.fileno(), all_threads=False)
    widen(connection)
    let_the_driver_go_first()
    kept: KeptState | None = None
    sender = _Sender(connection)
    forwarding.send = sender.log
    call = _NOTHING
    state: DriverState | None = None
    has_arrived = arrivals(connection)

    def interrupt(*_: object) -> None:
        """End the block that runs, if the driver asks for it: Ctrl-C alone is its to answer."""
        if has_arrived() and getattr(call, "strike", bool)():
            raise Interruption

    signal.signal(signal.SIGINT, interrupt)
    with suppress(EOFError, OSError):  # the driver is gone, or wants nothing more
        while call is not _NOTHING or connection.poll(IDLE_SECONDS):
            message = receive(connection)
            if message.kind == RUN:
                sender.run(call, message)
                continue
            if message.kind == SHORTEN:
                continue
            if message.kind == STATE:
                state = message.value()
                continue
            if message.kind == LIMITS:
                sender.usage = Usage(message.value())
                continue
            _close(call)
            if message.kind == FORGET and getattr(call, "leave_worker", None) is not None:
                send(connection, FORGOTTEN)
            if call is not _NOTHING:
                forwarding.end()
            call = _NOTHING  # and its memory free before the next one comes
            if kept is not None:
                kept.restore()
                kept = None
            if message.kind == LOAD:
                assert state is not None, "it is sent before"
                state.take_over()
                call = _load(message, connection)
                state.take_over()  # again, after what modules do when they are imported
                kept = KeptState()
                forwarding.begin()
                if hasattr(call, "is_to_end"):  # while a task runs, nothing but that is sent
                    call.is_to_end = has_arrived
                if getattr(call, "has_timeout", False):
                    clock.watch(sender.tell)
    _close(call)


class _Sender:
    """Answers tasks; meanwhile another thread may say that their time stands still.

    Attributes
    ----------
    usage : Usage
        What this process has come to by them.
    """

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._connection = connection
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._runs = False

    def run(self, call: Call, message: Message) -> None:
        """Run a task and answer it."""
        process = os.getpid()
        self._runs = True
        answer = _result(call, message, self.usage)
        self._runs = False
        if os.getpid() != process:
            os._exit(0)  # a child that the function forked: only its parent answers
        with self._lock:
            if self.usage.is_over:
                send(self._connection, RETIRES)
            send(self._connection, *answer)

    def log(self, record: Logged) -> None:
        """Send what was logged."""
        if os.getpid() == self._process:  # a child that a cell forked has no pipe of its own
            with self._lock, suppress(OSError):
                send(self._connection, LOGGED, pickle.dumps(record))

    def tell(self, importing: bool) -> None:
        """Say that a task's time stands still, or goes on."""
        if self._runs or not importing:
            with self._lock, suppress(OSError):
                send(self._connection, IMPORTING if importing else IMPORTED)


def _tie_to(driver: int, lifeline: Connection) -> None:
    """End with the driver, however it ends."""
    # Ctrl-C is the driver's to answer. Not ignored: programs that a cell starts inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):  # held up since before this process was
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    if sys.platform != "win32":
        threading.Thread(target=_die_with, args=(driver,), daemon=True).start()
    end_with(lifeline)


def _look_like_a_program() -> None:
    """Give cells what they would find in the program itself, where loky has put its own."""
    multiprocessing.set_start_method(None, force=True)  # the platform's default, not loky
    if os.environ.pop(SAFE_PATH_KEPT, "") == "":
        os.environ.pop(SAFE_PATH, None)


def _die_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _close(call: Any) -> None:
    """Let a callable give back what it opened in this process."""
    try:
        getattr(call, "close", lambda: None)()
    except Exception:
        traceback.print_exc()  # the run is over, and has what its cells came to


def _load(message: Message, connection: Connection) -> Any:
    try:
        call: Call = message.value()
    except BaseException:
        send(connection, UNLOADABLE, traceback.format_exc().encode())
        return _NOTHING
    send(connection, LOADED)
    return call


def _result(
    call: Call, message: Message, usage: Usage
) -> tuple[bytes, bytes, Sequence[memoryview]]:
    try:
        usage.check()
        task = usage.fitting(message.value())
        value = call(task)
        usage.count(task, value)
        return VALUE, *pickled(value)
    except BaseException as error:
        return ERROR, _pickled_error(error), ()


def _pickled_error(error: BaseException) -> bytes:
    text = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"In a worker process:\n{text}")
        payload: bytes = cloudpickle.dumps(error)
        pickle.loads(payload)
    except BaseException:
        # It does not survive the trip: send what it said instead.
        return pickle.dumps(CrystallizeError(f"{type(error).__name__} in a worker:\n{text}"))
    return payload
