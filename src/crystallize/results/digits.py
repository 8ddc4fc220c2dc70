"""How many digits a number is shown with: as many as are known of it."""

from __future__ import annotations

import math

SIGNIFICANT = 2
"""How many digits of a Monte Carlo error are shown; those of the estimate end where they do."""
MOST = 15
"""How many digits of a number a float can hold."""
PLAIN = range(-5, 7)
"""Powers of ten between which numbers are written without an exponent."""


def shown(value: float, digits: int = 6) -> str:
    """A number by itself, with so many significant digits."""
    return f"{value:.{digits}g}"


def as_sure_as(value: float, error: float | None, digits: int = 6) -> str:
    """A number whose error is known: its last digit is the second one of the error.

    Where there is no error, or it is 0 or not finite, the number has `digits` significant ones.

    Examples
    --------
    >>> as_sure_as(0.950123, 0.00218), as_sure_as(-12345.678, 31.4), as_sure_as(0.0001, 0.02)
    ('0.9501', '-12346', '0.000')
    >>> as_sure_as(0.5, 0.0), as_sure_as(6.02214076e23, 1.5e18)
    ('0.5', '6.022141e+23')
    """
    if error is None or not error or not math.isfinite(error) or not math.isfinite(value):
        return shown(value, digits)
    last = _exponent(error, SIGNIFICANT) - SIGNIFICANT + 1
    first = _exponent(value, MOST) if value else last
    if max(first, last + SIGNIFICANT - 1) in PLAIN and last >= PLAIN.start - MOST:
        return f"{value:z.{max(-last, 0)}f}"
    return f"{value:z.{min(max(first - last, 0), MOST - 1)}e}"


def _exponent(value: float, digits: int) -> int:
    """The power of ten of a number's first digit, once it is rounded to so many."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])
