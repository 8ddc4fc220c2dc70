"""Rules for options that several aggregators have."""

from __future__ import annotations

from crystallize import InvalidValueError


def share(where: str, value: float) -> float:
    """A number between 0 and 1, neither included.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, if it is not.
    """
    if not 0 < value < 1:
        raise InvalidValueError(where, value, "a number between 0 and 1")
    return float(value)


def listed(value: str | list[str] | None) -> list[str]:
    """One name or several, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
