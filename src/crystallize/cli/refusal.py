"""A refusal on the command line: the message, no traceback, exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from crystallize.errors import CrystallizeError


@contextmanager
def refusing() -> Iterator[None]:
    """Turn an error of ours into a message and the exit code 2."""
    try:
        yield
    except CrystallizeError as error:
        click.echo(f"Error: {error}", err=True)
        click.get_current_context().exit(2)
