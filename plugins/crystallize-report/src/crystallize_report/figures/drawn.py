"""A figure of a result before it is drawn: its name and title, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from crystallize_report.figures.picture import Picture, Row


class Drawn:
    """A figure that is made when it is first looked at.

    Parameters
    ----------
    name : str
        Of letters, digits and hyphens: for files and for ids of a page.
    title : str
    make : callable
        Makes the figure.
    """

    def __init__(self, name: str, title: str, make: Callable[[], Picture]) -> None:
        self.name = name
        self.title = title
        self._make = make

    @cached_property
    def figure(self) -> Picture:
        """The figure."""
        return self._make()

    @property
    def alt(self) -> str:
        """What it shows, in words and main numbers."""
        return self.figure.alt

    @property
    def data(self) -> list[Row]:
        """What is drawn, a row each."""
        return self.figure.data
