"""The flags of this interpreter (``-O``, ``-W``, ``-X``, ...), for one that is started from it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]
from typing import Any

_lock = threading.Lock()


def interpreter_flags() -> list[str]:
    """The arguments with which Python was started here, but for the program and its own."""
    arguments: list[str] = _args_from_interpreter_flags()
    for name, value in getattr(sys, "_xoptions", {}).items():
        option = name if value is True else f"{name}={value}"
        if option not in arguments:
            arguments += ["-X", option]
    return arguments


@contextmanager
def started_with_flags() -> Iterator[None]:
    """Have loky start processes with our flags, which it leaves out where there are forks."""
    from loky.backend import fork_exec as launcher

    flags = interpreter_flags()
    if sys.flags.ignore_environment and "-P" not in flags:
        flags.append("-P")  # or a module in the working directory could be taken for another
    if sys.platform == "win32" or not flags:
        yield
        return

    with _lock:
        start = launcher.fork_exec

        def start_with_flags(command: list[str], *args: Any, **options: Any) -> Any:
            return start([command[0], *flags, *command[1:]], *args, **options)

        launcher.fork_exec = start_with_flags
        try:
            yield
        finally:
            launcher.fork_exec = start
