"""Adjusting p values for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from crystallize_stats.study import Numbers

Correction = Literal["holm", "bh", "none"]


def adjusted(p_values: Sequence[float | None], correction: Correction) -> list[float | None]:
    """The p values of one family, adjusted; where there is none, none is counted.

    Parameters
    ----------
    p_values : sequence of float or None
    correction : {"holm", "bh", "none"}
        ``"holm"`` bounds the chance of any false rejection, whatever the tests have to do with
        each other.  ``"bh"`` bounds the expected share of false ones among rejections, for tests
        that are independent or positively dependent.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 65-70; Benjamini and Hochberg (1995), "Controlling the false discovery rate",
    JRSS B 57, 289-300.

    Examples
    --------
    >>> adjusted([0.01, None, 0.04, 0.03], "holm")
    [0.03, None, 0.06, 0.06]
    """
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    found = iter(_WAYS[correction](known).tolist())
    return [None if p is None else next(found) for p in p_values]


def _holm(p: Numbers) -> Numbers:
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * p[order]
    return _in_place(np.maximum.accumulate(steps), order)


def _benjamini_hochberg(p: Numbers) -> Numbers:
    order = np.argsort(p)[::-1]
    steps = len(p) / np.arange(len(p), 0, -1) * p[order]
    return _in_place(np.minimum.accumulate(steps), order)


def _in_place(steps: Numbers, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Numbers:
    result = np.empty(len(steps))
    result[order] = np.minimum(steps, 1)
    return result


def _none(p: Numbers) -> Numbers:
    return p


_WAYS = {"holm": _holm, "bh": _benjamini_hochberg, "none": _none}
