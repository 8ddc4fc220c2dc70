"""Which conditions have streams of their own: one number for each set of levels.

Conditions that agree in the factors that ``streams`` names have the same key, and with it the same
streams; conditions that differ in one of them have independent ones.  A key follows from the levels
alone: not from the order or the number of conditions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.checks import known
from crystallize.errors import InvalidValueError

KEY_BYTES = 8


def stream_keys(
    streams: Sequence[str], conditions: Mapping[str, Mapping[str, Any]], rule: str = "numpy"
) -> dict[str, int]:
    """Condition -> its key; none for one that gives none of the factors.

    Parameters
    ----------
    streams : sequence of str
        Factors.  Those of them that a condition gives count, in whatever order they are named.
    conditions : mapping of str to mapping
    rule : str
        How seeds follow from the root.

    Raises
    ------
    UnknownNameError
        If no condition gives such a parameter, with those that there are.
    InvalidValueError
        If one is named twice, a level is no plain data, such as a function, or the rule
        knows no streams but those of replicates.

    Examples
    --------
    >>> keys = stream_keys(["gamma"], {"a": {"gamma": 1.5, "n": 1}, "b": {"gamma": 1.5, "n": 2}})
    >>> text = json.dumps({"gamma": 1.5})
    >>> by_hand = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    >>> keys == {"a": by_hand, "b": by_hand}
    True
    """
    check_streams("streams", streams, conditions, rule)
    levels = {
        condition: {name: _plain(name, given[name]) for name in sorted(streams) if name in given}
        for condition, given in conditions.items()
    }
    return {condition: _key(own) for condition, own in levels.items() if own}


def check_streams(
    where: str,
    streams: Sequence[str],
    conditions: Mapping[str, Mapping[str, Any]],
    rule: str = "numpy",
) -> None:
    """Refuse what no condition can have streams of its own by; levels are not looked at.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    if not streams:
        return
    if rule != "numpy":
        raise InvalidValueError(where, list(streams), f"none with seed_rule = {rule!r}")
    parameters = list(dict.fromkeys(name for given in conditions.values() for name in given))
    for name in streams:
        known(where, name, "factor", parameters)
    if twice := [name for name in streams if list(streams).count(name) > 1]:
        raise InvalidValueError(where, twice[0], "each factor once")


def _key(levels: Mapping[str, Any]) -> int:
    digest = hashlib.sha256(json.dumps(levels, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:KEY_BYTES], "big")


def _plain(name: str, level: object) -> Any:
    from crystallize.cells.plain import plain_data  # NumPy, not for who reads a config

    try:
        return _whole(plain_data(level, name))
    except (TypeError, RecursionError) as error:
        expected = f"factors whose levels are numbers, texts, or lists of these, unlike {name!r}"
        raise InvalidValueError("streams", [name], expected) from error


def _whole(level: Any) -> Any:
    """The level as one number is written in one way: 1 and 1.0 are the same level."""
    if type(level) is float and level.is_integer():
        return int(level)
    if type(level) is list:
        return [_whole(item) for item in level]
    if type(level) is dict:
        return {key: _whole(item) for key, item in level.items()}
    return level
