"""How far a run is: what is counted of it, for all who show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic, time

from crystallize.cells.failure_kinds import FailureKinds, by_message
from crystallize.cells.outcome import CellError
from crystallize.description.spec import ExperimentSpec
from crystallize.run.pace import Pace, shown_rate, shown_seconds
from crystallize.store.status import Failed, Known, Status

MOST_KINDS = 50
"""How many kinds of failures are told apart."""
LONGEST_MESSAGE = 500
"""How much of a message is kept."""


class Tally:
    """Counts the cells of a run.

    Parameters
    ----------
    experiment : ExperimentSpec
    strategy : str
    cells : int
        How many there will be, as far as one can tell.
    found : int
        How many had ended before the run.
    errors : iterable of CellError
        Of those.

    Attributes
    ----------
    name : str
    cells, found, done, failed : int
    known : str
        What is known so far, in a few words.
    """

    def __init__(
        self,
        experiment: ExperimentSpec,
        strategy: str,
        cells: int,
        found: int,
        errors: Iterable[CellError],
    ) -> None:
        self.name, self._strategy = experiment.name, strategy
        self._conditions = len(experiment.conditions)
        self.cells, self.found = cells, found
        self._kinds = FailureKinds(by_message, errors, MOST_KINDS)
        self.failed = sum(kind.cells for kind in self._kinds) + self._kinds.others
        self.done = found - self.failed
        self.known = ""
        self._rows: Sequence[Known] = ()
        self._enough = 0
        self._begun, self._clock = time(), monotonic()
        self._pace = Pace(self._clock, found)

    @property
    def ended(self) -> int:
        """How many cells came to an end."""
        return self.done + self.failed

    def expect(self, cells: int, known: str, rows: Sequence[Known], enough: int) -> None:
        """Learn how many cells there will be, and how well what is wanted is known."""
        self.cells, self.known, self._rows, self._enough = cells, known, rows, enough

    def add(self, done: int, errors: Iterable[CellError]) -> list[CellError]:
        """Count cells that came to an end; the errors that are the first of their kind."""
        self.done += done
        first = []
        for error in errors:
            self.failed += 1
            if self._kinds.add(error):
                first.append(error)
        self.cells = max(self.cells, self.ended)  # some run ahead
        return first

    def line(self) -> str:
        """It in one line, while the run goes on."""
        self._pace.look(monotonic(), self.ended)
        left = self._pace.seconds_for(max(0, self.cells - self.ended))
        remaining = [] if left is None else [f"{shown_seconds(left)} left"]
        return self._line(shown_rate(self._pace.rate), *remaining)

    def last_line(self) -> str:
        """It in one line, when the run has ended."""
        seconds = monotonic() - self._clock
        rate = (self.ended - self.found) / max(seconds, 1e-9)
        return self._line(shown_rate(rate), f"in {shown_seconds(seconds)}")

    def _line(self, *parts: str) -> str:
        known = [self.known] if self.known else []
        counts = f"{self.done} of {self.cells} cells done, {self.failed} failed"
        return ", ".join([counts, *parts, *known])

    def status(self, *, goes_on: bool = True) -> Status:
        """It as the store keeps it."""
        return Status(
            name=self.name,
            strategy=self._strategy,
            begun=self._begun,
            at=time(),
            cells=self.cells,
            found=self.found,
            done=self.done,
            failed=self.failed,
            kinds=tuple(
                Failed(
                    number, first.type, first.message[:LONGEST_MESSAGE], first.condition,
                    first.replicate, first.seed,
                )
                for number, first in self._kinds
            ),
            others=self._kinds.others,
            known=tuple(self._rows),
            conditions=self._conditions,
            enough=self._enough,
            goes_on=goes_on,
        )  # fmt: skip
