"""Warnings of cells are kept as data, every one of them.

Python shows a warning once for each place in the code, so which cell it is shown for
depends on which cells share a process.  While cells run, in them a warning that would be
shown once counts every time, and is kept instead of being shown; one that is ignored or
an error stays so, and outside of cells nothing changes.  The driver shows what was kept.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

from crystallize.cells.warned import Notice
from crystallize.worker.process_wide import ProcessWide
from crystallize.worker.running_cells import present_cell

SHOWN_ONCE = ("default", "module", "once")


class _InCell:
    """Stands for the pattern of a filter's message, which it then holds for cells alone."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern

    def __repr__(self) -> str:
        return f"InCell({self._pattern!r})"

    @property
    def pattern(self) -> str:
        """The text of the pattern, which libraries hand on with a filter to threads of theirs."""
        pattern = self._pattern
        return str(getattr(pattern, "pattern", pattern or ""))

    def match(self, text: str) -> bool:
        if present_cell() is None:
            return False
        pattern = self._pattern
        if pattern is None or isinstance(pattern, str):
            return pattern in (None, text)
        return pattern.match(text) is not None


class _Nobodys(Warning):
    """A category that no warning has."""


class _Noticing(ProcessWide):
    """Keeps what cells of this process warn of."""

    def __init__(self) -> None:
        super().__init__()
        self._shows: Any = None
        self._state: tuple[Any, ...] = ()
        self.listeners: list[Callable[[Warning | str, type[Warning]], None]] = []
        """Who is told of each warning that is shown."""

    def holds(self) -> bool:
        return warnings.showwarning is _notice and self._state == _state()

    def change(self) -> None:
        if warnings.showwarning is not _notice:
            self._shows, warnings.showwarning = warnings.showwarning, _notice
        filters: list[Any] = warnings.filters  # type: ignore[assignment]
        filters[:] = _with_ours(_without_ours(filters))
        filters_changed()
        self._state = _state()

    def give_back(self) -> None:
        if warnings.showwarning is _notice:
            warnings.showwarning = self._shows
        filters: list[Any] = warnings.filters  # type: ignore[assignment]
        filters[:] = _without_ours(filters)

    def show(self, *args: Any) -> None:
        for listener in tuple(self.listeners):
            listener(*args[:2])
        (self._shows or warnings.showwarning)(*args)


def own_filters() -> list[Any]:
    """The filters of this process as its program has set them."""
    return _without_ours(warnings.filters)


def filters_changed() -> None:
    """Have Python forget which warnings it has shown: there are other filters now."""
    warnings.simplefilter("ignore", _Nobodys, append=True)  # the one public way
    with suppress(ValueError):
        warnings.filters.remove(("ignore", None, _Nobodys, None, 0))  # type: ignore[attr-defined]


def show(notice: Notice) -> None:
    """Show what a cell warned of, in the driver, as Python shows a warning."""
    category = _category(notice)
    message = category.__new__(category, notice.message)  # whatever else its constructor wants
    try:
        is_shown = str(message) == notice.message
    except Exception:
        is_shown = False
    if not is_shown:
        message = Warning(notice.message)
    warnings.showwarning(message, category, notice.file, notice.line)


def _state() -> tuple[Any, ...]:
    """What shows that nobody has added a filter since."""
    filters = warnings.filters
    return id(filters), len(filters), id(filters[0]) if filters else None


def _with_ours(filters: Any) -> Iterator[Any]:
    for action, message, category, module, line in filters:
        if action in SHOWN_ONCE:
            yield "always", _InCell(message), category, module, line
        yield action, message, category, module, line
    if getattr(warnings, "defaultaction", "default") in SHOWN_ONCE:
        yield "always", _InCell(None), Warning, None, 0


def _without_ours(filters: Any) -> list[Any]:
    return [found for found in filters if not isinstance(found[1], _InCell)]


def _notice(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    cell = present_cell()
    if cell is None or file is not None:
        noticing.show(message, category, filename, lineno, file, line)
        return
    cell.warn((category.__name__, category.__module__, str(message), filename, lineno))


def _category(notice: Notice) -> type[Warning]:
    """The class of a warning, or one of that name where this process has it not."""
    found = getattr(sys.modules.get(notice.module), notice.category, None)
    if isinstance(found, type) and issubclass(found, Warning):
        return found
    return type(notice.category, (Warning,), {"__module__": notice.module})


noticing = _Noticing()
"""Of this process, in which runs and blocks share the one list of filters."""
