"""The progress bar: cells done, failed, rate and remaining, on standard error."""

from __future__ import annotations

from typing import Any

from crystallize.printable import one_line


class ProgressBar:
    """A tqdm bar, or nothing at all.

    Parameters
    ----------
    name : str
    total : int
        The number of cells.
    done : int
        How many of them were done before.
    shown : bool
    """

    def __init__(self, name: str, total: int, *, done: int, shown: bool) -> None:
        self._bar: Any = None
        self._failed = 0
        if shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=total, initial=done, desc=one_line(name), unit="cell", dynamic_ncols=True
            )

    def update(self, cells: int, failed: int) -> None:
        """Count cells that came to an end, failed ones among them."""
        if self._bar is None:
            return
        if failed:
            self._failed += failed
            self._bar.set_postfix(failed=self._failed, refresh=False)
        self._bar.update(cells)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
