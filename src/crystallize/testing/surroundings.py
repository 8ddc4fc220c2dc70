"""What a process has running and open, and what is global in it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# It sets an environment variable when it is first imported, as our own workers do.
import threadpoolctl  # noqa: F401

from crystallize.worker.noticed import own_filters

PROCESSES = Path("/proc")
"""Where there is no such folder, no child process is seen."""
DESCRIPTORS = Path("/dev/fd")
KINDS = ("thread", "process", "file", "socket")
REPLACED = ("file", "socket")

Things = dict[str, Counter[Any]]


def things() -> Things:
    """The threads, child processes, files and sockets of this process, by kind."""
    # multiprocessing keeps the pipes of children that have ended until it is next asked for them.
    multiprocessing.active_children()
    found: Things = {kind: Counter() for kind in KINDS}
    # The objects: numbers of threads are given again.
    found["thread"].update(threading.enumerate())
    found["process"].update(descendants(os.getpid()))
    for name in _open():
        found["socket" if name.startswith("socket:") else "file"][name] += 1
    return found


def left(before: Things, kinds: tuple[str, ...]) -> list[str]:
    """What there is now and was not before.

    An engine that goes on may close one connection, or pipe, and open another: of these it
    is only too many that count.
    """
    now = things()
    return [
        f"{kind} {thing.name if isinstance(thing, threading.Thread) else thing}"
        for kind in kinds
        if kind not in REPLACED or now[kind].total() > before[kind].total()
        for thing in (now[kind] - before[kind]).elements()
    ]


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have; zombies are none."""
    children: dict[int, list[int]] = {}
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue  # it has ended meanwhile
        # The name in parentheses may hold anything.
        state, parent = text.rpartition(")")[2].split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(folder.name))
    found: list[int] = []
    parents = [pid]
    while parents:
        of_one = children.get(parents.pop(), [])
        found += of_one
        parents += of_one
    return found


def global_state(*, generators: bool) -> dict[str, Any]:
    """What code anywhere in this process can change for all of it.

    Parameters
    ----------
    generators : bool
        Whether the states of the global random generators are part of it.
    """
    state: dict[str, Any] = {
        "the working directory": str(Path.cwd()),
        "the environment": dict(os.environ),
        "sys.path": list(sys.path),
        "sys.stdout": id(sys.stdout),
        "warnings.filters": own_filters(),  # a thread that is left behind has ours for its cell
    }
    for signum in (signal.SIGINT, signal.SIGTERM, *_optional_signals()):
        state[f"the handler of {signal.Signals(signum).name}"] = signal.getsignal(signum)
    if generators:
        state["the generator of random"] = random.getstate()
        state["the generator of numpy.random"] = repr(np.random.get_state(legacy=False))
    return state


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what is not as it was."""
    return [name for name in before if before[name] != after[name]]


def _optional_signals() -> Iterator[int]:
    for name in ("SIGCHLD", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGPIPE"):
        if hasattr(signal, name):
            yield getattr(signal, name)


def _open() -> Iterator[str]:
    """The name of each open file and socket, as far as the system says it."""
    if not DESCRIPTORS.is_dir():
        return
    for number in os.listdir(DESCRIPTORS):  # noqa: PTH208 - names, of which one is gone at once
        path = PROCESSES / "self" / "fd" / number
        try:
            yield str(path.readlink()) if path.parent.is_dir() else f"descriptor {number}"
        except OSError:
            continue
