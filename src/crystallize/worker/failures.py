"""A failed cell's exception, as text."""

from __future__ import annotations

import traceback

from crystallize.cells.block import Failure
from crystallize.cells.metrics import MetricError


class TimedOut(Exception):
    """A cell that took longer than it may."""

    def __init__(self, timeout: float | None) -> None:
        super().__init__(f"took longer than {timeout:g} s")


def failure_of(offset: int, error: BaseException) -> Failure:
    """An exception as text."""
    name, message = type(error).__name__, _message(error)
    report = (
        f"{name}: {message}\n" if isinstance(error, (MetricError, TimedOut)) else _report(error)
    )
    return Failure(offset, name, message, report)


def _message(error: BaseException) -> str:
    try:
        return _printable(str(error))
    except BaseException as failure:
        return f"<its text could not be made: {type(failure).__name__}>"


def _report(error: BaseException) -> str:
    """The traceback from the user's function on; the frames around it are the strategy's."""
    trace = error.__traceback__
    try:
        lines = traceback.format_exception(type(error), error, trace and trace.tb_next)
        return _printable("".join(lines))
    except BaseException as failure:
        return f"{type(error).__name__}: <no traceback could be made: {type(failure).__name__}>\n"


def _printable(text: str) -> str:
    """Lone surrogates escaped, so that any stream and file takes the text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
