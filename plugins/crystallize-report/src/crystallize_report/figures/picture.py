"""A Matplotlib figure that knows what it says in words, and the data behind it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from crystallize_report.figures.theme import themed

Row = dict[str, Any]
CHARACTERS = 12.5
"""How many there are in an inch, in the size of a label."""


class Picture(Figure):
    """What every function of this package returns: a figure that needs no pyplot and no display.

    It is drawn in the theme wherever it is saved, ``savefig`` included.

    Parameters
    ----------
    width, height : float
        In inches.

    Attributes
    ----------
    alt : str
        What the figure shows, in words and main numbers.
    notes : list of str
        What it leaves out or thins; written below the axes.
    data : list of dict
        What is drawn, a row each.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self.alt = ""
        self.notes: list[str] = []
        self.data: list[Row] = []

    def panels(self, titles: Sequence[str], **options: Any) -> list[Axes]:
        """Axes with these titles, in rows of two to four where there is the width for them."""
        across = columns_for(len(titles), self.get_figwidth())
        down = -(-len(titles) // across)
        grid = self.subplots(down, across, squeeze=False, **options)
        axes: list[Axes] = list(grid.ravel())
        for own, title in zip(axes, titles, strict=False):
            if title:
                own.set_title(wrapped(title, self.get_figwidth() / across * CHARACTERS))
        for own in axes[len(titles) :]:
            own.remove()
        return axes[: len(titles)]

    def label(self, axes: Sequence[Axes], x: str, y: str) -> None:
        """Label the outer axes of panels that share theirs."""
        across = columns_for(len(axes), self.get_figwidth())
        for place, own in enumerate(axes):
            is_lowest = place + across >= len(axes)
            own.tick_params(labelbottom=is_lowest, labelleft=place % across == 0)
            own.set_xlabel(wrapped(x, self.get_figwidth() / across * CHARACTERS))
            own.xaxis.label.set_visible(is_lowest)
            own.set_ylabel(y if place % across == 0 else "")

    @property
    def room(self) -> int:
        """How many characters the name of a row has: two fifths of the width."""
        return max(12, int(self.get_figwidth() * 0.4 * CHARACTERS))

    def label_values(self, axes: Axes, text: str) -> None:
        """Label the horizontal axis of a panel of rows, which is what their names leave."""
        axes.set_xlabel(wrapped(text, self.get_figwidth() * 0.55 * CHARACTERS))

    def finish(self, alt: str, data: list[Row], notes: Sequence[str] = ()) -> None:
        """Take down what it says, and write the notes below."""
        self.notes = [note for note in notes if note]
        self.alt = " ".join([alt, *self.notes])
        self.data = data
        if self.notes:
            characters = max(30, round(self.get_figwidth() * 20))
            text = "\n".join(textwrap.wrap(" ".join(self.notes), characters))
            self.supxlabel(text, fontsize=6, x=0.01, ha="left")

    def draw(self, renderer: RendererBase) -> None:
        """Draw it in the theme; ticks that are only made now are in it too."""
        with themed():
            super().draw(renderer)


def columns_for(panels: int, width: float) -> int:
    """How many panels stand side by side.

    Examples
    --------
    >>> [columns_for(n, 7.2) for n in (1, 2, 3, 4, 6, 8, 12)], columns_for(6, 3.5)
    ([1, 2, 3, 2, 3, 4, 4], 2)
    """
    most = max(1, int(width / 1.7))
    wanted = {1: 1, 2: 2, 4: 2}.get(panels, 3 if panels in (3, 5, 6, 9) else 4)
    return min(wanted, most, max(1, panels))


def panel_height(panels: int, width: float) -> float:
    """The height in inches of a figure of so many panels, with room for a legend."""
    across = columns_for(panels, width)
    return 0.7 + max(1.5, 2.6 - 0.35 * across) * -(-panels // across)


def wrapped(text: str, characters: float) -> str:
    """A text on two lines at most, of so many characters.

    Examples
    --------
    >>> wrapped("n = 10, method = wald, p = 0.1", 20)
    'n = 10, method =\\nwald, p = 0.1'
    >>> wrapped("no room for all of this", 8)
    'no room\\nfor …'
    """
    return "\n".join(textwrap.wrap(text, max(8, int(characters)), max_lines=2, placeholder=" …"))
