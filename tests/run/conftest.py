"""Programs that are interrupted from outside, at a moment that they announce."""

import signal
import subprocess
import sys
import time

import pytest

HEAD = """
import asyncio, contextlib, os, signal, sys, threading, time
from crystallize import Experiment, Interrupted, hookimpl

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
ASYNC = {"execution": "async", "execution_options": {"max_concurrency": 4}}
PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def ready():
    os.write(1, b"ready\\n")


def done(result):
    return sum(int(finished.sum()) for finished in result.done.values())
"""


class Program:
    """A program that says ``ready`` when a signal may come.

    Attributes
    ----------
    seconds : float
        From the first signal to the end.
    """

    def __init__(self, folder, source):
        path = folder / "program.py"
        path.write_text(HEAD + source)
        self._process = subprocess.Popen(
            [sys.executable, str(path)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self):
        for line in self._process.stdout:
            if line == "ready\n":
                return
        raise AssertionError(self._process.communicate()[1])

    def signalled(self, *signals, pause=0.0):
        """Send signals; what the program printed then, without the exit code's check."""
        self.wait_until_ready()
        began = time.monotonic()
        for number, signum in enumerate(signals):
            if number:
                time.sleep(pause)
            self._process.send_signal(signum)
        out, err = self._process.communicate(timeout=60)
        self.seconds = time.monotonic() - began
        self.returncode = self._process.returncode
        self.err = err
        return out.replace("ready\n", "").strip()

    def ended(self):
        """What the program printed at its end."""
        out, self.err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self.err
        return out.strip()

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def program(tmp_path):
    started = []

    def start(source):
        started.append(Program(tmp_path, source))
        return started[-1]

    yield start
    for one in started:
        one.kill()


SIGNALS = pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
