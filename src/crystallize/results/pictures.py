"""Small pictures beside numbers: how values lie, and how sure an estimate is, as inline SVG.

They are drawn in the colour of the text around them, so they are seen on a light page and on a
dark one, and say in words what they show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.results.digits import shown

WIDTH, HEIGHT = 120, 18
MARGIN = 4
BARS = 24
INSIDE = (0.01, 0.99)
"""Which quantiles are at the ends of a picture: one stray value leaves no room for the others."""
DIGITS = 3


class Scale(NamedTuple):
    """Which numbers stand at the two ends of a picture; the same for all that are compared."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a number stands, in pixels; one that is outside, at the end it is beyond."""
        share = (value - self.low) / (self.high - self.low)
        return MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN)


class Interval(NamedTuple):
    """An estimate with what it may be as well."""

    value: float
    lower: float
    upper: float

    @property
    def is_known(self) -> bool:
        return not any(map(math.isnan, self)) and math.isfinite(self.value)


def scale_of_values(columns: Iterable[npt.NDArray[np.float64]]) -> Scale | None:
    """One scale for the values of several conditions; ``None`` where nothing can be drawn."""
    found = [column[np.isfinite(column)] for column in columns]
    values = np.concatenate(found) if found else np.empty(0)
    if not len(values):
        return None
    low, high = (float(end) for end in np.quantile(values, INSIDE))
    return _scale(low, high) if high > low else _scale(float(values.min()), float(values.max()))


def scale_of_intervals(intervals: Iterable[Interval], *marks: float) -> Scale | None:
    """One scale for several intervals, the marks on it too; ``None`` where there are none."""
    ends = [end for one in intervals if one.is_known for end in one if math.isfinite(end)]
    return _scale(min(ends + list(marks)), max(ends + list(marks))) if ends else None


def _scale(low: float, high: float) -> Scale | None:
    if low == high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    return Scale(low, high) if math.isfinite(high - low) and high > low else None


def histogram(values: npt.NDArray[np.float64], scale: Scale | None) -> str:
    """How values lie; what is outside of the scale counts at its ends."""
    finite = values[np.isfinite(values)]
    if scale is None or not len(finite):
        return ""
    counts, _ = np.histogram(np.clip(finite, *scale), bins=BARS, range=scale)
    width = (WIDTH - 2 * MARGIN) / BARS
    heights = (HEIGHT - 2) * counts / counts.max()
    bars = "".join(
        f"M{MARGIN + place * width:.1f} {HEIGHT - 1}v{-height:.1f}h{width:.1f}V{HEIGHT - 1}z"
        for place, height in enumerate(heights)
        if height
    )
    ends = f"{shown(scale.low, DIGITS)} to {shown(scale.high, DIGITS)}"
    median = shown(float(np.median(finite)), DIGITS)
    said = f"{len(finite)} values on a scale from {ends}, median {median}"
    return _svg(said, f'<path d="{bars}" fill="currentColor" fill-opacity=".6"/>{_ground()}')


def interval(drawn: Interval, scale: Scale | None, mark: float | None = None) -> str:
    """An estimate as a dot on its interval, and a line at what it is compared with."""
    if scale is None or not drawn.is_known:
        return ""
    middle = HEIGHT // 2
    left, right = scale.place(drawn.lower), scale.place(drawn.upper)
    parts = [
        f'<path d="M{left:.1f} {middle}H{right:.1f}" stroke="currentColor" stroke-width="2"/>',
        f'<circle cx="{scale.place(drawn.value):.1f}" cy="{middle}" r="3.5" fill="currentColor"/>',
    ]
    if mark is not None:
        at = scale.place(mark)
        line = f'<path d="M{at:.1f} 1V{HEIGHT - 1}" stroke="currentColor" stroke-dasharray="2"/>'
        parts.insert(0, line)
    value, lower, upper = (shown(number, DIGITS) for number in drawn)
    return _svg(f"{value}, from {lower} to {upper}", "".join(parts))


def _ground() -> str:
    return f'<path d="M{MARGIN} {HEIGHT - 1}H{WIDTH - MARGIN}" stroke="currentColor"/>'


def _svg(said: str, drawn: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(said)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><title>{escape(said)}</title>{drawn}</svg>'
    )
