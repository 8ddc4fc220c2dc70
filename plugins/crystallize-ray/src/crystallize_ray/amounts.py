"""What a cell may ask of Ray's resources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from crystallize import InvalidValueError

EXPECTED = "a number, 0 or more, and whole above 1"
OF_THEIR_OWN = {"CPU": "num_cpus", "GPU": "num_gpus"}


def amount(where: str, value: Any) -> float:
    """How much of a resource: Ray divides one, but not several."""
    needed = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not 0 <= needed < math.inf or (needed > 1 and not needed.is_integer()):
        raise InvalidValueError(where, value, EXPECTED)
    return needed


def amounts(where: str, value: Any) -> dict[str, float]:
    """How much of each resource, by name."""
    if not isinstance(value, Mapping):
        raise InvalidValueError(where, value, "a mapping of names to numbers")
    for name in value:
        if not isinstance(name, str) or not name:
            raise InvalidValueError(where, name, "names (text that is not empty)")
        if name in OF_THEIR_OWN:
            raise InvalidValueError(
                f"{where}.{name}", value[name], f"{OF_THEIR_OWN[name]} to be said for that"
            )
    return {name: amount(f"{where}.{name}", needed) for name, needed in value.items()}
