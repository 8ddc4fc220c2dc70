"""An executor in a program of its own, which is interrupted as a terminal does it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from crystallize.testing.surroundings import descendants
from crystallize.testing.trials import KILL
from crystallize.testing.watching import until

LANDED_SECONDS = 0.3
"""After which time what has finished has landed."""


@dataclass
class Elsewhere:
    """What a program came to that was interrupted.

    Attributes
    ----------
    has_begun : bool
        Whether it came to what was to be interrupted.
    found : dict
        What it said of itself.
    printed : list of str
        What else there was on its standard output.
    errors : str
        Its standard error.
    seconds : float
        How long it went on after it had been interrupted.
    status : int or None
        Its exit status; ``None`` where it had to be killed.
    orphans : list of int
        Processes that it had started and that outlived it.
    """

    has_begun: bool = False
    found: dict[str, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    errors: str = ""
    seconds: float = 0.0
    status: int | None = None
    orphans: list[int] = field(default_factory=list)


def run_elsewhere(
    executor: object,
    module: str,
    folder: Path,
    *,
    is_async: bool,
    seconds: float,
    replicates: int,
    patience: float,
) -> Elsewhere:
    """Run an executor in a program of its own, and interrupt that in its middle.

    Parameters
    ----------
    executor : object
    module : str
        What is defined there is sent by value: a test module, which cannot be imported.
    folder : path
    is_async : bool
        Whether it is given coroutine functions.
    seconds : float
        How long a cell takes.
    replicates : int
    patience : float
        After which time the program is killed.
    """
    notes = folder / "cells"
    notes.touch()
    orders = {
        "executor": executor,
        "is_async": is_async,
        "notes": str(notes),
        "seconds": seconds,
        "replicates": replicates,
    }
    sent = _pickled(orders, module)
    program = subprocess.Popen(
        [sys.executable, "-m", "crystallize.testing.elsewhere"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return _interrupted(program, sent, notes, patience)
    finally:
        _end(descendants(program.pid))
        program.kill()
        program.communicate()


def _interrupted(
    program: subprocess.Popen[bytes], orders: bytes, notes: Path, patience: float
) -> Elsewhere:
    assert program.stdin is not None
    program.stdin.write(orders)
    program.stdin.close()
    program.stdin = None
    begun = until(
        lambda: program.poll() is not None or len(notes.read_text().split()) > 3, patience
    )
    found = Elsewhere(has_begun=begun and program.poll() is None)
    if found.has_begun:
        until(lambda: False, LANDED_SECONDS)
        started = descendants(program.pid)
        began = monotonic()
        # A terminal interrupts all processes of the program.
        os.killpg(program.pid, signal.SIGINT)
        if until(lambda: program.poll() is not None, patience):
            found.status = program.returncode
        found.seconds = monotonic() - began
        until(lambda: not _alive(started), 2.0)
        found.orphans = _alive(started)
        _end(found.orphans)  # or else they hold its streams
    program.kill()
    out, errors = program.communicate()
    found.errors = errors.decode(errors="replace")
    for line in out.decode(errors="replace").splitlines():
        try:
            found.found.update(json.loads(line)["found"])
        except (ValueError, KeyError, TypeError):
            found.printed.append(line)
    return found


def _pickled(orders: dict[str, Any], module: str) -> bytes:
    inner = _by_value(orders, sys.modules[module])
    if inner is None:
        try:
            inner = cloudpickle.dumps(orders)
        except Exception as error:
            pytest.skip(f"the executor cannot be sent to another program: {error}")
    paths = [str(Path.cwd()) if path == "" else path for path in sys.path]
    sent: bytes = cloudpickle.dumps((paths, inner))
    return sent


def _by_value(orders: dict[str, Any], module: ModuleType) -> bytes | None:
    """Pickled with what is of a module, which may hold what cannot be pickled."""
    is_ours = module.__name__ not in cloudpickle.list_registry_pickle_by_value()
    cloudpickle.register_pickle_by_value(module)
    try:
        pickled: bytes = cloudpickle.dumps(orders)
    except Exception:
        return None
    finally:
        if is_ours:
            cloudpickle.unregister_pickle_by_value(module)
    return pickled


def _end(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, KILL)


def _alive(pids: list[int]) -> list[int]:
    """Those of some processes that still run; where none of them can be seen, none."""
    return [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
