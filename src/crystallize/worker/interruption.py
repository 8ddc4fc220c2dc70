"""The request to stop, as it reaches a cell."""

from __future__ import annotations


class Interruption(BaseException):
    """Raised in the driver's main thread by a signal; never recorded as a failed cell."""
