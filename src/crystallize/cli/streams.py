"""Standard output belongs to the answer; all that anyone else prints goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr what is printed in this block, by child processes and C code too."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """What the command has instead of ``warnings.showwarning``: no line of ours beside it."""
    click.echo(f"Warning: {message}", err=True)
