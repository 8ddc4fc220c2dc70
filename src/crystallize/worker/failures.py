"""A failed cell's exception, as text."""

from __future__ import annotations

import re
import traceback
from dataclasses import replace

from crystallize.cells.block import Failure
from crystallize.cells.metrics import MetricError
from crystallize.worker.retry_after import asked_wait

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


def failure_of(
    offset: int,
    error: BaseException,
    retried: tuple[type[BaseException], ...],
    frames: int = 1,
) -> Failure:
    """An exception as text, without so many frames around the user's function.

    Parameters
    ----------
    offset : int
        Which cell of its block.
    error : BaseException
    retried : tuple of exception types
        Which are tried again, beside what took too long.
    frames : int
        How many there are around the function.
    """
    is_late = isinstance(error, TimedOut)
    is_final = not (is_late or isinstance(error, retried))
    if isinstance(error, MetricError):
        return replace(Failure.of_refused(offset, error), is_final=is_final)
    name, message = type(error).__name__, _message(error)
    report = f"{name}: {message}\n" if is_late else _report(error, frames)
    wait = 0.0 if is_final else asked_wait(error)
    return Failure(offset, name, message, report, is_final=is_final, retry_after=wait)


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
