"""What one cell came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CellError:
    """Why a cell has no metrics; data only, whatever the exception was.

    Attributes
    ----------
    condition : str
    replicate : int
    seed : int
        The replicate's seed, to reproduce it by hand.
    type : str
        The name of the exception's class.
    message : str
        The exception's text.
    traceback : str
        The formatted traceback, from the function on.
    attempts : int
        How often the cell was tried.
    """

    condition: str
    replicate: int
    seed: int
    type: str
    message: str
    traceback: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cell came to.

    Attributes
    ----------
    condition : str
    replicate : int
    metrics : dict or None
        Metric name -> value, or ``None`` where the cell failed.
    error : CellError or None
    """

    condition: str
    replicate: int
    metrics: dict[str, Any] | None
    error: CellError | None = None
