"""What cells print: whole lines, where others write too, and never a failure of theirs."""

from __future__ import annotations

import io
import sys
from typing import Any


class Forgiving(io.TextIOWrapper):
    """A stream that can fail without anyone's being told: the disk is full, the reader has gone.

    Attributes
    ----------
    forgives : bool
        Whether it is so now.
    """

    forgives = True

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            if not self.forgives:
                raise
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            if not self.forgives:
                raise


def forgiving(stream: Any, **options: Any) -> Any:
    """The same stream, forgiving; one that is no file's stays as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return Forgiving(stream.buffer, encoding=stream.encoding, errors=stream.errors, **options)


def print_whole_lines() -> None:
    """Write what is printed in this process a line at a time, from now on."""
    sys.stdout = forgiving(sys.stdout, line_buffering=True)
    sys.stderr = forgiving(sys.stderr, line_buffering=True)
