"""Progress on standard error: a bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

from crystallize.checks import above_zero
from crystallize.description.spec import Progress
from crystallize.errors import InvalidValueError
from crystallize.printable import one_line
from crystallize.run.tally import Tally

EVERY = "CRYSTALLIZE_PROGRESS_SECONDS"
"""The environment variable that says how often there is a line, where not every minute."""
MINUTE = 60.0


class Display(Protocol):
    """What shows how far a run is."""

    def look(self) -> None:
        """See what there is to show; called many times a second."""

    def close(self) -> None:
        """Show how far the run came."""


def progress_of(tally: Tally, shown: Progress) -> list[Display]:
    """What shows progress on standard error, if anything does.

    Parameters
    ----------
    tally : Tally
    shown : bool or "long"
        Whether to show any; with ``"long"``, only of a run that takes longer than a minute.

    Raises
    ------
    InvalidValueError
        If the environment variable is no number of seconds.
    """
    if not shown:
        return []
    every, only_long = seconds_between_lines(), shown == "long"
    if _takes_a_bar():
        return [_Bar(tally, every if only_long else 0.0)]
    return [Lines(tally, _to_stderr, every, last=not only_long)]


def seconds_between_lines() -> float:
    """How often there is a line.

    Raises
    ------
    InvalidValueError
        If the environment variable is no number of seconds.
    """
    given = os.environ.get(EVERY)
    if not given:
        return MINUTE
    try:
        return above_zero(EVERY, float(given))
    except ValueError as error:
        raise InvalidValueError(EVERY, given, "a number of seconds above 0") from error


def stamped(text: str) -> str:
    """A line with the time in front of it."""
    return f"{datetime.now().astimezone().isoformat(timespec='seconds')} {one_line(text)}"


class Lines:
    """A line every so many seconds, written by who is given them.

    No thread sees to it: cells may fork this process.  So a line waits for a cell to end where an
    executor runs them in the driver itself.

    Parameters
    ----------
    tally : Tally
    write : callable
    every : float
        Seconds.
    last : bool
        Whether there is one at the end of a run that had none before.
    """

    def __init__(
        self, tally: Tally, write: Callable[[str], None], every: float, *, last: bool = True
    ) -> None:
        self._tally, self._write, self._every = tally, write, every
        self._due = monotonic() + every
        self._last = last

    def look(self) -> None:
        if (now := monotonic()) < self._due:
            return
        self._due = now + self._every
        self._last = True
        self._write(f"{self._tally.name}: {self._tally.line()}")

    def close(self) -> None:
        if self._last:
            self._write(f"{self._tally.name}: {self._tally.last_line()}")


class _Bar:
    """A tqdm bar.

    Parameters
    ----------
    tally : Tally
    delay : float
        After how many seconds it is shown.
    """

    def __init__(self, tally: Tally, delay: float) -> None:
        self._tally = tally
        self._postfix: dict[str, Any] = {}
        self._bar: Any = _bar_class()(
            total=tally.cells, initial=tally.found, desc=one_line(tally.name), unit="cell",
            dynamic_ncols=True, delay=delay,
        )  # fmt: skip

    def look(self) -> None:
        tally, bar = self._tally, self._bar
        bar.total = tally.cells
        postfix = {"known": tally.known, "failed": tally.failed}
        postfix = {name: value for name, value in postfix.items() if value}
        if postfix != self._postfix:
            self._postfix = postfix
            bar.set_postfix(postfix, refresh=False)
        if tally.ended > bar.n:
            bar.update(tally.ended - bar.n)

    def close(self) -> None:
        self.look()
        self._bar.close()


def _takes_a_bar() -> bool:
    """Whether who looks at standard error sees lines replaced: a terminal, or a notebook."""
    with suppress(AttributeError, ValueError):
        return sys.stderr.isatty() or "ipykernel" in sys.modules
    return False


def _to_stderr(text: str) -> None:
    """Write a line in one piece, behind all that cells have printed here."""
    with suppress(OSError, ValueError, AttributeError):
        if not getattr(sys.stdout, "line_buffering", False):  # else it has whole lines by itself
            sys.stdout.flush()
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{stamped(text)}\n")
        sys.stderr.flush()


def _bar_class() -> Any:
    """The bar that fits: a notebook's own, or text, also in a notebook that has no widgets.

    tqdm warns where these are missing, of what nobody has to see to: text does as well.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        from tqdm.auto import tqdm
    return tqdm
