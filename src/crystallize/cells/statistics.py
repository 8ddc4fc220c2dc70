"""Statistics of one metric under one condition, from its values in index order.

Values wait until there are enough of them for a part, and the bounds of parts are a function of
how many values there were before.  So it makes no difference in which pieces they come, and of
fewer than :data:`LEAST` numbers the quantiles are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.leading_bits import LeadingBits
from crystallize.cells.numbers import Numbers, OneNumber
from crystallize.cells.quantiles import Quantiles
from crystallize.contracts import named_tuple

Floats = npt.NDArray[np.float64]

Kept = Literal["bits", "values", "nothing"]

LEAST, MOST, GROWTH = 1024, 65_536, 8
"""A part has an eighth as many numbers as there were before it, within these bounds."""


class Statistics(NamedTuple):
    """What there is to say of one metric.

    Attributes
    ----------
    n : int
        How many values the statistics are of.
    nan : int
        How many are NaN, and left out of `n`.
    numbers : Numbers, OneNumber or None
        ``None`` where the values are no numbers, or there are none.
    quantiles : Quantiles or None
        Likewise, and where nothing was counted for them.
    """

    n: int
    nan: int
    numbers: Numbers | OneNumber | None = None
    quantiles: Quantiles | None = None

    @classmethod
    def of_one(cls, number: float) -> Statistics:
        """Those of a finite number, as it is with many conditions of one replicate."""
        own = 1, 0, OneNumber.of(number), None
        return named_tuple(cls, own)  # type: ignore[no-any-return]

    def quantile(self, share: float) -> float | None:
        """A quantile; within the extremes, beyond which counts alone could lead."""
        value = None if self.quantiles is None else self.quantiles.at(share)
        if value is None or self.numbers is None:
            return None
        return min(max(value, self.numbers.least), self.numbers.largest)


class MetricState(NamedTuple):
    """All that is known of a metric, from which its statistics can be gathered further.

    Attributes
    ----------
    present, nan : int
        How many values there are, of any kind, and how many of them are NaN.
    numeric : bool
        Whether all are numbers.
    numbers : Numbers
        Those in parts that are complete.
    bits : LeadingBits
        Likewise.
    waiting : array of float
        The numbers that are in no part yet.
    """

    present: int
    nan: int
    numeric: bool
    numbers: Numbers
    bits: LeadingBits
    waiting: Floats


class MetricStatistics:
    """Gathers the statistics of one metric under one condition.

    Parameters
    ----------
    kept : {"bits", "values", "nothing"}
        From what quantiles are to be read: counts of leading bits, the values themselves, or
        that there are none to be asked for.
    """

    def __init__(self, *, kept: Kept = "bits") -> None:
        self._kept = kept
        self._present = self._nan = 0
        self._numeric = True
        self._numbers = Numbers()
        self._bits = LeadingBits()
        self._parts: list[Floats] = []
        self._waiting: list[Floats] = []
        self._n_waiting = 0

    @classmethod
    def of(cls, values: npt.NDArray[Any] | Sequence[Any], kept: Kept) -> Statistics:
        """Those of values after which none come."""
        if kept == "nothing" and isinstance(values, np.ndarray) and values.shape == (1,):
            number = values.item()
            if type(number) is float and isfinite(number):
                return Statistics.of_one(number)
        _, numbers = _numbers(values)
        if numbers is not None and 0 < len(numbers) < LEAST and not _nan_among(numbers):
            quantiles = None if kept == "nothing" else Quantiles(np.sort(numbers))
            own = len(numbers), 0, Numbers.of(numbers), quantiles
            return named_tuple(Statistics, own)  # type: ignore[no-any-return]
        gathered = cls(kept=kept)
        gathered.add(values)
        return gathered.statistics()

    def add(self, values: npt.NDArray[Any] | Sequence[Any]) -> None:
        """Take the next values, in index order; ``None`` is none."""
        present, numbers = _numbers(values)
        self._present += present
        if numbers is None or not self._numeric:
            self._numeric = False
            self._waiting.clear()
            return
        missing = np.isnan(numbers)
        if missing.any():
            self._nan += int(np.count_nonzero(missing))
            numbers = numbers[~missing]
        if len(numbers):
            self._waiting.append(numbers)
            self._n_waiting += len(numbers)
            if self._n_waiting >= _part(self._numbers.n):
                self._take_parts()

    def statistics(self) -> Statistics:
        """Those of all that came so far; more may come after."""
        if not self._numeric:
            return Statistics(self._present, 0)
        waiting = _joined(self._waiting)
        numbers = Numbers.of(waiting)
        if self._numbers.n:
            numbers = self._numbers.joined(numbers)
        if not numbers.n:
            return Statistics(0, self._nan)
        quantiles = None
        if self._kept == "values" or (self._kept == "bits" and not self._numbers.n):
            quantiles = Quantiles(np.sort(_joined([*self._parts, waiting])))
        elif self._kept == "bits":
            quantiles = Quantiles(*self._bits.joined(waiting).sorted())
        return Statistics(numbers.n, self._nan, numbers, quantiles)

    @property
    def state(self) -> MetricState:
        """What it came to, to be written down."""
        return MetricState(
            self._present, self._nan, self._numeric, self._numbers, self._bits,
            _joined(self._waiting),
        )  # fmt: skip

    @classmethod
    def of_state(cls, state: MetricState) -> MetricStatistics:
        """The one that had this state."""
        made = cls()
        made._present, made._nan, made._numeric = state.present, state.nan, state.numeric
        made._numbers, made._bits = state.numbers, state.bits
        made._waiting, made._n_waiting = [state.waiting], len(state.waiting)
        return made

    def _take_parts(self) -> None:
        waiting, start = _joined(self._waiting), 0
        while len(waiting) - start >= (size := _part(self._numbers.n)):
            part = waiting[start : start + size]
            if self._kept == "bits":
                self._bits = self._bits.joined(part)
            elif self._kept == "values":
                self._parts.append(part)
            self._numbers = self._numbers.joined(Numbers.of(part))
            start += size
        self._waiting = [waiting[start:].copy()]
        self._n_waiting = len(waiting) - start


def _nan_among(numbers: Floats) -> bool:
    """Whether some are NaN, which is not equal to itself."""
    return bool(np.count_nonzero(numbers != numbers))


def _part(before: int) -> int:
    return min(MOST, max(LEAST, before // GROWTH))


def _joined(pieces: Sequence[Floats]) -> Floats:
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0), *pieces])


def _numbers(values: npt.NDArray[Any] | Sequence[Any]) -> tuple[int, Floats | None]:
    """How many values there are, and they as floats, if all of them are numbers."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        if values.dtype.kind in "biuf" and values.ndim == 1:
            return len(values), values.astype(np.float64)
        return len(values), None
    present = [value for value in values if value is not None]
    if all(isinstance(value, (bool, int, float)) for value in present):
        try:
            return len(present), np.array(present, np.float64)
        except OverflowError:  # a whole number that no float can hold
            pass
    return len(present), None
