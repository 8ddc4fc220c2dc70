"""Each cell runs in a context of its own, which begins as the driver's was.

Decimal precision, NumPy's error state and whatever else is in context variables: what one
cell changes of it reaches no other, and what the program had set before it ran the
experiment reaches each of them.  Other context variables of the program reach none: no
other process could have them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any

import numpy as np

_PRISTINE = {
    "prec": 28,
    "rounding": "ROUND_HALF_EVEN",
    "Emin": -999999,
    "Emax": 999999,
    "capitals": 1,
    "clamp": 0,
}
_TRAPPED = {"InvalidOperation", "DivisionByZero", "Overflow"}


class FreshContexts:
    """Makes them; what differs from how Python and NumPy begin is taken over.

    To be made where the run is, in the driver; travels to its workers.
    """

    def __init__(self) -> None:
        self._decimal = _decimal()
        self._errors = _differing(np.geterr)
        self._print = _differing(np.get_printoptions)
        called = bool(self._errors) and {"call", "log"} & set(self._errors.values())
        self._errcall = np.geterrcall() if called else None
        self._prepare()

    def _prepare(self) -> None:
        self._base = Context()
        self._base.run(self._set)
        self.is_empty = not len(self._base) and self._decimal is None
        """Whether it is just a new one."""
        self.new = self._base.copy if self._decimal is None else self._with_decimal()
        """Makes the context of one cell."""

    def __getstate__(self) -> dict[str, Any]:
        return {key: vars(self)[key] for key in ("_decimal", "_errors", "_print", "_errcall")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def _set(self) -> None:
        if self._errors:
            np.seterr(**self._errors)
        if self._errcall is not None:
            np.seterrcall(self._errcall)
        if self._print:
            np.set_printoptions(**self._print)

    def _with_decimal(self) -> Callable[[], Context]:
        from decimal import setcontext

        base, begins = self._base.copy, self._decimal.copy

        def new() -> Context:
            context = base()
            context.run(setcontext, begins())  # a copy: cells change it in place
            return context

        return new


def _decimal() -> Any:
    """The decimal context of the driver; ``None`` where that is how Python begins."""
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    present = decimal.getcontext().copy()
    present.clear_flags()
    if all(_is_pristine(context) for context in (present, decimal.DefaultContext)):
        return None
    return present


def _is_pristine(context: Any) -> bool:
    trapped = {signal.__name__ for signal, is_trapped in context.traps.items() if is_trapped}
    return trapped == _TRAPPED and all(
        getattr(context, name) == value for name, value in _PRISTINE.items()
    )


def _differing(look: Any) -> Any:
    """What is set here, where it is not what a new context has."""
    here = look()
    return None if here == Context().run(look) else here
