"""What a user is told of single cells, beside their errors; each once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from crystallize.callables import function_name
from crystallize.cells.warned import Notices
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import (
    CellLeftBehindWarning,
    ExecutorError,
    GlobalRandomWarning,
    SharedStateWarning,
)
from crystallize.run.failures import Cell
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.global_random import STDLIB
from crystallize.worker.noticed import show

SHOWN_TEXTS = 100
"""How many warnings of one place in the code are shown."""

Place = tuple[str, str, int]
"""A category, and the file and line that is warned of."""


class CellWarnings:
    """Names the cells that did something which a user should know.

    Parameters
    ----------
    experiment : ExperimentSpec
    call : BlockCall
        Knows which cells are running in this process.
    draws_global_random : bool
        Whether the executor itself draws from Python's global generator.
    """

    def __init__(
        self, experiment: ExperimentSpec, call: BlockCall, *, draws_global_random: bool
    ) -> None:
        self._experiment = experiment
        self._call = call
        self._random_told = {STDLIB} if draws_global_random else set()
        self._state_told: set[str] = set()
        self._left_told: set[Cell] = set()
        self._shown: dict[Place, set[str]] = {}

    def of_global_random(self, touched: tuple[str, ...]) -> None:
        """Say that cells drew from global generators."""
        new = [name for name in touched if name not in self._random_told]
        if not new:
            return
        self._random_told.update(new)
        warnings.warn(
            f"{function_name(self._experiment.function)} draws from the global generator of "
            f"{' and '.join(new)}, so its numbers cannot be reproduced. Ask for 'rng' (a "
            "numpy.random.Generator) or 'seed' as a parameter instead.",
            GlobalRandomWarning,
            stacklevel=2,
        )

    def of_state(self, changed: tuple[str, ...]) -> None:
        """Say that cells changed what others read."""
        new = [name for name in changed if name not in self._state_told]
        if not new:
            return
        self._state_told.update(new)
        warnings.warn(
            f"Cells of {function_name(self._experiment.function)} change {' and '.join(new)}, and "
            "read it, so numbers can depend on which cells share a process. Make it inside the "
            "function, or give it as a parameter; what follows from arguments alone may be kept by "
            "functools.cache.",
            SharedStateWarning,
            stacklevel=2,
        )

    def of_cells(self, given: Iterable[Notices]) -> None:
        """Show what cells warned of, as Python does: each text of each place in the code once.

        All of it is in the result; of a place that has ever new texts only some are shown.
        """
        for notice in [notice for notices in given for notice in notices]:
            texts = self._shown.setdefault((notice.category, notice.file, notice.line), set())
            if notice.message not in texts and len(texts) < SHOWN_TEXTS:
                texts.add(notice.message)
                show(notice)

    def of_cells_left(self, holder: Cell | None = None) -> None:
        """Say which cells are still running although the run has ended.

        Parameters
        ----------
        holder : (int, int), optional
            The one that holds up its event loop, where it is known.
        """
        running = self._running(holder)
        cells = [self._called(cell) for cell in running if cell not in self._left_told]
        self._left_told.update(running)
        if not cells:
            return
        several = len(cells) > 1
        shown = ", ".join(cells[:3]) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")
        warnings.warn(
            f"{shown} did not end when the run ended, and {'were' if several else 'was'} left "
            "behind: the function holds up its event loop, swallows its cancellation, or cannot "
            "be ended from outside.",
            CellLeftBehindWarning,
            stacklevel=2,
        )

    def stuck(self, holder: Cell | None) -> ExecutorError:
        """The error of a run whose event loop is held up by a cell."""
        cells = " or ".join(self._called(cell) for cell in self._running(holder)[:3])
        return ExecutorError(
            f"The event loop is held up by a cell: {cells or 'none is known'} took longer than "
            f"timeout={self._experiment.timeout:g} without ever giving way to others, and cannot "
            "be ended. Await in it, or run blocking code in processes (executor_type='process'). "
            "What had finished is on this exception as .result."
        )

    def _running(self, holder: Cell | None) -> list[Cell]:
        return self._call.under_way() if holder is None else [holder]

    def _called(self, cell: Cell) -> str:
        condition, replicate = cell
        name = tuple(self._experiment.conditions)[condition]
        return f"replicate {replicate} of condition {name!r}"
