"""How the commands show a result: all of it or as much as a terminal has room for, by factors."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from crystallize.description.factors import Factors, factor_names
from crystallize.errors import OptionError
from crystallize.results.pivot import LEADING, OF_SECTIONS, check_names
from crystallize.results.result import Result
from crystallize.results.text_table import Room

Command = TypeVar("Command", bound=Callable[..., Any])

ROWS = 60
"""How many rows of a table a terminal shows."""


class Wanted(NamedTuple):
    """What the options say about tables."""

    by: tuple[str, ...]
    across: tuple[str, ...]
    all_rows: bool

    def check(self, factors: Factors, *, as_json: bool) -> None:
        """Refuse names that nothing has, before anything is computed for them.

        Raises
        ------
        CrystallizeError
        """
        if as_json and (self.by or self.across or self.all_rows):
            raise OptionError("--by, --across and --all are about tables; --json prints none.")
        names = list(dict.fromkeys((LEADING, *factor_names(factors), *OF_SECTIONS)))
        check_names("--by", self.by, names)
        check_names("--across", self.across, names)

    def shown(self, result: Result) -> str:
        """The result as tables."""
        return result.text(self._room(), by=self.by, across=self.across)

    def _room(self) -> Room:
        if not sys.stdout.isatty():
            return Room()  # whoever reads it has a pager, or is no person
        rows = None if self.all_rows else ROWS
        return Room(rows, shutil.get_terminal_size().columns, "--all shows them")


def table_options(command: Command) -> Command:
    """The options of a command that shows a result."""
    for option in (
        click.option(
            "--all", "all_rows", is_flag=True, help="Show all rows of long tables on a terminal."
        ),
        click.option(
            "--across",
            metavar="FACTOR",
            multiple=True,
            help="Have a column for each level of a factor; may be given more than once.",
        ),
        click.option(
            "--by",
            metavar="FACTOR",
            multiple=True,
            help="Have a row for each level of a factor; may be given more than once.",
        ),
    ):
        command = option(command)
    return command
