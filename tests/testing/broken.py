"""What broken plugins are made of: executors that break nothing, with room for one fault each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import NamedTuple

from crystallize import hookimpl
from crystallize.plugins import Completion
from crystallize.plugins.execution import ParallelExecution, SerialExecution
from crystallize.plugins.execution.threads import ThreadPool
from crystallize.testing import ExecutorSuite


class Fault(NamedTuple):
    """The suite that a broken plugin runs under, and the check that is to find it."""

    suite: type
    check: str
    alone: bool


BROKEN: dict[type, Fault] = {}
kept: list = []
"""What is left behind on purpose."""


def found_by(check, suite=ExecutorSuite, *, alone=True):
    """Say which check finds a broken plugin, and whether no other does."""

    def noted(broken):
        BROKEN[broken] = Fault(suite, check, alone)
        return broken

    return noted


def outcome(call, task):
    try:
        return Completion(task, call(task))
    except Exception as error:
        return Completion(task, error=error)


def cells(task):
    return task.stop - task.start


class Faulty:
    """Before an executor's own class: a plain loop that is right, and three places for a fault."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        yield from self.changed(super().execute(experiment, call, next_task, self.controlled(run)))

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return self.loop(range(experiment.replicates), replicate_fn)

    def changed(self, completions):
        return completions

    def controlled(self, run):
        return run

    def loop(self, indices, call):
        return [call(i) for i in indices]


class Serial(Faulty, SerialExecution):
    """One after another."""


class OneByOne(Serial):
    """One after another, written out."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for number, task in enumerate(self.asked(next_task), 1):
            yield from self.completed(number, call, task)

    def asked(self, next_task):
        return iter(next_task, None)

    def completed(self, number, call, task):
        yield outcome(call, task)


class Threads(Faulty, ParallelExecution):
    """Two threads."""

    def __init__(self):
        super().__init__(2)


class Processes(Faulty, ParallelExecution):
    """Two processes."""

    def __init__(self):
        super().__init__(2, "process")


class Pool:
    """Threads that put completions into a queue."""

    def __init__(self, call, workers):
        self.done = SimpleQueue()
        self.call = call
        self.pool = ThreadPool(self.work, workers)

    def work(self, task):
        self.done.put(outcome(self.call, task))

    def news(self, seconds=0.1):
        try:
            return self.done.get(timeout=seconds)
        except Empty:
            return None

    def __enter__(self):
        self.pool.__enter__()
        return self

    def __exit__(self, *error):
        self.pool.__exit__(*error)
        self.call = None

    def submit(self, task):
        self.pool.submit(task)


class Pooled(Threads):
    """Two threads, written out."""

    pool = Pool
    threads = 2
    ahead = 4
    at_a_time = 4
    """How many tasks it asks for before it looks for completions again."""
    seconds = 0.1

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        with self.pool(call, self.threads) as pool:
            while True:
                for _ in range(self.at_a_time):
                    if running < self.ahead and (task := next_task()) is not None:
                        pool.submit(task)
                        running += 1
                if not running:
                    return
                completion = pool.news(self.seconds)
                running -= completion is not None
                yield completion


class Control:
    """A run whose executor's hold on its tasks goes through other hands."""

    def __init__(self, run):
        self.run = run

    def register_control(self, cancel, elapsed):
        self.run.register_control(
            lambda task: self.cancel(cancel, task), lambda task: self.elapsed(elapsed, task)
        )

    def cancel(self, cancel, task):
        cancel(task)

    def elapsed(self, elapsed, task):
        return elapsed(task)


class StandardPool(Pool):
    """The standard library's threads, whose interpreter waits for them."""

    def __init__(self, call, workers):
        self.done = SimpleQueue()
        self.call = call
        self.pool = ThreadPoolExecutor(workers)

    def __exit__(self, *error):
        self.pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, task):
        self.pool.submit(self.work, task)


class QueueLeftBehind(Pool):
    """Threads that go on with what was submitted, when they were told to end."""

    def __exit__(self, *error):
        for _ in range(2):
            self.pool._submitted.put(None)


def waiting_thread():
    """A thread that ends when `kept` is put back."""
    event = threading.Event()
    kept.append(event)
    threading.Thread(target=event.wait, args=(60,), daemon=True).start()
