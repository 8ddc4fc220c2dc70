"""The worker's side of a pool of processes: answer messages, and end with the driver."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

if sys.platform == "linux":
    import fcntl

import cloudpickle

from crystallize.errors import CrystallizeError
from crystallize.plugins.execution.messages import (
    ERROR,
    FORGET,
    LOAD,
    LOADED,
    UNLOADABLE,
    VALUE,
    Message,
    pickled,
    receive,
    send,
    widen,
)

WATCH_SECONDS = 1.0
"""How often a worker looks whether its driver is still there."""
IDLE_SECONDS = 60.0
"""How long a worker waits for another run before it ends."""

_held: list[Connection] = []


def serve(driver: int, lifeline: Connection, connection: Connection) -> None:
    """Run what a driver sends, until it or its pipe is gone.

    Parameters
    ----------
    driver : int
        Its process id.
    lifeline : Connection
        Whose other end only the driver has.
    connection : Connection
        Where messages come from and go to.
    """
    _tie_to(driver, lifeline)
    widen(connection)
    if hasattr(os, "SCHED_BATCH"):
        # Being woken with a task must not stop the driver from waking the others.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    call: Callable[[Any], Any] | None = None
    with suppress(EOFError, OSError):  # the driver is gone, or wants nothing more
        while call is not None or connection.poll(IDLE_SECONDS):
            message = receive(connection)
            if message.kind == LOAD:
                call = None  # and its memory free before the next one comes
                call = _load(message, connection)
            elif message.kind == FORGET:
                call = None
            elif call is not None:
                send(connection, *_result(call, message))


def _tie_to(driver: int, lifeline: Connection) -> None:
    """End with the driver, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    if sys.platform != "win32":
        threading.Thread(target=_die_with, args=(driver,), daemon=True).start()
    if sys.platform == "linux":
        # When the driver is gone so is the other end of the pipe, and the kernel's signal, which
        # nobody handles, ends this process: also while a cell holds the GIL.
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
        _held.append(lifeline)


def _die_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _load(message: Message, connection: Connection) -> Callable[[Any], Any] | None:
    try:
        call: Callable[[Any], Any] = message.value()
    except BaseException:
        send(connection, UNLOADABLE, traceback.format_exc().encode())
        return None
    send(connection, LOADED)
    return call


def _result(
    call: Callable[[Any], Any], message: Message
) -> tuple[bytes, bytes, Sequence[memoryview]]:
    try:
        return VALUE, *pickled(call(message.value()))
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
