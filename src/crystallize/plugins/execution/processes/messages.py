"""What travels through a worker's pipe: pickled values, with large arrays beside them."""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

LARGE_BYTES = 2**14
"""From which size on an array travels beside its message, without being copied into it."""
BUFFER_BYTES = 2**20
"""How much may wait in a pipe, so that who sends a block need not wait for who reads it."""

LIMITS, STATE, LOAD, RUN, FORGET = b"m", b"s", b"l", b"r", b"f"
SHORTEN = b"h"
"""The task that runs is to end early; who has ended it meanwhile passes it over."""
LOADED, UNLOADABLE, VALUE, ERROR, FORGOTTEN = b"L", b"U", b"v", b"e", b"F"
IMPORTING, IMPORTED = b"i", b"I"
"""A task's time stands still, and goes on."""
RETIRES = b"R"
"""The answer that comes next is this worker's last: it wants to be replaced."""
LOGGED = b"g"
"""What a cell has logged: it comes at once, whatever becomes of the cell."""

HEAD = struct.Struct("!cI")
"""What a message is, and how many arrays come after it."""
SIZE = struct.Struct("!Q")


class Message:
    """A message that arrived.

    Attributes
    ----------
    kind : bytes
    content : memoryview
        Pickled.
    """

    def __init__(self, kind: bytes, content: memoryview, buffers: list[bytearray]) -> None:
        self.kind = kind
        self.content = content
        self._buffers = buffers

    def value(self) -> Any:
        """Unpickle it; whatever that raises."""
        return pickle.loads(self.content, buffers=self._buffers)


def widen(connection: Connection) -> None:
    """Let more wait in a pipe, as far as this system lets it."""
    if os.name != "posix":
        return
    with suppress(OSError):
        end = socket.socket(fileno=connection.fileno())
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        finally:
            end.detach()


def pickled(value: Any) -> tuple[bytes, list[memoryview]]:
    """A value, and the large arrays that are to be sent beside it.

    Raises
    ------
    Exception
        If it cannot be pickled.
    """
    large: list[memoryview] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes >= LARGE_BYTES:
            large.append(view)
        return view.nbytes < LARGE_BYTES

    try:
        return pickle.dumps(value, protocol=5, buffer_callback=stays_inside), large
    except Exception:  # slower, and for lambdas and what is defined in a notebook
        return cloudpickle.dumps(value), []


def send(
    connection: Connection, kind: bytes, content: bytes = b"", large: Sequence[memoryview] = ()
) -> None:
    """Send what :func:`pickled` gave, or any other bytes.

    Raises
    ------
    OSError
        If nobody listens any more.
    """
    sizes = b"".join(SIZE.pack(view.nbytes) for view in large)
    connection.send_bytes(b"".join((HEAD.pack(kind, len(large)), sizes, content)))
    for view in large:
        _write(connection, view)


def receive(connection: Connection) -> Message:
    """Wait for the next message.

    Raises
    ------
    OSError, EOFError
        If the other end is closed, also in the middle of a message.
    """
    content = memoryview(connection.recv_bytes())
    kind, count = HEAD.unpack_from(content)
    start = HEAD.size + count * SIZE.size
    buffers = [bytearray(size) for (size,) in SIZE.iter_unpack(content[HEAD.size : start])]
    for buffer in buffers:
        _read(connection, buffer)
    return Message(kind, content[start:], buffers)


def arrivals(connection: Connection) -> Callable[[], bool]:
    """What says whether there is a message; in a microsecond, but for Windows."""
    if os.name != "posix":
        return connection.poll
    pipe = select.poll()
    pipe.register(connection.fileno(), select.POLLIN)
    return lambda: bool(pipe.poll(0))


def _write(connection: Connection, view: memoryview) -> None:
    if os.name != "posix":
        connection.send_bytes(view)
        return
    while view:
        view = view[os.write(connection.fileno(), view) :]


def _read(connection: Connection, buffer: bytearray) -> None:
    if os.name != "posix":
        connection.recv_bytes_into(buffer)
        return
    view = memoryview(buffer)
    while view:
        count = os.readv(connection.fileno(), [view[:BUFFER_BYTES]])  # macOS refuses 2 GB at once
        if not count:
            raise EOFError
        view = view[count:]
