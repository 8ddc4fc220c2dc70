"""For how long an exception asks not to be tried again, whatever library it is of."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from numbers import Real
from typing import Any

HEADER = "retry-after"
"""Of an answer of HTTP: seconds, or a date (RFC 9110, 10.2.3)."""


def asked_wait(error: BaseException) -> float:
    """The seconds that an exception asks for; 0 where it says nothing that is understood.

    That is its ``retry_after``: seconds or a :class:`~datetime.timedelta`; or else the
    header ``Retry-After`` of its ``headers``, or of its ``response``.

    Examples
    --------
    >>> class Busy(Exception):
    ...     headers = {"Retry-After": "2"}
    >>> asked_wait(Busy()), asked_wait(ValueError())
    (2.0, 0.0)
    """
    try:
        for value in _said(error):
            if (seconds := _seconds(value)) is not None:
                return max(seconds, 0.0)
    except Exception:  # whatever its attributes do
        pass
    return 0.0


def _said(error: BaseException) -> Iterator[Any]:
    yield getattr(error, "retry_after", None)
    for has_headers in (error, getattr(error, "response", None)):
        headers = getattr(has_headers, "headers", None)
        items = getattr(headers, "items", None)
        for name, value in items() if callable(items) else ():
            if str(name).lower() == HEADER:
                yield value


def _seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _written(value.strip())
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return float(value) if math.isfinite(value) else None


def _written(text: str) -> float | None:
    try:
        return _seconds(float(text))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date in no zone is one of Greenwich, as all of HTTP are.
    until = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (until - datetime.fromtimestamp(time.time(), UTC)).total_seconds()
