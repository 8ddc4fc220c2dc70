"""Functions that go wrong in the worker, and what holds a run against an undisturbed one.

A fault strikes replicate 5, and only while its flag file is missing, unless it
strikes always.  Every call is logged, so that executions can be counted.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

STRUCK = 5
REPLICATES = 20


def value(rng, shift):
    return {"x": rng.normal() + shift, "name": f"n{shift}"}


def trial(rng, replicate, shift, fault, flag, log):
    with Path(log).open("a") as file:
        file.write(f"{replicate}\n")
    time.sleep(0.002)
    if replicate == STRUCK and fault and not Path(flag).exists():
        if not fault.endswith("always"):
            Path(flag).touch()
        if fault == "result":
            return {"x": lambda: 1}
        FAULTS[fault.removesuffix("-always")]()
    return value(rng, shift)


async def atrial(rng, replicate, shift, fault, flag, log):
    import asyncio

    if fault == "sleep" and replicate == STRUCK and not Path(flag).exists():
        Path(flag).touch()
        await asyncio.sleep(60)
    return trial(rng, replicate, shift, "" if fault == "sleep" else fault, flag, log)


class Awkward(Exception):
    def __init__(self, one, two):
        super().__init__(one)

    def __str__(self):
        raise RuntimeError("no text")


class Unpicklable(Exception):
    def __reduce__(self):
        raise RuntimeError("no pickling")


def hold_gil():
    ctypes.PyDLL(None).sleep(60)


def memory():
    import resource

    soft = 64 * 2**20 + int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (soft, before[1]))
    try:
        np.ones(2**28)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def raising(error, *arguments):
    def strike():
        raise error(*arguments)

    return strike


FAULTS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(0),
    "memory": memory,
    "sleep": lambda: time.sleep(60),
    "gil": hold_gil,
    "sys.exit": lambda: sys.exit(3),
    "interrupt": raising(KeyboardInterrupt),
    "raise": raising(ValueError, "struck"),
    "unpicklable": raising(Unpicklable, "x"),
    "unpickling": raising(Awkward, 1, 2),
    "type": raising(TypeError, "bad"),
}
