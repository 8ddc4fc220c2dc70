"""A run that goes on, seen from outside: what its driver says of it in its store."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from crystallize.cells.plain import json_data
from crystallize.cli.streams import print_answer
from crystallize.errors import StoreError
from crystallize.printable import one_line
from crystallize.run.pace import Pace, shown_rate, shown_seconds
from crystallize.run.progress import stamped
from crystallize.store.lock import is_locked
from crystallize.store.sqlite import Store
from crystallize.store.status import Status

KINDS = 10
"""How many kinds of failures are shown."""
CONDITIONS = 10
"""Of how many conditions it is shown how well they are known."""
BACK = "\x1b[{lines}F\x1b[J"
"""Has a terminal go back so many lines, and forget what stands there."""
OK, NOT_ALL_DONE = 0, 1


class Look:
    """What is seen of a run at one moment.

    Parameters
    ----------
    status : Status
    pace : Pace
    driver : bool or None
        Whether its driver lives; ``None`` where nobody can know.
    """

    def __init__(self, status: Status, pace: Pace, driver: bool | None) -> None:
        self.status = status
        self.rate = pace.rate
        self.left = pace.seconds_for(status.missing)
        self.driver = driver
        self.age = max(0.0, time.time() - status.at)

    @property
    def is_over(self) -> bool:
        """Whether nothing further will come."""
        return self.driver is False or (self.driver is None and not self.status.goes_on)

    @property
    def is_all_done(self) -> bool:
        """Whether all cells have metrics."""
        return not (self.status.failed or self.status.missing)

    @property
    def state(self) -> str:
        """What became of the run, in a few words."""
        status = self.status
        if not self.is_over:
            return f"running, {self._driver}, as of {shown_seconds(self.age)} ago"
        if status.goes_on:
            return (
                f"its driver is gone, process {status.pid} on {one_line(status.host)}; what it had "
                "finished is in the store, and a further run resumes"
            )
        if status.missing:
            return "ended before all cells were; a further run resumes"
        return "ended"

    @property
    def _driver(self) -> str:
        status = self.status
        where = f"process {status.pid} on {one_line(status.host)}"
        return f"{where} lives" if self.driver else f"{where}, of which nothing is known here"

    def line(self) -> str:
        """It in one line."""
        return ", ".join([self._counts(), *self._speed(), self.state])

    def lines(self) -> list[str]:
        """All of it."""
        status = self.status
        name, strategy = one_line(status.name), one_line(status.strategy)
        found = [
            f"{name}, strategy {strategy}: {self.state}",
            ", ".join([self._counts(), *self._speed()]),
        ]
        found += self._known()
        found += self.failures()
        return found

    def failures(self) -> list[str]:
        """Each kind of failures, the most frequent first."""
        status = self.status
        shown, more = status.kinds[:KINDS], status.kinds[KINDS:]
        rows = [
            f"failed {kind.cells} times: {one_line(kind.type)}: {one_line(kind.message)} "
            f"(first: condition {one_line(kind.condition)!r}, replicate {kind.replicate}, "
            f"seed {kind.seed})"
            for kind in shown
        ]
        if rest := sum(kind.cells for kind in more) + status.others:
            rows.append(f"failed {rest} times in other ways")
        return rows

    def to_json(self) -> dict[str, Any]:
        """It as data that JSON has."""
        return {
            **self.status.to_json(), "missing": self.status.missing, "rate": self.rate,
            "seconds_left": self.left, "driver_lives": self.driver, "seconds_ago": self.age,
            "over": self.is_over,
        }  # fmt: skip

    def _counts(self) -> str:
        status = self.status
        return f"{status.done} of {status.cells} cells done, {status.failed} failed"

    def _speed(self) -> list[str]:
        if self.is_over:
            return []
        left = [] if self.left is None else [f"{shown_seconds(self.left)} left"]
        return [shown_rate(self.rate), *left]

    def _known(self) -> Iterator[str]:
        status = self.status
        if not (status.known or status.enough):
            return
        yield f"{status.enough} of {status.conditions} conditions have replicates enough"
        for row in status.known[:CONDITIONS]:
            yield (
                f"{one_line(row.condition)}: {one_line(row.of)} of {one_line(row.metric)} "
                f"\N{PLUS-MINUS SIGN}{row.half_width:.3g} of {row.target:.3g}, from {row.n}"
            )
        if len(status.known) > CONDITIONS:
            yield "… and others that are known better"


def watch(store: Path, interval: float, *, as_json: bool) -> int:
    """Show a run until it is over; what the command is to exit with.

    Raises
    ------
    StoreError
        If there is no such store, or its driver says nothing of its run.
    """
    show = _as_json if as_json else _redrawn() if sys.stdout.isatty() else _appended()
    pace: Pace | None = None
    while True:
        # The lock first: who ends between the two says so in what is read then.
        locked = is_locked(store)
        status = _status(store)
        if status is not None:
            pace = pace or Pace(status.begun, status.found)
            pace.look(status.at, status.ended)
            look = Look(status, pace, _lives(status, locked))
            show(look)
            if look.is_over:
                return OK if look.is_all_done else NOT_ALL_DONE
        elif locked is False:
            raise StoreError(
                f"{store}: nothing is known of how far its run is, and no run has it now. "
                "'crystallize show' without --watch says what is in it."
            )
        time.sleep(interval)


def _status(path: Path) -> Status | None:
    """What the store says of its run; opened for that moment alone, so that nobody waits.

    Raises
    ------
    StoreError
    """
    with Store(path, read_only=True) as store:
        given = store.status
    if given is None:
        return None
    try:
        return Status.from_json(given)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: the store is damaged where it says how far its run is ({error})."
        ) from error


def _lives(status: Status, locked: bool | None) -> bool | None:
    """Whether the driver of a run lives, where that can be known: by its lock, on its machine."""
    if locked:
        return True
    if not status.is_here:
        return None
    return _is_process(status.pid) if locked is None else False


def _is_process(number: int) -> bool | None:
    """Whether there is such a process here; where locks cannot be asked for."""
    if os.name != "posix":  # elsewhere to ask is to end it
        return None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return None  # somebody else's, or none that could be
    return True


def _as_json(look: Look) -> None:
    print_answer(json.dumps(json_data(look.to_json()), allow_nan=False))


def _redrawn() -> Callable[[Look], None]:
    """What shows a look in the place of the last one."""
    lines = 0

    def show(look: Look) -> None:
        nonlocal lines
        columns, rows = shutil.get_terminal_size()
        shown = [part for line in look.lines() for part in _wrapped(line, columns)]
        if not look.is_over:  # further up a terminal does not go back
            shown = shown[: max(1, rows - 1)]
        back = BACK.format(lines=lines) if lines else ""
        print_answer(back + "\n".join(shown))
        lines = len(shown)

    return show


def _wrapped(line: str, columns: int) -> list[str]:
    return textwrap.wrap(line, max(20, columns - 1), subsequent_indent="  ")


def _appended() -> Callable[[Look], None]:
    """What adds a line for each look that has news, and at the end all there is to say."""
    before: Status | None = None

    def show(look: Look) -> None:
        nonlocal before
        if look.is_over:
            for line in look.lines():
                print_answer(stamped(line))
        elif look.status != before:
            print_answer(stamped(look.line()))
        before = look.status

    return show
