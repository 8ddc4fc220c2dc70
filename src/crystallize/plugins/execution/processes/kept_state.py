"""What a cell can change in its process, put back before the next run comes."""

from __future__ import annotations

import locale
import os
import signal
import sys
import warnings
from contextlib import suppress

try:  # without the enumeration around each answer, which takes ten times as long
    from _signal import getsignal  # type: ignore[import-not-found]
except ImportError:
    from signal import getsignal

_SIGNALS = signal.valid_signals()


class KeptState:
    """The state of this process as it was when this was made: :meth:`restore` it."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._environment = dict(os.environ)
        self._filters = list(warnings.filters)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._path = list(sys.path)
        self._recursion = sys.getrecursionlimit()
        self._handlers = {
            signum: handler for signum in _SIGNALS if (handler := getsignal(signum)) is not None
        }

    def restore(self) -> None:
        """Put back what differs."""
        if self._folder is not None and _folder() != self._folder:
            with suppress(OSError):  # it is gone: a new worker would not find it either
                os.chdir(self._folder)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        if warnings.filters != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        sys.path[:] = self._path
        for signum, handler in self._handlers.items():
            if getsignal(signum) != handler:
                with suppress(OSError, ValueError):
                    signal.signal(signum, handler)


def _folder() -> str | None:
    with suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - as text
    return None
