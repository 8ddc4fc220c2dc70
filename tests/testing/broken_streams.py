"""Executors each of which breaks one rule about tasks, completions, workers or control."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cloudpickle
from broken import Control, OneByOne, Pool, Pooled, Processes, Serial, Threads, cells, found_by

from crystallize import hookimpl
from crystallize.plugins import Capabilities, Completion

# -- tasks and completions


@found_by("test_every_task_is_called_once[fresh]")
class CallsOneTwice(OneByOne):
    number = 310

    def completed(self, number, call, task):
        if number == self.number:
            call(task)
        return super().completed(number, call, task)


@found_by("test_every_task_is_called_once[resumed]")
class CallsOneTwiceWhereItIsNotTheFirst(OneByOne):
    def completed(self, number, call, task):
        if task.start > 3 * number:
            call(task)
        return super().completed(number, call, task)


class Counted(Threads):
    """One completion comes another number of times."""

    number = 310
    times = 1

    def changed(self, completions):
        number = 0
        for completion in completions:
            number += completion is not None
            is_that_one = completion is not None and number == self.number
            for _ in range(self.times if is_that_one else 1):
                yield completion


@found_by("test_every_task_completes_once[fresh]")
class DropsOne(Counted):
    times = 0


@found_by("test_every_task_completes_once[fresh]")
class CompletesOneTwice(Counted):
    times = 2


@found_by("test_every_task_completes_once[resumed]")
class DropsOneWhereItIsNotTheFirst(Threads):
    def changed(self, completions):
        for completion in completions:
            if completion is None or completion.task.start != 500:
                yield completion


@found_by("test_every_value_is_that_of_its_task[fresh]")
class SwapsTwo(Serial):
    def changed(self, completions):
        before = None
        for number, completion in enumerate(completions, 1):
            if number == 310:
                before = completion
            elif number == 311:
                yield completion._replace(value=before.value)
                yield before._replace(value=completion.value)
            else:
                yield completion
        if number == 310:
            yield before


@found_by("test_every_value_is_that_of_its_task[resumed]")
class RoundsLateOnes(Serial):
    def changed(self, completions):
        for completion in completions:
            late = completion.task.start > 500 and type(completion.value) is tuple
            yield completion._replace(value=("task", 0)) if late else completion


@found_by("test_it_takes_little_work_ahead")
class TakesEverythingAtOnce(OneByOne):
    def asked(self, next_task):
        while tasks := list(iter(next_task, None)):
            yield from tasks


@found_by("test_it_asks_for_work_from_one_thread")
class AsksFromWorkers(OneByOne):
    def asked(self, next_task):
        with ThreadPoolExecutor(1) as helper:
            while (task := helper.submit(next_task).result() or next_task()) is not None:
                yield task


@found_by("test_the_call_travels_once_to_each_worker")
class SendsTheCallWithEveryTask(OneByOne):
    def completed(self, number, call, task):
        cloudpickle.loads(cloudpickle.dumps(call))
        return super().completed(number, call, task)


@found_by("test_none_means_nothing_now")
class EndsWhereTheSecondIsNotThere(OneByOne):
    """It asks for two tasks before it begins, and takes one alone for the last."""

    def asked(self, next_task):
        first = [task for task in (next_task(), next_task()) if task is not None]
        yield from first
        if len(first) == 2:
            yield from super().asked(next_task)


@found_by("test_none_means_nothing_now", alone=False)
class EndsAtTheFirstNone(OneByOne):
    def asked(self, next_task):
        task = next_task()
        while task is not None:
            following = next_task()
            yield task
            task = following


@found_by("test_completions_come_as_they_happen")
class YieldsInOrder(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        waiting, done = deque(), {}
        with Pool(call, 2) as pool:
            while True:
                while len(waiting) < 8 and (task := next_task()) is not None:
                    pool.submit(task)
                    waiting.append(task)
                if not waiting:
                    return
                if (completion := pool.news()) is None:
                    yield None
                    continue
                done[completion.task] = completion
                while waiting and waiting[0] in done:
                    yield done.pop(waiting.popleft())


@found_by("test_a_slow_task_keeps_no_worker_from_the_others")
class RunsInWaves(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        with Pool(call, 2) as pool:
            while wave := [t for t in (next_task(), next_task()) if t is not None]:
                for task in wave:
                    pool.submit(task)
                for _ in wave:
                    while (completion := pool.news()) is None:
                        yield None
                    yield completion


@found_by("test_it_ticks_while_it_waits")
class NeverTicks(Threads):
    def changed(self, completions):
        return (completion for completion in completions if completion is not None)


@found_by("test_waiting_costs_nothing")
class Spins(Pooled):
    seconds = 1e-4


# -- workers


@found_by("test_no_more_tasks_run_at_once_than_it_has_workers")
class HasOneWorkerMore(Pooled):
    threads = 3


@found_by("test_its_workers_run_at_once")
class StartsTheSecondLate(Pooled):
    """A second worker is of use to it only where the first takes long."""

    ahead = 2
    at_a_time = 1
    seconds = 0.3


@found_by("test_no_two_cells_share_a_process", alone=False)
class SaysThatThreadsShareNoProcess(Threads):
    capabilities = Capabilities(workers=2, shares_process=False)


@found_by("test_no_two_cells_share_a_process")
class SharesAProcessWhereNobodySeeds(SaysThatThreadsShareNoProcess):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        executor = Serial() if experiment.seed_globals else super()
        yield from executor.execute(experiment, call, next_task, run)


@found_by("test_it_says_where_cells_run")
class DoesNotSayThatItHasProcesses(Processes):
    @property
    def capabilities(self):
        return replace(super().capabilities, local_processes=False)


# -- what goes wrong


@found_by("test_a_call_that_raises_costs_its_own_task_only")
class LetsAnErrorOut(OneByOne):
    def completed(self, number, call, task):
        yield Completion(task, call(task))


@found_by("test_a_call_that_raises_costs_its_own_task_only")
class GivesErrorsAsValues(Serial):
    def changed(self, completions):
        for task, value, error in completions:
            yield Completion(task, value or error)


class LosesTasks(Processes):
    """What a worker took with it, and nobody had cancelled, is not as it should be."""

    def is_lost(self, completion):
        is_error = completion is not None and type(completion.error).__name__ == "WorkerLost"
        return is_error and completion.task not in self._cancelled

    def controlled(self, run):
        cancelled = self._cancelled = []

        class Ours(Control):
            def cancel(self, cancel, task):
                cancelled.append(task)
                cancel(task)

        return Ours(run)


@found_by("test_a_killed_worker_costs_no_more_than_its_tasks")
class EndsWithACellThatIsLost(LosesTasks):
    def changed(self, completions):
        for completion in completions:
            yield completion
            if self.is_lost(completion) and cells(completion.task) == 1:
                return


@found_by("test_a_cell_that_kills_its_worker_once_is_run_again")
class ForgetsLostBlocks(LosesTasks):
    def changed(self, completions):
        for completion in completions:
            if not self.is_lost(completion) or cells(completion.task) == 1:
                yield completion


@found_by("test_an_engine_that_loses_everything_ends_the_run")
class WaitsForADeadEngine(Processes):
    def changed(self, completions):
        lost = 0
        for completion in completions:
            lost += bool(completion and completion.error)
            while lost > 2:
                time.sleep(0.1)
                yield None
            yield completion


@found_by("test_a_running_task_can_be_cancelled")
class TellsTheTimeOfWhatIsOver(Processes):
    def controlled(self, run):
        class Ours(Control):
            def elapsed(self, elapsed, task):
                return elapsed(task) or 0.01

        return Ours(run)


@found_by("test_a_cell_that_hangs_is_timed_out")
class CancelsSingleCellsAlone(Processes):
    def controlled(self, run):
        class Ours(Control):
            def cancel(self, cancel, task):
                if cells(task) == 1 and task.start != 17:
                    cancel(task)

        return Ours(run)


@found_by("test_a_cell_that_hangs_is_timed_out", alone=False)
class CancelsNothing(Processes):
    def controlled(self, run):
        class Ours(Control):
            def cancel(self, cancel, task):
                pass

        return Ours(run)
