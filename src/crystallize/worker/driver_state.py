"""What cells of a program would see in the program itself, taken over by a worker."""

from __future__ import annotations

import locale
import logging
import pickle
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cloudpickle
import numpy as np

from crystallize.worker.logged import loggers
from crystallize.worker.noticed import filters_changed, own_filters

_Told = tuple[int, bool, bool]
"""What a logger was told: its level, whether it propagates, and whether it is disabled."""
_UNTOLD = (logging.NOTSET, True, False)


class DriverState:
    """The state of the driver's process that can change what a cell comes to.

    What belongs to a context (decimal precision, NumPy's error state) travels with the
    call, because it holds under every strategy.
    """

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}
        for name, (look, _) in _PARTS.items():
            # What cannot travel is something that the function cannot name either.
            with suppress(Exception):
                self._parts[name] = cloudpickle.dumps(look())

    def take_over(self) -> None:
        """Make this process' state the same."""
        for name, (_, take) in _PARTS.items():
            if name in self._parts:
                with suppress(Exception):
                    take(pickle.loads(self._parts[name]))


def _take_path(path: list[str]) -> None:
    sys.path[:] = path


def _take_locale(name: str) -> None:
    locale.setlocale(locale.LC_ALL, name)


def _take_filters(found: tuple[list[Any], list[str]]) -> None:
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters[:], sys.warnoptions[:] = found
    filters_changed()


def _take_print_options(options: Any) -> None:
    if np.get_printoptions() != options:  # setting them is a third of all that is taken over
        np.set_printoptions(**options)


def _log_levels() -> tuple[int, int, list[str], dict[str, _Told]]:
    names = [logger.name for logger in loggers()]
    told = {logger.name: _told(logger) for logger in loggers() if _told(logger) != _UNTOLD}
    return logging.root.manager.disable, logging.root.level, names, told


def _take_log_levels(found: tuple[int, int, list[str], dict[str, _Told]]) -> None:
    """Log what the driver does; who gets to see it is the driver's to say."""
    disable, level, names, told = found
    logging.disable(disable)
    logging.root.setLevel(level)
    present = {logger.name: logger for logger in loggers()}
    for logger in (logging.root, *present.values()):
        for handler in list(logger.handlers):  # of a module that is imported here as well
            logger.removeHandler(handler)
    wanted = {name: _UNTOLD for name in names if name in present} | told
    for name, state in wanted.items():
        logger = present.get(name) or logging.getLogger(name)
        if _told(logger) != state:
            logger.setLevel(state[0])
            _, logger.propagate, logger.disabled = state


def _told(logger: logging.Logger) -> _Told:
    return logger.level, logger.propagate, logger.disabled


_PARTS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "path": (lambda: list(sys.path), _take_path),
    "recursion": (sys.getrecursionlimit, sys.setrecursionlimit),
    "digits": (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), _take_locale),
    "filters": (lambda: (own_filters(), list(sys.warnoptions)), _take_filters),
    # NumPy before 2.2 has them for the process.
    "print": (np.get_printoptions, _take_print_options),
    "logging": (_log_levels, _take_log_levels),
}
"""For each part how it is found out, and how it is taken over."""
