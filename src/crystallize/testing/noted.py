"""A call for executors that are driven directly: it notes in a file where and when it ran."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from crystallize.contracts import Task
from crystallize.testing.trials import kill_worker
from crystallize.testing.watching import until

Step = float | Literal["raise", "lock", "kill", "kill once", "until asked"]
"""What a call does: take so many seconds, raise, give what does not travel, kill, or go on until
its task is asked to end."""
UNASKED_SECONDS = 6.0
"""How long it goes on where nobody asks."""


class Note(NamedTuple):
    """One call of a task; `ended` is infinite where it never did."""

    start: int
    process: int
    thread: int
    began: float
    ended: float


class Noted:
    """What an executor is given to call; pickled, it goes on noting in the same file.

    Parameters
    ----------
    folder : path
        Where the notes are kept.
    script : mapping of int to (float or str), optional
        The first replicate of a task -> what its call does.
    seconds : float
        How long all other calls take.

    Attributes
    ----------
    is_to_end : callable
        Says whether a task that runs here is to end early; for an executor to set.
    """

    def __init__(
        self, folder: Path, script: Mapping[int, Step] | None = None, seconds: float = 0.0
    ) -> None:
        self._file = str(folder / f"notes-{time.monotonic_ns()}")
        self._script = dict(script or {})
        self._seconds = seconds
        self._driver = os.getpid()
        self.is_to_end: Callable[[], bool] = bool
        Path(self._file).touch()

    def __call__(self, task: Task) -> Any:
        """Run a task: its value is made of it, so that no other's will do."""
        self._note("began", task.start)
        time.sleep(self._act(task.start))
        self._note("ended", task.start)
        return self._value(task.start)

    async def coroutine(self, task: Task) -> Any:
        """The same as a coroutine function."""
        self._note("began", task.start)
        await asyncio.sleep(self._act(task.start))
        self._note("ended", task.start)
        return self._value(task.start)

    def at(self, index: int) -> Any:
        """What a plain loop calls."""
        return self(Task(0, index, index + 1))

    async def coroutine_at(self, index: int) -> Any:
        """The same as a coroutine function."""
        return await self.coroutine(Task(0, index, index + 1))

    def notes(self) -> list[Note]:
        """Each call so far, in the order in which they began."""
        notes: list[Note] = []
        places: dict[tuple[str, ...], int] = {}
        for what, start, process, thread, at in self._lines():
            who = start, process, thread
            if what == "began":
                places[who] = len(notes)
                notes.append(Note(int(start), int(process), int(thread), float(at), float("inf")))
            elif what == "ended":
                notes[places[who]] = notes[places[who]]._replace(ended=float(at))
        return notes

    def arrivals(self) -> int:
        """How often it was unpickled."""
        return sum(what == "arrived" for what, *_ in self._lines())

    @staticmethod
    def expected(start: int) -> tuple[str, int]:
        """The value of a task that begins at a replicate."""
        return f"task {start}", start * start

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._note("arrived", 0)

    def _act(self, start: int) -> float:
        step = self._script.get(start, self._seconds)
        if step == "raise":
            raise LookupError(f"task {start}")
        if step == "kill once":
            flag = Path(f"{self._file}-{start}")
            step = 0.0 if flag.exists() else "kill"
            flag.touch()
        if step == "kill":
            kill_worker(self._driver)
        if step == "until asked":
            until(self.is_to_end, UNASKED_SECONDS)
        return step if isinstance(step, float | int) else 0.0

    def _value(self, start: int) -> Any:
        return threading.Lock() if self._script.get(start) == "lock" else self.expected(start)

    def _note(self, what: str, start: int) -> None:
        line = f"{what} {start} {os.getpid()} {threading.get_ident()} {time.monotonic()!r}\n"
        # One write, so that lines of several workers do not run into each other.
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in Path(self._file).read_text().splitlines()]


def most_at_once(notes: list[Note]) -> int:
    """How many calls ran at one time at the most."""
    steps = sorted(
        [(note.began, 1) for note in notes] + [(note.ended, -1) for note in notes],
    )
    running = most = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most
