"""A failed cell's exception, as text."""

from __future__ import annotations

import re
import traceback

from crystallize.cells.block import Failure
from crystallize.cells.metrics import MetricError

REFUSES_64_BITS = re.compile(
    r"(seed|random_state).*(2\s*(\*\*|\^)\s*32|4294967295|2147483647|32.bit)"
    r"|too large to convert to C (unsigned )?(int|long)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What libraries say of a seed that is too large for them."""


class TimedOut(Exception):
    """A cell that took longer than it may."""

    def __init__(self, timeout: float | None) -> None:
        super().__init__(f"took longer than {timeout:g} s")


def failure_of(offset: int, error: BaseException, frames: int = 1) -> Failure:
    """An exception as text, without so many frames around the user's function."""
    if isinstance(error, MetricError):
        return Failure.of_refused(offset, error)
    name, message = type(error).__name__, _message(error)
    report = f"{name}: {message}\n" if isinstance(error, TimedOut) else _report(error, frames)
    return Failure(offset, name, message, report)


def _message(error: BaseException) -> str:
    try:
        text = _printable(str(error))
        if REFUSES_64_BITS.search(text):
            text += " [`seed` has 64 bits; for a library that takes 32, ask for `seed32`]"
        return text
    except BaseException as failure:
        return f"<its text could not be made: {type(failure).__name__}>"


def _report(error: BaseException, frames: int) -> str:
    """The traceback from the user's function on; the frames around it are the strategy's."""
    trace = error.__traceback__
    try:
        for _ in range(frames):
            trace = trace and trace.tb_next
        lines = traceback.format_exception(type(error), error, trace)
        return _printable("".join(lines))
    except BaseException as failure:
        return f"{type(error).__name__}: <no traceback could be made: {type(failure).__name__}>\n"


def _printable(text: str) -> str:
    """Lone surrogates escaped, so that any stream and file takes the text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
