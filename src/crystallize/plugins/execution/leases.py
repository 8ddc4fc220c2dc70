"""Executors that a factory may give to several runs, shut down after the last of them."""

from __future__ import annotations

import inspect
import multiprocessing
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from crystallize.errors import ExecutorError

ATTEMPTS = 3
"""How often a factory may give an executor that was shut down, in a row."""

HURRY_SECONDS = 1.0
"""How long an executor may take to learn that it is to end, before it is left behind."""


class Leases:
    """Which executors are in use in this process, and by how many runs."""

    def __init__(self) -> None:
        self._in_use: dict[int, tuple[Any, int]] = {}
        self._shut: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def take(self, factory: Callable[[], Any], name: str) -> Any:
        """An executor of a factory, to be given back.

        Raises
        ------
        ExecutorError
            If it is one that an earlier run has shut down.
        """
        for _ in range(ATTEMPTS):
            # Without the lock: it may wait for what runs in the one that it has given before.
            executor = factory()
            with self._lock:
                if executor not in self._shut:
                    _, runs = self._in_use.get(id(executor), (executor, 0))
                    self._in_use[id(executor)] = executor, runs + 1
                    return executor
        raise ExecutorError(
            f"The factory {name} gives an executor that an earlier run has shut down. Make a new "
            "one each time, or give the executor itself, which is left open."
        )

    def give_back(self, executor: Any, *, hurry: bool) -> None:
        """Shut it down if no other run uses it; in a hurry, without waiting for anything."""
        with self._lock:
            _, runs = self._in_use.pop(id(executor))
            if runs > 1:
                self._in_use[id(executor)] = executor, runs - 1
                return
            self._shut.add(executor)
        if not hurry:
            executor.shutdown(wait=True)
            return
        # Some wait all the same, for ever if a worker was killed.
        shutdown = partial(executor.shutdown, wait=False, **_at_once(executor))
        thread = threading.Thread(target=shutdown, name="crystallize-shutdown", daemon=True)
        thread.start()
        thread.join(HURRY_SECONDS)
        multiprocessing.active_children()  # those that were killed are forgotten by this


def _at_once(executor: Any) -> dict[str, bool]:
    """What makes an executor end soon: not all have the same words for it."""
    known = inspect.signature(executor.shutdown).parameters
    return {word: True for word in ("cancel_futures", "kill_workers") if word in known}


leases = Leases()
"""This process's: what a factory gives may be the same for all of its runs."""
