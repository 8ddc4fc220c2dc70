"""What a saved result says is checked before anyone believes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crystallize.cells.arrays import Array
from crystallize.cells.attempts import Attempt
from crystallize.cells.outcome import CellError
from crystallize.cells.warned import WarningRecord
from crystallize.checks import known, whole_number


def unique_names(where: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Entries by their names.

    Raises
    ------
    ValueError
        If a name is none, or stands twice.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name = entry["name"]
        if not isinstance(name, str) or name in found:
            raise ValueError(f"{where}: the name {name!r} stands twice, or is none")
        found[name] = entry
    return found


def check_done(done: Mapping[str, Array]) -> None:
    """Which cells finished: flags, under every condition as many as it has replicates.

    Raises
    ------
    ValueError
    """
    if not done:
        raise ValueError("it has no conditions")
    for condition, flags in done.items():
        if flags.dtype != np.bool_ or flags.ndim != 1:
            raise ValueError(f"{condition!r}: which cells finished is not a list of flags")


def check_metrics(metrics: Mapping[str, Mapping[str, Array]], done: Mapping[str, Array]) -> None:
    """One value a replicate in every column.

    Raises
    ------
    ValueError
    """
    for condition, arrays in metrics.items():
        for metric, values in arrays.items():
            if values.ndim < 1 or len(values) != len(done[condition]):
                raise ValueError(
                    f"{condition!r}, {metric!r}: values of shape {values.shape} for "
                    f"{len(done[condition])} replicates"
                )


def check_errors(
    errors: Sequence[CellError], replicates: Mapping[str, int], done: Mapping[str, Array] | None
) -> None:
    """One error a cell at most, of cells that there are and, where known, that have not finished.

    Raises
    ------
    ValueError
    """
    seen = set()
    for number, error in enumerate(errors):
        where = f"error {number}"
        known(f"{where}, condition", error.condition, "condition", replicates)
        whole_number(f"{where}, replicate", error.replicate)
        whole_number(f"{where}, seed", error.seed)
        whole_number(f"{where}, attempts", error.attempts)
        for field in ("type", "message", "traceback"):
            if not isinstance(getattr(error, field), str):
                raise ValueError(f"{where}: its {field} is no text")
        cell = error.condition, error.replicate
        there = error.replicate < replicates[error.condition]
        if there and done is not None:
            there = not done[error.condition][error.replicate]
        if not there or cell in seen:
            raise ValueError(f"{where}: {cell} finished, failed twice, or does not exist")
        seen.add(cell)


def check_attempts(attempts: Sequence[Attempt], replicates: Mapping[str, int]) -> None:
    """Attempts at cells that there are, each once.

    Raises
    ------
    ValueError
    """
    if any(attempt.replicate >= replicates[attempt.condition] for attempt in attempts):
        raise ValueError("an attempt is at a replicate that does not exist")
    if len({attempt.key for attempt in attempts}) < len(attempts):
        raise ValueError("an attempt stands twice")


def check_warnings(warnings: Sequence[WarningRecord], replicates: Mapping[str, int]) -> None:
    """Counts of texts, of cells that there are.

    Raises
    ------
    ValueError
    """
    for number, warning in enumerate(warnings):
        where = f"warning {number}"
        known(f"{where}, condition", warning.condition, "condition", replicates)
        whole_number(f"{where}, replicate", warning.replicate)
        whole_number(f"{where}, count", warning.count, least=1)
        if not isinstance(warning.category, str) or not isinstance(warning.message, str):
            raise ValueError(f"{where}: its category or message is no text")
        if warning.replicate >= replicates[warning.condition]:
            raise ValueError(f"{where}: replicate {warning.replicate} does not exist")
