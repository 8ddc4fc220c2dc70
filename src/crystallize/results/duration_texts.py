"""How long cells took, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.durations import DurationColumn, DurationSummary, summed
from crystallize.printable import one_line

WORTH_SAYING = 0.1
"""From how many seconds a cell on the commands say how long cells took: then it matters."""
MOST_LINES = 20
"""Of how many conditions each has a line."""
MINUTE, HOUR = 60, 3600


class CellDurations(Mapping[str, npt.NDArray[np.float64]]):
    """Condition -> seconds of each cell, position = replicate, NaN where that is not known.

    Shown, it is the mean and the 95% quantile of each condition.
    """

    def __init__(self, columns: Mapping[str, DurationColumn]) -> None:
        self.columns = columns

    def __getitem__(self, condition: str) -> npt.NDArray[np.float64]:
        return self.columns[condition].values().astype(np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return "\n".join(duration_lines(self.summaries(), at_least=0.0))

    def summaries(self) -> dict[str, DurationSummary]:
        """Condition -> what is shown of its durations."""
        return {name: summed(column.durations()) for name, column in self.columns.items()}


def duration_rows(summaries: Mapping[str, DurationSummary]) -> list[dict[str, Any]]:
    """A row for each condition: of how many cells it is known, mean and 95% quantile."""
    return [
        {"condition": name, "n": summary.cells, "mean": summary.mean, "p95": summary.p95}
        for name, summary in summaries.items()
    ]


def duration_lines(
    summaries: Mapping[str, DurationSummary], at_least: float = WORTH_SAYING
) -> list[str]:
    """A line for each condition, where the cells of any took so many seconds on average."""
    known = {name: one for name, one in summaries.items() if one.cells}
    if all((one.mean or 0.0) < at_least for one in known.values()):
        return []
    lines = [
        f"duration of {one_line(name)}: mean {shown_duration(one.mean)}, "
        f"p95 {shown_duration(one.p95)}"
        for name, one in islice(known.items(), MOST_LINES)
    ]
    more = len(known) - len(lines)
    return [*lines, f"… and {more} more conditions"] if more else lines


def shown_duration(seconds: float | None) -> str:
    """A duration with three digits.

    Examples
    --------
    >>> [shown_duration(s) for s in (2.5e-7, 0.0123, 1.2, 59.96, 75, 7300)]
    ['0.25 µs', '12.3 ms', '1.20 s', '60.0 s', '1 min 15 s', '2 h 2 min']
    """
    if seconds is None:
        return "-"
    if seconds >= HOUR:
        minutes = round(seconds / MINUTE)
        return f"{minutes // 60} h {minutes % 60} min"
    if seconds >= MINUTE:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    if seconds >= 1:
        return f"{seconds:#.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
