"""An engine whose workers take long to start breaks no contract."""

import threading
import time
from queue import SimpleQueue

import pytest
from broken import Pool, Pooled, outcome
from harness import failures, suite_of

from crystallize.testing import ExecutorSuite


class SecondStartsLate(Pool):
    """Until its second worker has started, the first one does all."""

    def __init__(self, call, workers):
        self.call = call
        self.given: SimpleQueue = SimpleQueue()
        self.done: SimpleQueue = SimpleQueue()

    def __enter__(self):
        for seconds in (0.0, 1.5):
            threading.Thread(target=self.work, args=[seconds], daemon=True).start()
        return self

    def __exit__(self, *error):
        for _ in range(2):
            self.given.put(None)

    def submit(self, task):
        self.given.put(task)

    def work(self, seconds):
        time.sleep(seconds)
        while (task := self.given.get()) is not None:
            self.done.put(outcome(self.call, task))


class Late(Pooled):
    pool = SecondStartsLate


@pytest.mark.parametrize(
    "check", ["test_a_slow_task_keeps_no_worker_from_the_others", "test_its_workers_run_at_once"]
)
def test_a_worker_that_starts_late_is_waited_for(check, tmp_path):
    assert not list(failures(suite_of(ExecutorSuite, Late), tmp_path, only=check))
