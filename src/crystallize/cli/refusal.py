"""A refusal on the command line: the message, no traceback, exit code 2; or 3 for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from crystallize.cli.streams import answering, say
from crystallize.errors import CrystallizeError, ExportError

REFUSED, NOT_WRITTEN = 2, 3


def say_error(error: CrystallizeError, advice: str = "") -> None:
    """Say what was wrong; but for a reader who went away: `| head` is no mistake."""
    if not isinstance(error.__cause__, BrokenPipeError):
        say(f"Error: {error} {advice}".rstrip(), err=True)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """What commands have instead of ``warnings.showwarning``: no line of ours beside it."""
    say(f"Warning: {message}", err=True)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn an error of ours into a message and an exit code.

    That is 3 where an answer could not be written, else 2.
    """
    try:
        with answering():
            yield
    except CrystallizeError as error:
        say_error(error)
        code = NOT_WRITTEN if isinstance(error, ExportError) else REFUSED
        click.get_current_context().exit(code)
