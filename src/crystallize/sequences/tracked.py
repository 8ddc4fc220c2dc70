"""The sequence that fits what is to be known, and the values that there are."""

from __future__ import annotations

import numpy as np

from crystallize.errors import InvalidValueError
from crystallize.sequences.interval import Interval, Numbers, Sequence
from crystallize.sequences.means import BoundedSequence, MeanSequence
from crystallize.sequences.proportions import ProportionSequence
from crystallize.sequences.quantiles import QuantileSequence


class Tracked:
    """What is known of one condition, page after page.

    The mean of a yes or no is a proportion as long as every value is 0 or 1; the difference of
    two of them lies between -1 and 1.  From the first other value on they are numbers.

    Parameters
    ----------
    of : str
        As :class:`crystallize.Until` has it.
    probability : float or None
        Of a quantile.
    confidence : float
    bounds : (float, float) or None
        Of the metric's values.

    Attributes
    ----------
    n : int
        How many values, or pairs of them, there were.
    """

    def __init__(
        self,
        of: str,
        probability: float | None,
        confidence: float,
        bounds: tuple[float, float] | None,
    ) -> None:
        alpha = 1 - confidence
        self.n = 0
        self._of = of
        self._bounds = bounds
        self._sequence: Sequence
        self._yes_no: Sequence | None = None
        if probability is not None:
            self._sequence = QuantileSequence(alpha, probability)
        elif of == "difference":
            width = None if bounds is None else bounds[1] - bounds[0]
            self._sequence = (
                MeanSequence(alpha) if width is None else BoundedSequence(alpha, -width, width)
            )
            if width is None:
                self._yes_no = BoundedSequence(alpha, -1.0, 1.0)
        elif bounds is not None:
            self._sequence = BoundedSequence(alpha, *bounds)
        else:
            self._sequence = MeanSequence(alpha)
            self._yes_no = ProportionSequence(alpha)

    @property
    def method(self) -> str:
        """What the interval is by."""
        return self._now.method

    def add(self, metric: str, values: Numbers, baseline: Numbers | None = None) -> None:
        """Take in a page's values, or pairs of them and the baseline's; NaN where there is none.

        Raises
        ------
        InvalidValueError
            If a value cannot be what it was said to be.
        """
        present = ~np.isnan(values)
        if baseline is not None:
            present &= ~np.isnan(baseline)
            baseline = baseline[present]
        values = values[present]
        self.n += len(values)
        both = values if baseline is None else np.concatenate((values, baseline))
        self._check(metric, both)
        if self._yes_no is not None and not ((both == 0) | (both == 1)).all():
            self._yes_no = None
        if baseline is not None:
            with np.errstate(invalid="ignore", over="ignore"):  # of infinite values
                values = values - baseline
        if isinstance(self._sequence, MeanSequence):
            self._sequence.add(values, float(np.abs(both).max(initial=0.0)))
        else:
            self._sequence.add(values)
        if self._yes_no is not None:
            self._yes_no.add(values)

    def interval(self) -> Interval | None:
        """What is known now."""
        return self._now.interval()

    @property
    def _now(self) -> Sequence:
        return self._sequence if self._yes_no is None or not self.n else self._yes_no

    def _check(self, metric: str, values: Numbers) -> None:
        if self._of == "proportion" and not ((values == 0) | (values == 1)).all():
            other = values[(values != 0) & (values != 1)][0]
            raise InvalidValueError(
                "until.of", "proportion", f"0 and 1 alone as values of {metric!r}, not {other:g}"
            )
        if self._bounds is not None:
            low, high = self._bounds
            beyond = values[(values < low) | (values > high)]
            if len(beyond):
                raise InvalidValueError(
                    "until.bounds",
                    list(self._bounds),
                    f"bounds of all values of {metric!r}, of which one is {beyond[0]:g}",
                )
