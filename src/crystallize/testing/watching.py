"""Work that is given so many seconds, so that a check of something that hangs fails."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def within(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """What a function gives or raises, in another thread.

    Raises
    ------
    AssertionError
        If it takes longer; it is left behind, and the message says where it was.
    """
    came: list[tuple[Any, BaseException | None]] = []

    def target() -> None:
        try:
            came.append((function(*arguments), None))
        except BaseException as error:
            came.append((None, error))

    # A daemon: what hangs must not keep the tests from ending.
    thread = threading.Thread(target=copy_context().run, args=(target,), daemon=True)
    thread.start()
    thread.join(seconds)
    if not came:
        frame = sys._current_frames().get(thread.ident or 0)
        place = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
        raise AssertionError(
            f"This did not end within {seconds:g} seconds. A run must end when all of its tasks "
            f"have completed and next_task() gives None. It was here:\n{place}"
        )
    value, error = came[0]
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds; whether it does, after so many seconds at the most."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
