"""What a report is of: a result, or a file that holds one; nothing in it is run or imported."""

from __future__ import annotations

from pathlib import Path

from crystallize import Result
from crystallize.plugins import is_saved

FEW = 2_000_000
"""How many values of a store are all read; of more only what summaries need of them."""


def opened(source: Result | str | Path) -> Result:
    """A result, the one that was saved in a file, or what is in a store.

    Raises
    ------
    StoreError, ResultFileError
        If the file is neither.
    """
    if isinstance(source, Result):
        return source
    path = Path(source)
    if is_saved(path):
        return Result.load(path)
    # Page by page first, in memory that does not grow with the number of replicates.
    result = Result.from_store(path, keep="summary")
    metrics = {row["metric"] for row in result.summary()}
    if result.cells * len(metrics) <= FEW:
        return Result.from_store(path)
    return result
