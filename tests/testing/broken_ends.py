"""Executors each of which leaves something behind, or changes what is not its own."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from asyncio import create_task, sleep
from collections import deque
from contextlib import suppress

from broken import (
    Pool,
    Pooled,
    QueueLeftBehind,
    Serial,
    StandardPool,
    Threads,
    found_by,
    kept,
    waiting_thread,
)

from crystallize import hookimpl
from crystallize.plugins.execution import AsyncExecution
from crystallize.testing import AsyncExecutorSuite


class DoesMore(Serial):
    """It does something when a run begins."""

    def changed(self, completions):
        self.begin()
        yield from completions


# -- when it is closed


@found_by("test_closing_takes_two_seconds_at_most")
class WaitsWhenItIsClosed(Threads):
    def changed(self, completions):
        try:
            yield from completions
        except GeneratorExit:
            time.sleep(2.6)
            raise


@found_by("test_nothing_begins_after_closing")
class LeavesItsQueue(Pooled):
    pool = QueueLeftBehind


@found_by("test_nothing_runs_after_closing")
class LeavesAThread(DoesMore):
    def begin(self):
        waiting_thread()


@found_by("test_nothing_runs_after_closing")
class LeavesAProcess(DoesMore):
    def begin(self):
        kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))


@found_by("test_nothing_runs_after_closing", AsyncExecutorSuite)
class LeavesATask(AsyncExecution):
    def __init__(self):
        super().__init__(max_concurrency=4)

    @hookimpl
    async def execute(self, experiment, call, next_task, run):
        left = create_task(sleep(60))
        async for completion in super().execute(experiment, call, next_task, run):
            yield completion
        left.cancel()


@found_by("test_nothing_is_open_after_closing")
class LeavesAFileOpen(DoesMore):
    def begin(self):
        kept.append(open(os.devnull))  # noqa: SIM115, PTH123


@found_by("test_nothing_is_open_after_closing")
class LeavesASocketOpen(DoesMore):
    def begin(self):
        kept.append(socket.socket())


@found_by("test_what_is_global_is_as_it_was")
class GoesElsewhere(DoesMore):
    def begin(self):
        os.chdir(tempfile.gettempdir())


@found_by("test_what_is_global_is_as_it_was")
class ChangesTheEnvironment(DoesMore):
    def begin(self):
        os.environ["LEFT_BEHIND"] = "1"


@found_by("test_what_is_global_is_as_it_was_when_it_is_closed")
class DrawsAPort(DoesMore):
    def begin(self):
        random.randrange(65536)


@found_by("test_nothing_of_a_run_is_kept")
class RemembersTheCall(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        self._call = call
        yield from super().execute(experiment, call, next_task, run)


# -- in a program of its own


@found_by("test_ctrl_c_ends_a_program")
class KeepsTheInterpreter(Pooled):
    pool = StandardPool


class HoldingPool(Pool):
    """The first completions are handed on later, together."""

    def __init__(self, call, workers):
        super().__init__(call, workers)
        self.held = deque()
        self.first = 3

    def news(self, seconds=0.1):
        if self.held and self.held[0][0] < time.monotonic():
            return self.held.popleft()[1]
        completion = super().news(seconds)
        if completion is None or not self.first:
            return completion
        self.first -= 1
        self.held.append((time.monotonic() + 0.8, completion))
        return None


@found_by("test_ctrl_c_keeps_what_finished")
class HoldsCompletionsBack(Pooled):
    pool = HoldingPool


@found_by("test_ctrl_c_leaves_no_process")
class KeepsAHelper(DoesMore):
    """One for all runs of a program, and longer."""

    def begin(self):
        if not any(type(thing) is subprocess.Popen for thing in kept):
            program = [sys.executable, "-c", "import time; time.sleep(30)"]
            kept.append(subprocess.Popen(program, start_new_session=True))


@found_by("test_signal_handlers_are_as_they_were")
class TakesASignal(DoesMore):
    def begin(self):
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@found_by("test_nothing_is_printed_on_standard_output")
class Prints(DoesMore):
    def begin(self):
        print("Starting 1 worker")
