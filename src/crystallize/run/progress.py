"""The progress bar: cells done, failed, rate and remaining, on standard error."""

from __future__ import annotations

import warnings
from typing import Any

from crystallize.printable import one_line


class ProgressBar:
    """A tqdm bar, a notebook's own in a notebook, or nothing at all.

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
        self._known: dict[str, str] = {}
        if shown:
            self._bar = _bar_class()(
                total=total, initial=done, desc=one_line(name), unit="cell", dynamic_ncols=True
            )

    def expect(self, total: int, known: str) -> None:
        """Show another total, and what is known so far."""
        if self._bar is None:
            return
        self._bar.total = total
        self._known = {"known": known} if known else {}
        self._show()

    def update(self, cells: int, failed: int) -> None:
        """Count cells that came to an end, failed ones among them."""
        if self._bar is None:
            return
        if failed:
            self._failed += failed
            self._show()
        self._bar.total = max(self._bar.total, self._bar.n + cells)  # some run ahead
        self._bar.update(cells)

    def _show(self) -> None:
        failed = {"failed": self._failed} if self._failed else {}
        self._bar.set_postfix(self._known | failed, refresh=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar_class() -> Any:
    """The bar that fits: a notebook's own, or text, also in a notebook that has no widgets.

    tqdm warns where these are missing, of what nobody has to see to: text does as well.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        from tqdm.auto import tqdm
    return tqdm
