"""Executors each of which breaks one rule of the contract, and the check that says so."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from asyncio import create_task, run, sleep
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

import cloudpickle

from crystallize import hookimpl
from crystallize.cells.block import Block
from crystallize.plugins import Capabilities, Completion
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution
from crystallize.plugins.execution.threads import ThreadPool
from crystallize.testing import AsyncExecutorSuite, ExecutorSuite, LoopExecutorSuite

BROKEN = {}
"""Class -> the suite that it runs, and the test that is to find it."""
kept = []
"""What is left behind on purpose."""


def found_by(test, suite=ExecutorSuite, *, alone=True):
    def noted(broken):
        BROKEN[broken] = suite, test, alone
        return broken

    return noted


def outcome(call, task):
    try:
        return Completion(task, call(task))
    except Exception as error:
        return Completion(task, error=error)


class Serial(SerialExecution):
    """One after another; breaks nothing."""


class Threads(ParallelExecution):
    """Two threads; breaks nothing."""

    def __init__(self):
        super().__init__(2)


class Processes(ParallelExecution):
    """Two processes; breaks nothing."""

    def __init__(self):
        super().__init__(2, "process")


class Pool:
    """Threads that put completions into a queue."""

    def __init__(self, call, workers=2):
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
    """Two threads, written out; breaks nothing."""

    ahead = 4

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        with Pool(call) as pool:
            while True:
                while running < self.ahead and (task := next_task()) is not None:
                    pool.submit(task)
                    running += 1
                if not running:
                    return
                completion = pool.news()
                running -= completion is not None
                yield completion


# -- tasks and completions


@found_by("test_every_task_is_called_once[fresh]", alone=False)
class CallsOneTwice(Serial):
    number = 310

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for number, task in enumerate(iter(next_task, None), 1):
            if number == self.number:
                call(task)
            yield outcome(call, task)


@found_by("test_every_task_is_called_once[resumed]")
class CallsOneTwiceWhereItIsNotTheFirst(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for number, task in enumerate(iter(next_task, None), 1):
            if task.start > 3 * number:
                call(task)
            yield outcome(call, task)


@found_by("test_every_task_completes_once[fresh]", alone=False)
class DropsOne(Threads):
    number = 310

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        number = 0
        for completion in super().execute(experiment, call, next_task, run):
            number += completion is not None
            if completion is None or number != self.number:
                yield completion


@found_by("test_every_task_completes_once[fresh]", alone=False)
class CompletesOneTwice(Threads):
    number = 310

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        number = 0
        for completion in super().execute(experiment, call, next_task, run):
            number += completion is not None
            yield completion
            if completion is not None and number == self.number:
                yield completion


@found_by("test_every_task_completes_once[resumed]")
class DropsOneWhereItIsNotTheFirst(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for completion in super().execute(experiment, call, next_task, run):
            if completion is None or completion.task.start != 500:
                yield completion


@found_by("test_every_value_is_that_of_its_task[fresh]", alone=False)
class SwapsTwo(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        before = None
        for number, task in enumerate(iter(next_task, None), 1):
            completion = outcome(call, task)
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
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for task in iter(next_task, None):
            completion = outcome(call, task)
            late = task.start > 500 and type(completion.value) is tuple
            yield completion._replace(value=("task", 0)) if late else completion


@found_by("test_it_takes_little_work_ahead")
class TakesEverythingAtOnce(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        while tasks := list(iter(next_task, None)):
            for task in tasks:
                yield outcome(call, task)


@found_by("test_it_asks_for_work_from_one_thread")
class AsksFromWorkers(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        with ThreadPoolExecutor(1) as helper:
            while (task := helper.submit(next_task).result() or next_task()) is not None:
                yield outcome(call, task)


@found_by("test_the_call_travels_once_to_each_worker")
class SendsTheCallWithEveryTask(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for task in iter(next_task, None):
            cloudpickle.loads(cloudpickle.dumps(call))
            yield outcome(call, task)


@found_by("test_none_means_nothing_now")
class EndsAtTheFirstNone(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        task = next_task()
        while task is not None:
            following = next_task()
            yield outcome(call, task)
            task = following


@found_by("test_completions_come_as_they_happen")
class YieldsInOrder(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        waiting, done = deque(), {}
        with Pool(call) as pool:
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
        with Pool(call) as pool:
            while wave := [t for t in (next_task(), next_task()) if t is not None]:
                for task in wave:
                    pool.submit(task)
                for _ in wave:
                    while (completion := pool.news()) is None:
                        yield None
                    yield completion


@found_by("test_it_ticks_while_it_waits")
class NeverTicks(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for completion in super().execute(experiment, call, next_task, run):
            if completion is not None:
                yield completion


@found_by("test_waiting_costs_nothing")
class Spins(Pooled):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        with Pool(call) as pool:
            while True:
                while running < self.ahead and (task := next_task()) is not None:
                    pool.submit(task)
                    running += 1
                if not running:
                    return
                completion = pool.news(1e-4)
                running -= completion is not None
                yield completion


# -- workers


@found_by("test_no_more_tasks_run_at_once_than_it_has_workers")
class HasOneWorkerMore(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        with Pool(call, 3) as pool:
            while True:
                while running < 4 and (task := next_task()) is not None:
                    pool.submit(task)
                    running += 1
                if not running:
                    return
                completion = pool.news()
                running -= completion is not None
                yield completion

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return SerialExecution().run_experiment_loop(experiment, replicate_fn)


@found_by("test_its_workers_run_at_once")
class StartsTheSecondLate(Threads):
    """A second worker is of use to it only where the first takes long."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        with Pool(call) as pool:
            while True:
                if running < 2 and (task := next_task()) is not None:
                    pool.submit(task)
                    running += 1
                if not running:
                    return
                completion = pool.news(0.3)
                running -= completion is not None
                yield completion


@found_by("test_no_two_cells_share_a_process", alone=False)
class SaysThatThreadsShareNoProcess(Threads):
    @property
    def capabilities(self):
        return Capabilities(workers=2, shares_process=False)


@found_by("test_it_says_where_cells_run")
class DoesNotSayThatItHasProcesses(Processes):
    @property
    def capabilities(self):
        return replace(super().capabilities, local_processes=False)


@found_by("test_a_call_that_raises_costs_its_own_task_only")
class LetsAnErrorOut(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for task in iter(next_task, None):
            yield Completion(task, call(task))


@found_by("test_a_call_that_raises_costs_its_own_task_only", alone=False)
class GivesErrorsAsValues(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for task in iter(next_task, None):
            completion = outcome(call, task)
            yield Completion(task, completion.value or completion.error)

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


@found_by("test_a_killed_worker_costs_no_more_than_its_tasks")
class EndsWithACellThatIsLost(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for completion in super().execute(experiment, call, next_task, run):
            yield completion
            if completion is not None and completion.error and _cells(completion.task) == 1:
                return


@found_by("test_a_cell_that_kills_its_worker_once_is_run_again")
class ForgetsLostBlocks(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for completion in super().execute(experiment, call, next_task, run):
            if completion is None or not completion.error or _cells(completion.task) == 1:
                yield completion


def _cells(task):
    return task.stop - task.start


@found_by("test_an_engine_that_loses_everything_ends_the_run")
class WaitsForADeadEngine(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        lost = 0
        for completion in super().execute(experiment, call, next_task, run):
            lost += bool(completion and completion.error)
            while lost > 2:
                time.sleep(0.1)
                yield None
            yield completion


class Control:
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


@found_by("test_a_running_task_can_be_cancelled")
class TellsTheTimeOfWhatIsOver(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        class Ours(Control):
            def elapsed(self, elapsed, task):
                return elapsed(task) or 0.01

        yield from super().execute(experiment, call, next_task, Ours(run))


@found_by("test_a_cell_that_hangs_is_timed_out")
class CancelsSingleCellsAlone(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        class Ours(Control):
            def cancel(self, cancel, task):
                if _cells(task) == 1 and task.start != 17:
                    cancel(task)

        yield from super().execute(experiment, call, next_task, Ours(run))


@found_by("test_a_cell_that_hangs_is_timed_out", alone=False)
class CancelsNothing(Processes):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        class Ours(Control):
            def cancel(self, cancel, task):
                pass

        yield from super().execute(experiment, call, next_task, Ours(run))


# -- the end


@found_by("test_closing_takes_two_seconds_at_most")
class WaitsWhenItIsClosed(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        stream = super().execute(experiment, call, next_task, run)
        try:
            yield from stream
        except GeneratorExit:
            time.sleep(2.8)
            raise


@found_by("test_nothing_begins_after_closing")
class LeavesItsQueue(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        running = 0
        pool = Pool(call)
        pool.__enter__()
        try:
            while True:
                while running < 4 and (task := next_task()) is not None:
                    pool.submit(task)
                    running += 1
                if not running:
                    return
                completion = pool.news()
                running -= completion is not None
                yield completion
        finally:
            for _ in range(2):
                pool.pool._submitted.put(None)


@found_by("test_nothing_runs_after_closing")
class LeavesAThread(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        event = threading.Event()
        kept.append(event)
        threading.Thread(target=event.wait, args=(60,), daemon=True).start()
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_nothing_runs_after_closing")
class LeavesAProcess(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        yield from super().execute(experiment, call, next_task, run)


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
class LeavesAFileOpen(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        kept.append(open(os.devnull))  # noqa: SIM115, PTH123
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_what_is_global_is_as_it_was")
class ChangesTheEnvironment(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        os.environ["LEFT_BEHIND"] = "1"
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_what_is_global_is_as_it_was")
class DrawsAPort(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        random.randrange(65536)
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_nothing_of_a_run_is_kept")
class RemembersTheCall(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        self._call = call
        yield from super().execute(experiment, call, next_task, run)


# -- in a program of its own


@found_by("test_ctrl_c_ends_a_program")
class KeepsTheInterpreter(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        done, running = SimpleQueue(), 0
        pool = ThreadPoolExecutor(2)
        try:
            while True:
                while running < 4 and (task := next_task()) is not None:
                    pool.submit(outcome, call, task).add_done_callback(done.put)
                    running += 1
                if not running:
                    return
                try:
                    completion = done.get(timeout=0.1).result()
                except Empty:
                    yield None
                else:
                    running -= 1
                    yield completion
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@found_by("test_ctrl_c_keeps_what_finished")
class HoldsCompletionsBack(Threads):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        held = deque()
        for completion in super().execute(experiment, call, next_task, run):
            if completion is not None:
                held.append((time.monotonic() + 0.6, completion))
            while held and held[0][0] < time.monotonic():
                yield held.popleft()[1]
            yield None
        while held:
            yield held.popleft()[1]


@found_by("test_ctrl_c_leaves_no_process")
class KeepsAHelper(Serial):
    """One for all runs of a program, and longer."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        if not any(type(thing) is subprocess.Popen for thing in kept):
            program = [sys.executable, "-c", "import time; time.sleep(30)"]
            kept.append(subprocess.Popen(program, start_new_session=True))
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_signal_handlers_are_as_they_were")
class TakesASignal(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_nothing_is_printed_on_standard_output")
class Prints(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        print("Starting 1 worker")
        yield from super().execute(experiment, call, next_task, run)


# -- whole experiments


@found_by("test_the_bytes_are_those_of_a_serial_run")
class TurnsTextIntoBytes(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        for completion in super().execute(experiment, call, next_task, run):
            if isinstance(completion.value, Block):
                columns = [
                    replace(column, values=["text"] * len(column.values))
                    if column.name == "name"
                    else column
                    for column in completion.value.columns
                ]
                completion = Completion(completion.task, replace(completion.value, columns=columns))
            yield completion


@found_by("test_a_failing_cell_is_tried_again_with_the_same_seed")
class RunsNothingTwice(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        seen = set()
        for task in iter(next_task, None):
            if (task.condition, task.start) not in seen:
                seen.add((task.condition, task.start))
                yield outcome(call, task)


@found_by("test_two_experiments_run_in_turn")
class RemembersTheFirstRun(Serial):
    def __init__(self):
        super().__init__()
        self._runs = 0

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        self._runs += 1
        if self._runs > 3:
            raise RuntimeError("the pool is closed")
        yield from super().execute(experiment, call, next_task, run)


@found_by("test_two_experiments_run_at_once")
class KeepsTheRunOnItself(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        self._next_task = next_task
        while (task := self._next_task()) is not None:
            yield outcome(call, task)
        self._next_task = None


@found_by("test_it_runs_inside_an_event_loop")
class RunsAnEventLoop(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        _wait()
        yield from super().execute(experiment, call, next_task, run)


def _wait():
    waiting = sleep(0)
    try:
        run(waiting)
    finally:
        waiting.close()


@found_by("test_a_run_is_taken_up_where_its_store_ends")
class WaitsForTheFirstCondition(Serial):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        begun = False
        for task in iter(next_task, None):
            begun = begun or task.condition == 0
            if begun:
                yield outcome(call, task)


@found_by("test_global_generators_are_seeded_for_each_cell")
class DrawsWhileCellsRun(Serial):
    """Its own thread draws from the generator that cells draw from, and puts it back later."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        end = threading.Event()

        def draw():
            while not end.wait(1e-4):
                random.random()

        for task in iter(next_task, None):
            state = random.getstate()
            end.clear()
            thread = threading.Thread(target=draw)
            thread.start()
            completion = outcome(call, task)
            end.set()
            thread.join()
            random.setstate(state)
            yield completion


# -- the plain loop


class Loop(Serial):
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return self.loop(range(experiment.replicates), replicate_fn)

    def loop(self, indices, call):
        return [call(i) for i in indices]


@found_by("test_the_loop_alone_returns_results_in_index_order[300]")
class LoopSwapsTheLast(Loop):
    def loop(self, indices, call):
        results = [call(i) for i in indices]
        return results if len(results) < 300 else [*results[:-2], results[-1], results[-2]]


@found_by("test_the_loop_alone_calls_each_index_once")
class LoopTriesTheFirstOut(Loop):
    def loop(self, indices, call):
        call(0)
        return [call(i) for i in indices]


@found_by("test_the_loop_alone_lets_exceptions_through")
class LoopSwallowsExceptions(Loop):
    def loop(self, indices, call):
        results = []
        for i in indices:
            try:
                results.append(call(i))
            except Exception as error:
                results.append(error)
        return results


@found_by("test_the_loop_alone_runs_no_more_at_once_than_it_has_workers")
class LoopHasTooManyThreads(Loop):
    def loop(self, indices, call):
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(call, indices))


class PlainLoop:
    """A stranger's; breaks nothing."""

    def loop(self, indices, call):
        return [call(i) for i in indices]

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return self.loop(range(experiment.replicates), replicate_fn)


@found_by("test_the_loop_alone_returns_results_in_index_order[300]", LoopExecutorSuite)
class PlainLoopSwapsTheLast(PlainLoop, LoopSwapsTheLast):
    execute = None
    loop = LoopSwapsTheLast.loop


@found_by("test_a_failing_cell_is_tried_again_with_the_same_seed", LoopExecutorSuite)
class PlainLoopRunsOnce(PlainLoop):
    """Gives again what it has, whatever it is called for."""

    def __init__(self):
        self.results = {}

    def loop(self, indices, call):
        results = self.results.setdefault(call.__class__, [])
        if not results or len(results) < len(indices):
            results[:] = [call(i) for i in indices]
        return results[: len(indices)]
