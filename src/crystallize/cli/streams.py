"""Standard output belongs to the answer; all that anyone else prints goes to standard error.

A program may be started with any of its streams closed, and any may fail in the middle: the
disk is full, or who read has gone.  An answer that cannot be written is an error of its own; a
message that cannot be written is lost, and changes nothing else.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from crystallize.errors import ExportError
from crystallize.printable import printable
from crystallize.worker.printed import Forgiving, forgiving

GONE = (errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO, errno.EDQUOT)
"""What the system says of a stream that takes no more."""


def make_streams_usable() -> None:
    """Open what was closed, so that no file that is opened later takes a stream's number.

    What is written to a closed standard output fails, as to a full disk.
    """
    if sys.stdin is None:
        _open_as(0, os.O_RDONLY)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        _open_as(1, os.O_RDONLY)  # nothing can be written to it
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        _open_as(2, os.O_WRONLY)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    elif sys.stderr is sys.__stderr__:
        sys.stderr = forgiving(sys.stderr, line_buffering=True, write_through=True)
    if (given := sys.stdout) is sys.__stdout__ and given is not None:
        sys.stdout = answer = forgiving(given, line_buffering=given.isatty())
        answer.forgives = False


def _open_as(number: int, flags: int) -> None:
    """Open nothing at all under the number of a stream."""
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


@contextmanager
def answering() -> Iterator[None]:
    """Say as an :exc:`ExportError` that standard output takes no more.

    Raises
    ------
    ExportError
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if isinstance(error, ExportError) or error.errno not in GONE:
            raise
        _give_up_stdout()
        raise ExportError(f"Standard output could not be written: {error.strerror}.") from error


def _give_up_stdout() -> None:
    """Let what is still to be written go nowhere: the interpreter would fail when it ends."""
    with suppress(OSError):
        _open_as(1, os.O_WRONLY)


def say(text: object, *, err: bool = False) -> None:
    """Print a line, in which no text of others commands the terminal."""
    click.echo(printable(text), err=err)


def print_answer(text: str) -> None:
    """Print it, also on a terminal that lacks some of its characters.

    Raises
    ------
    ExportError
    """
    with answering():
        try:
            print(text)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode())


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr what is printed in this block, by child processes and C code too."""
    with suppress(OSError):  # the answer, which comes later, says so
        sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    lines = sys.stdout if isinstance(sys.stdout, Forgiving) else None
    before = lines is None or lines.line_buffering
    try:
        if lines is not None:
            lines.forgives = True
            lines.reconfigure(line_buffering=True)  # others write there too
        yield
    finally:
        if lines is not None:
            lines.reconfigure(line_buffering=before)
            _open_as(1, os.O_WRONLY)  # what could not be written is no part of the answer
            lines.flush()
            lines.forgives = False
        os.dup2(stdout, 1)
        os.close(stdout)
