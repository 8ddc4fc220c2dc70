"""What a failed cell leads to: another attempt, an error, or the end of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from crystallize.cells.block import Failure
from crystallize.cells.outcome import CellError
from crystallize.contracts import Task
from crystallize.description.spec import ExperimentSpec

ENGINE_LOSSES = 3
"""How many cells in a row may be lost alone before it is the engine's fault, not theirs."""
SURELY = 3
"""How many cells tell that a function never returns what can be kept: one may be a chance."""
LOST = "WorkerLost"
"""The ``type`` of the error of a cell that took its worker down."""

Cell = tuple[int, int]
"""The index of the condition, and the replicate."""


class FailurePolicy:
    """Decides on failed cells, and keeps the errors of a run.

    Parameters
    ----------
    experiment : ExperimentSpec
    loss_is_the_tasks : bool
        Whether the executor's losses are always the doing of the task that was lost.

    Attributes
    ----------
    errors : dict
        (condition, replicate) -> error, of all cells that failed for good.
    hopeless : CellError or None
        That of the first cell of a condition of which nothing can be kept.
    ends_the_run : bool
        Whether enough has failed to end the run.
    lost : dict
        (condition, replicate) -> error, of cells that were lost alone and wait for a verdict.
    """

    def __init__(self, experiment: ExperimentSpec, *, loss_is_the_tasks: bool) -> None:
        self.errors: dict[tuple[str, int], CellError] = {}
        self.hopeless: CellError | None = None
        self.ends_the_run = False
        self._refused: dict[int, list[CellError]] = {}
        self._experiment = experiment
        self._names = tuple(experiment.conditions)
        self._loss_is_the_tasks = loss_is_the_tasks
        self._attempts: dict[Cell, int] = {}
        self.lost: dict[Cell, CellError] = {}
        self._wanted: Mapping[str, int] | None = None
        self._counted = 0

    @property
    def raises(self) -> bool:
        """Whether the first failed cell ends the run."""
        return self._experiment.on_error == "raise"

    @property
    def too_many(self) -> bool:
        """Whether more cells failed than may."""
        allowed = self._experiment.max_failures
        if allowed is None:
            return False
        if isinstance(allowed, float):
            allowed = allowed * self._experiment.cells
        return self._count > allowed

    def found(self, errors: Mapping[tuple[str, int], CellError]) -> None:
        """Take the errors of cells that had failed before the run."""
        self.errors.update(errors)
        self._judge()

    def next_try(self, cell: Cell, failure: Failure) -> float | None:
        """Count one attempt at a cell.

        Returns
        -------
        float or None
            After how many seconds it is tried again; ``None`` where it is not.
        """
        attempt = self._attempts[cell] = self._attempts.get(cell, 0) + 1
        retry = self._experiment.retry
        if failure.is_final or attempt > retry.times:
            return None
        condition, replicate = cell
        seeding = self._experiment.seeding.of(self._names[condition])
        draw = partial(seeding.share_of_try, replicate, attempt)
        return max(retry.seconds_after(attempt, draw), failure.retry_after)

    def failed(self, cell: Cell, failure: Failure) -> CellError:
        """Keep the error of a cell that is not tried again."""
        error = self._error(cell, failure)
        self._keep(error)
        if failure.refused:
            self._refused.setdefault(cell[0], []).append(error)
        return error

    def none_finished(self, condition: int) -> None:
        """Learn that no cell of a condition has finished, after one came to a refused value.

        Where that was so of the first few, it would be of all, however long they take.
        """
        refused = self._refused.get(condition, ())
        start, stop = self._experiment.parts[self._names[condition]]
        if SURELY <= len(refused) < stop - start and self.hopeless is None:
            self.hopeless = min(refused, key=lambda error: error.replicate)
            self._judge()

    def lost_alone(self, task: Task, failure: Failure) -> list[CellError]:
        """Judge a cell that was lost while it ran alone, and is not tried again.

        One cell after another lost, with no success between them, is no cell's
        doing: until something succeeds, or nothing is left to run, the errors wait.

        Returns
        -------
        list of CellError
            What is certain now.
        """
        cell = task.condition, task.start
        self.lost[cell] = self._error(cell, failure)
        return self.losses_are_certain() if self._loss_is_the_tasks else []

    @property
    def engine_is_broken(self) -> bool:
        """Whether so many cells were lost alone in a row that it is no fault of theirs."""
        return len(self.lost) >= ENGINE_LOSSES

    def losses_are_certain(self) -> list[CellError]:
        """Learn that the engine works: who was lost alone took its worker down."""
        if not self.lost:
            return []
        certain = list(self.lost.values())
        self.lost.clear()
        for error in certain:
            self._keep(error)
        return certain

    def in_order(self) -> Sequence[CellError]:
        """The errors in replicate order."""
        order = {name: place for place, name in enumerate(self._names)}
        return sorted(self.errors.values(), key=lambda e: (e.replicate, order[e.condition]))

    def count_only(self, wanted: Mapping[str, int]) -> None:
        """Learn which replicates will be in the result for certain: those below these.

        It is nothing if others fail, which run ahead: or else it would depend on how far ahead
        they run whether the run ends.
        """
        self._wanted = wanted
        self._counted = sum(map(self._is_wanted, self.errors.values()))
        self._judge()

    @property
    def _count(self) -> int:
        return len(self.errors) if self._wanted is None else self._counted

    def _is_wanted(self, error: CellError) -> bool:
        return self._wanted is None or error.replicate < self._wanted[error.condition]

    def _keep(self, error: CellError) -> None:
        self.errors[error.condition, error.replicate] = error
        self._counted += self._is_wanted(error)
        self._judge()

    def _judge(self) -> None:
        failed = bool(self._count) and (self.raises or self.too_many)
        self.ends_the_run = failed or self.hopeless is not None

    def _error(self, cell: Cell, failure: Failure) -> CellError:
        condition, replicate = cell
        return CellError(
            condition=self._names[condition],
            replicate=replicate,
            seed=self._experiment.seeding.of(self._names[condition]).seed(replicate),
            type=failure.type,
            message=failure.message,
            traceback=failure.traceback,
            attempts=self._attempts.pop(cell),
        )
