"""State outside of the cells that these change: watched in the first blocks of a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crystallize.description.fingerprint import Part, changing_state, state_of

BLOCKS = 2
"""How many blocks are watched; what changes state does so early."""

Before = Mapping[str, Part]


class StateWatch:
    """Notices when cells change what their function reads from elsewhere.

    What the code itself does not seem to change is not looked at, so that most functions
    cost nothing after the first look.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._names: frozenset[str] | None = None
        self._left = BLOCKS

    def watch_nothing(self) -> None:
        """Learn that no code changes anything: the look for what it changes takes its time."""
        self._left = 0

    def begin(self) -> Before | None:
        """Note the state before some cells; ``None`` where nothing is watched any more."""
        if not self._left:
            return None
        self._left -= 1
        if self._names is None:
            self._names = changing_state(self._function)
        if not self._names:
            self._left = 0
            return None
        return state_of(self._function, self._names)

    def end(self, before: Before | None) -> tuple[str, ...]:
        """What changed since :meth:`begin`, by name."""
        if before is None or not self._names:
            return ()
        now = state_of(self._function, self._names)
        return tuple(part.quoted for name, part in now.items() if _differs(before.get(name), part))


def _differs(before: Part | None, now: Part) -> bool:
    """Whether cells changed a part; what the first one makes for all is no change."""
    return before != now and (before is None or before.shown != "None")
