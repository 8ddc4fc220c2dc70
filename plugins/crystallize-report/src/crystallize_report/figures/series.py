"""The legend that all panels of a figure share."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from crystallize_report.figures.arrangement import Arrangement
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.theme import style
from crystallize_report.figures.words import shown, shown_apart


def names_of(layout: Arrangement) -> list[str]:
    """The series as the legend has them; none where there is one without a name."""
    if layout.lines is None and layout.series == [None]:
        return []
    return shown_apart(layout.series, 28)


def keyed(
    picture: Picture, names: Sequence[str], title: str | None, *, markers: bool = False
) -> None:
    """Put a legend above the panels; one series alone needs none."""
    if len(names) < 2:
        return
    handles = []
    for place in range(len(names)):
        look = style(place)
        marker = look.marker if markers else "None"
        handles.append(Line2D([], [], color=look.color, linestyle=look.dashes, marker=marker))
    _legend(picture, handles, names, title)


def keyed_by(picture: Picture, items: Sequence[tuple[str, str]]) -> None:
    """A legend of names with their colours."""
    handles = [Line2D([], [], color=color) for _, color in items]
    _legend(picture, handles, [name for name, _ in items], None)


def _legend(
    picture: Picture, handles: Sequence[Line2D], names: Sequence[str], title: str | None
) -> None:
    longest = max(len(name) for name in names)
    columns = max(1, min(len(names), int(picture.get_figwidth() * 13 / (longest + 6))))
    picture.legend(
        list(handles),
        list(names),
        title=None if title is None else shown(title),
        loc="outside upper left",
        ncols=columns,
        handlelength=3,
        alignment="left",
    )
