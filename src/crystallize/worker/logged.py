"""What cells log reaches the driver's logging, and says of which cell it is.

While cells run, every record that is logged in one has the attributes ``condition``
and ``replicate``.  In another process than the driver's a handler of ours takes the
records and has them sent; there they are logged again, by loggers of the same names.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from crystallize.worker.process_wide import ProcessWide
from crystallize.worker.running_cells import present_cell

LABELS = ("condition", "replicate")

Logged = dict[str, Any]
"""A record's attributes, all of which can be pickled."""

_this = uuid4().hex


def this_process() -> tuple[str, int]:
    """What no other process has, a forked child least of all."""
    return _this, os.getpid()


class _Labels(ProcessWide):
    """Has records say of which cell they are."""

    def __init__(self) -> None:
        super().__init__()
        self._makes: Callable[..., logging.LogRecord] = logging.LogRecord

    def holds(self) -> bool:
        return logging.getLogRecordFactory() == self._make

    def change(self) -> None:
        self._makes = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._make)

    def give_back(self) -> None:
        if self.holds():
            logging.setLogRecordFactory(self._makes)

    def _make(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self._makes(*args, **options)
        cell = present_cell()
        if cell is not None:
            # What the cell itself gives by one of the names counts, and logging would
            # refuse it if the record had it already.
            own = sys._getframe(1).f_locals.get("extra") or ()
            for label, value in zip(LABELS, cell.labels, strict=True):
                if label not in own:
                    setattr(record, label, value)
        return record


class _Forwarder(logging.Handler):
    """Keeps what cells of a worker log, for the driver."""

    def __init__(self, send: Callable[[Logged], None] | None) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._send is not None:
                self._send(_portable(record))
            elif (cell := present_cell()) is not None:
                cell.log(_portable(record))
        except Exception:
            self.handleError(record)


class _Forwarding(ProcessWide):
    """Takes the records of this process, for as long as cells of another's driver run in it.

    Attributes
    ----------
    send : callable or None
        Sends a record at once; without it records travel with the block of their cell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.send: Callable[[Logged], None] | None = None
        self._handler: _Forwarder | None = None

    def holds(self) -> bool:
        return self._handler in logging.root.handlers

    def change(self) -> None:
        self._handler = _Forwarder(self.send)
        for logger in (logging.root, *loggers()):
            if logger is logging.root or not logger.propagate:
                logger.addHandler(self._handler)

    def give_back(self) -> None:
        assert self._handler is not None
        for logger in (logging.root, *loggers()):
            logger.removeHandler(self._handler)


def log_again(records: Iterable[Logged]) -> None:
    """Log what was logged in a worker, where this process logs records of that name and level."""
    for attributes in records:
        record = logging.makeLogRecord(attributes)
        logger = logging.getLogger(record.name)
        try:
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        except Exception:  # a filter's; in the cell it would have been the cell's
            traceback.print_exc()


def loggers() -> list[logging.Logger]:
    """All but the root."""
    found = list(logging.root.manager.loggerDict.values())
    return [logger for logger in found if isinstance(logger, logging.Logger)]


def _portable(record: logging.LogRecord) -> Logged:
    """A record's attributes as another process can have them, which lacks the cell's objects."""
    attributes = dict(vars(record))
    attributes["msg"], attributes["args"] = record.getMessage(), None
    if record.exc_info:
        attributes["exc_text"] = record.exc_text or logging.Formatter().formatException(
            record.exc_info
        )
    attributes["exc_info"] = None
    for name, value in attributes.items():
        if not isinstance(value, (str, int, float, type(None))):
            attributes[name] = _plain(value)
    return attributes


def _plain(value: Any) -> Any:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return repr(value)
    return value


labels = _Labels()
forwarding = _Forwarding()
"""Both of this process, in which runs and blocks share what :mod:`logging` has."""
