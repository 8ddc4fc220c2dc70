"""What every test may count on: Ctrl-C, and programs of their own that say where they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

HEAD = """
import asyncio, contextlib, json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from crystallize import Experiment, Interrupted, hookimpl

ASYNC = {"execution": "async", "execution_options": {"max_concurrency": 4}}
PROCESS = {
    "execution": "parallel", "execution_options": {"executor_type": "process", "max_workers": 2}
}


def ready():
    os.write(1, b"ready\\n")


def done(result):
    return sum(int(finished.sum()) for finished in result.done.values())


def values(result):
    return result.metrics["baseline"]["value"].tolist()

"""


def pytest_configure() -> None:
    # A shell starts what runs in its background with SIGINT ignored, and programs that a test
    # interrupts would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def fresh_bytecode() -> Iterator[None]:
    """What a test writes anew within a second is compiled anew, here and in its programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        patch.setattr(sys, "dont_write_bytecode", True)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Iterator[None]:
    # pytest names the test there, and a worker is kept for the next run in the same surroundings
    # alone: without it the runs of one test after another are as those of any program.
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    return (yield)


class Program:
    """A program in a process of its own, which can be awaited at any line that it prints.

    Attributes
    ----------
    seconds : float
        From the first signal that it was sent to its end.
    """

    def __init__(self, command: list[Any], **options: Any) -> None:
        self._process = subprocess.Popen(
            [*map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self._printed = threading.Condition()
        self._out: list[str] = []
        self._err: list[str] = []
        self._open = 2
        self._signalled: float | None = None
        self.seconds = 0.0
        for pair in ((self._process.stdout, self._out), (self._process.stderr, self._err)):
            threading.Thread(target=self._read, args=pair, daemon=True).start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._printed:
                    lines.append(line)
                    self._printed.notify_all()
        with self._printed:
            self._open -= 1
            self._printed.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    @property
    def out(self) -> str:
        """What it has printed so far, but for the lines that say that it is ready."""
        return "".join(line for line in self._out if line != "ready\n").strip()

    @property
    def err(self) -> str:
        return "".join(self._err)

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until it prints a line with this text in it, on one of its streams."""

        def printed() -> bool:
            return any(text in line for line in (*self._out, *self._err))

        with self._printed:
            self._printed.wait_for(lambda: printed() or not self._open, timeout)
            assert printed(), (text, self.out, self.err)

    def send(self, signum: int, *, group: bool = False) -> None:
        """Send a signal to it, or to all of its group."""
        if self._signalled is None:
            self._signalled = time.monotonic()
        if group:
            os.killpg(self.pid, signum)
        else:
            self._process.send_signal(signum)

    def signalled(self, *signals: int, pause: float = 0.0) -> str:
        """Send signals once it is ready; what it printed, however it ended.

        What it does meanwhile is no single long sleep: Python misses a signal that comes just
        before the system call.
        """
        self.wait_for("ready")
        for number, signum in enumerate(signals):
            if number:
                time.sleep(pause)
            self.send(signum)
        return self.ended(code=None)

    def ended(self, *, code: int | None = 0, timeout: float = 60) -> str:
        """What it printed until its end, with this exit code unless that is ``None``."""
        until = time.monotonic() + timeout
        self._process.wait(timeout)
        with self._printed:
            self._printed.wait_for(lambda: not self._open, until - time.monotonic())
        assert not self._open, "somebody else holds the program's streams"
        if self._signalled is not None:
            self.seconds = time.monotonic() - self._signalled
        assert code in (None, self.returncode), (self.returncode, self.out, self.err)
        return self.out

    def kill(self) -> None:
        """End it, unless it has ended."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts a command, and ends it if the test leaves it running."""
    started: list[Program] = []

    def start(*command: Any, **options: Any) -> Program:
        started.append(Program([*command], **options))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def program(start: Callable[..., Program], tmp_path: Path) -> Callable[..., Program]:
    """Starts a program of this source, in a folder of its own, with ``HEAD`` before it."""

    def program(source: str, *arguments: Any, **options: Any) -> Program:
        path = tmp_path / "program.py"
        path.write_text(HEAD + source)
        return start(sys.executable, path, *arguments, **{"cwd": tmp_path, **options})

    return program


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs a small distribution: a module and its metadata, in a folder on the path."""

    def install(name, entry_points, module="", version="1.0"):
        folder = tmp_path / f"site-{name}-{version}"
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            f"[{group}]\n{entry} = {value}\n"
            for group, entries in entry_points.items()
            for entry, value in entries.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        (folder / f"{name.replace('-', '_')}.py").write_text(module)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install
