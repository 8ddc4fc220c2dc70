"""What happened in a run, a line with a time stamp each, at the end of a file."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crystallize.cells.outcome import CellError
from crystallize.contracts import RunStatus
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import CrystallizeWarning, ExportError, described
from crystallize.run.progress import Lines, seconds_between_lines, stamped
from crystallize.run.tally import Tally
from crystallize.worker.noticed import noticing

_A_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class RunLog:
    """The log of one run; others may write to the same file meanwhile.

    Each line is written in one piece, so that whoever reads along sees whole ones.  A file that
    takes no more costs the lines, and not the run.

    Parameters
    ----------
    path : path
        Made where there is none; lines are added to what is there.
    name : str
        The experiment's, which every line has.

    Raises
    ------
    ExportError
        If it cannot be written to, or holds something else than a log.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._lines: Lines | None = None
        self._is_torn = self._has_failed = False
        self._tally: Tally | None = None
        try:
            self._file = _opened(path)
        except OSError as error:
            if isinstance(error, ExportError):
                raise
            raise ExportError(f"{path}: no log can be written there ({error.strerror}).") from error
        noticing.listeners.append(self._heard)
        noticing.begin()

    def begun(self, experiment: ExperimentSpec, strategy: str, tally: Tally) -> None:
        """Say what begins, and from now on how far it is.

        Raises
        ------
        ExportError
            If that cannot be written.
        """
        many = len(experiment.conditions)
        text = (
            f"begun: seed {experiment.seed}, {tally.cells} cells of {many} "
            f"condition{'s' if many > 1 else ''}, strategy {strategy}, process {os.getpid()}"
        )
        if (why := self._put(text)) is not None:
            raise ExportError(f"{self._path}: the log takes no line ({why}).")
        if tally.found:
            self.write(f"found: {tally.done} cells done and {tally.failed} failed in the store")
        self._tally = tally
        self._lines = Lines(tally, self._progress, seconds_between_lines())

    def failed(self, errors: Iterable[CellError]) -> None:
        """Say of failures that are the first of their kind what they are."""
        for e in errors:
            self.write(
                f"failed: condition {e.condition!r}, replicate {e.replicate}, seed {e.seed}: "
                f"{e.type}: {e.message}"
            )

    def look(self) -> None:
        """See whether it is time to say how far the run is."""
        if self._lines is not None:
            self._lines.look()

    def ended(self, status: RunStatus, error: BaseException | None, reason: str) -> None:
        """Say how the run ended."""
        told = [] if error is None or status == "interrupted" else [described(error)]
        told += [reason] if reason else []
        counts = [] if self._tally is None else [self._tally.last_line()]
        self.write(f"{status}: {'; '.join([*counts, *told])}")

    def close(self) -> None:
        """Write no more."""
        noticing.end()
        noticing.listeners.remove(self._heard)
        os.close(self._file)
        self._file, self._has_failed = -1, True  # whoever is left behind writes to no other file

    def write(self, text: str) -> None:
        """Write one line, or say once that none can be written."""
        why = self._put(text)
        if why is not None and not self._has_failed:
            self._has_failed = True
            warnings.warn(
                f"{self._path}: the log takes no more lines ({why}). The run goes on, and loses "
                "none of its cells.",
                CrystallizeWarning,
                stacklevel=3,
            )

    def _put(self, text: str) -> str | None:
        """Write one line; if that cannot be done, why."""
        line = f"{stamped(f'{self._name}: {text}')}\n".encode(errors="backslashreplace")
        try:
            written = os.write(self._file, b"\n" * self._is_torn + line)
        except OSError as error:
            return error.strerror or str(error)
        self._is_torn = written < len(line)
        return "there is no room" if self._is_torn else None

    def _progress(self, text: str) -> None:
        self.write(f"progress: {text.removeprefix(f'{self._name}: ')}")

    def _heard(self, message: Warning | str, category: type[Warning]) -> None:
        self.write(f"warning: {category.__name__}: {message}")


def _opened(path: Path) -> int:
    """A file to which lines are added.

    Raises
    ------
    OSError
    """
    if path.exists():
        if not stat.S_ISREG(path.stat().st_mode):
            raise ExportError(f"{path}: a log is a regular file, and this is none. Name another.")
        with path.open("rb") as there:
            first = there.read(len("2000-01-01T00:00:00"))
        if first and not _A_LINE.fullmatch(first):
            raise ExportError(
                f"{path}: there is a file already, which is no log: its first line has no time. "
                "Name another."
            )
    flags: Any = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600)
