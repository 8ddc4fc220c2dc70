"""Checks of the workers behind ``execute``: how many there are, where, and what ends them."""

from __future__ import annotations

import os
from collections import Counter
from time import monotonic

from crystallize.contracts import Completion, Task
from crystallize.testing.driving import Drive, is_good, tasks
from crystallize.testing.facts import AHEAD, ExecutorChecks, parallel, streaming
from crystallize.testing.noted import Note, Noted, most_at_once
from crystallize.testing.suite import where

FEW, MANY = 4, 20
"""How many tasks there are for each worker, up to ten of these."""


class WorkerChecks(ExecutorChecks):
    """What is said of workers, held against what they do."""

    @streaming
    def test_no_more_tasks_run_at_once_than_it_has_workers(self) -> None:
        most, workers = most_at_once(self._crowd()), self.facts.capabilities.workers
        assert most <= workers, (
            f"{most} calls ran at once, and capabilities.workers is {workers}. Run no more, or say "
            "how many there are: memory, licences and rate limits are counted by it."
        )

    @parallel
    def test_its_workers_run_at_once(self) -> None:
        workers = self.facts.capabilities.workers
        # Where one ran at a time there are more: the second worker may take long to start.
        at_once = any(most_at_once(self._crowd(each)) > 1 for each in (FEW, MANY))
        assert at_once, (
            f"one call ran at a time, and capabilities.workers is {workers}. Hand out a task for "
            "each worker before you wait for a completion, or say workers=1."
        )

    @where(
        lambda facts: facts.streams and not facts.capabilities.shares_process,
        "executors whose cells share no process",
    )
    def test_no_two_cells_share_a_process(self) -> None:
        for process in {note.process for note in self._crowd()}:
            together = most_at_once([n for n in self._crowd() if n.process == process])
            assert together == 1, (
                f"{together} calls ran at once in process {process}, and shares_process is False. "
                "Cells that run at once in one process draw from each other's global generators; "
                "say shares_process=True, which is the default."
            )

    @streaming
    def test_it_says_where_cells_run(self) -> None:
        elsewhere = {note.process for note in self._crowd()} - {os.getpid()}
        here = {note.process for note in self._crowd()} & {os.getpid()}
        facts = self.facts
        if facts.processes:
            assert not here, (
                "a call ran in the driver's process, and local_processes (or the suite's "
                "'processes') says that none does. Run it in a worker, or do not say so: a cell "
                "that kills its process would kill the driver."
            )
        else:
            assert not elsewhere, (
                "calls ran in other processes. Say local_processes=True in its capabilities if "
                "they are of this machine and can map a file of the driver's; or else give the "
                "suite the attribute processes = True, so that it kills a few."
            )

    @where(
        lambda facts: facts.streams and facts.processes,
        "executors whose cells run in other processes",
    )
    def test_a_killed_worker_costs_no_more_than_its_tasks(self) -> None:
        call = Noted(self.folder, {7: "kill once"}, seconds=0.01)

        driven = self.within(lambda: Drive(self.make(), call, tasks(40)).run())
        found = Counter(completion.task.start for completion in driven.completions)
        assert sorted(found.elements()) == [task.start for task in driven.handed], (
            f"a worker was killed, and of 40 tasks {len(found)} completed, {found.total()} times "
            "in all. Every task completes once: those that were lost with a worker have an error, "
            "so that the driver can run them again."
        )
        assert len(found) == 40, (
            f"a worker was killed, and it ended after {len(found)} of 40 tasks. Go on with other "
            "workers, or start new ones."
        )
        errors = [c for c in driven.completions if c.error is not None]
        workers = self.facts.capabilities.workers
        assert len(errors) <= AHEAD * workers, (
            f"a worker was killed, and {len(errors)} of 40 tasks are lost with it. What had "
            "finished, and what had not begun, is not."
        )

    @where(
        lambda facts: facts.streams and facts.capabilities.can_cancel,
        "executors that can cancel a running task",
    )
    def test_a_running_task_can_be_cancelled(self) -> None:
        call = Noted(self.folder, {3: 60.0}, seconds=0.01)
        drive = Drive(self.make(), call, tasks(12))
        running: list[float | None] = []
        over: list[float | None] = []
        began = monotonic()

        def look(item: Completion | None) -> bool:
            assert drive.control is not None, (
                "can_cancel is True, and execute has not called run.register_control(cancel, "
                "elapsed) by its first item. Register what can be done to a running task."
            )
            cancel, elapsed = drive.control
            if not over and any(note.start == 3 for note in call.notes()):
                running.append(elapsed(Task(0, 3, 4)))
                if (running[-1] or 0.0) > 0.3 or monotonic() - began > 5:
                    over.append(elapsed(drive.completions[0].task))
                    cancel(Task(0, 3, 4))
            return False

        self.within(drive.run, look)
        assert running and running[-1] is not None and 0 < running[-1] < monotonic() - began, (
            f"elapsed(task) gave {running[-1:]} for a task that is running. Give the seconds for "
            "which it has been able to run."
        )
        assert over == [None], (
            f"elapsed(task) gave {over} for a task that is over. Give None where it is not running."
        )
        ended = [c for c in drive.completions if c.task.start == 3]
        assert len(ended) == 1 and ended[0].error is not None, (
            f"a task that was cancelled came to {ended}. It completes like any other, with an "
            "error."
        )
        others = [c for c in drive.completions if c.task.start != 3]
        assert len(others) == 11 and all(is_good(c) for c in others), (
            "cancel(task) ended other tasks than the one that it was given. End that one alone."
        )

    def _crowd(self, each: int = FEW) -> list[Note]:
        """More tasks than there are workers, none of them quick."""

        def gather() -> list[Note]:
            given = tasks(each * min(self.facts.capabilities.workers, 10))
            call = Noted(self.folder, seconds=0.1)
            return Drive(self.make(), call, given).run().call.notes()

        return self.evidence(f"crowd of {each}", gather)
