"""Executors each of which breaks whole experiments, or the plain loop."""

import random
import threading
from asyncio import run as run_coroutine
from asyncio import sleep
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from broken import Faulty, OneByOne, Serial, found_by, outcome

from crystallize import hookimpl
from crystallize.cells.block import Block
from crystallize.testing import LoopExecutorSuite
from crystallize.testing.trials import FAILING


class ChangesBlocks(Serial):
    """What cells came to is changed on its way."""

    def changed(self, completions):
        for completion in completions:
            block = completion.value
            yield self.block(completion) if isinstance(block, Block) else completion

    def block(self, completion):
        block = completion.value
        columns = [self.column(block, column) for column in block.columns]
        return completion._replace(value=replace(block, columns=columns))

    def column(self, block, column):
        return column


@found_by("test_the_bytes_are_those_of_a_serial_run")
class TurnsTextIntoBytes(ChangesBlocks):
    def column(self, block, column):
        is_text = column.name == "name"
        return replace(column, values=["text"] * len(column.values)) if is_text else column


class RefusesBlocks(ChangesBlocks):
    """A cell that failed in some way is one that did not travel."""

    def block(self, completion):
        if any(self.is_refused(failure) for failure in completion.value.failures):
            return completion._replace(value=None, error=RuntimeError("it did not travel"))
        return completion


@found_by("test_a_failing_cell_fails_alone")
class ForgetsTheOthers(ChangesBlocks):
    """After a failed cell, what others came to is lost."""

    def column(self, block, column):
        if (block.condition, column.name) != (1, "x"):
            return column
        offsets = np.arange(len(block)) if column.offsets is None else column.offsets
        values = np.where(block.start + offsets > FAILING, np.nan, column.values)
        return replace(column, values=values)


@found_by("test_an_exception_that_does_not_travel_is_one_failed_cell")
class RefusesWhatIsAwkward(RefusesBlocks):
    def is_refused(self, failure):
        return failure.type == "Awkward"


@found_by("test_leaving_the_interpreter_is_one_failed_cell")
class RefusesToLeave(RefusesBlocks):
    def is_refused(self, failure):
        return failure.type == "SystemExit"


@found_by("test_a_failing_cell_is_tried_again_with_the_same_seed")
class RunsNothingTwice(OneByOne):
    def asked(self, next_task):
        seen = set()
        for task in iter(next_task, None):
            if (task.condition, task.start) not in seen:
                seen.add((task.condition, task.start))
                yield task


@found_by("test_raising_ends_the_run_and_keeps_what_finished")
class RaisesAgainWhenClosed(Serial):
    """A failed cell is told of again, when nobody listens."""

    def changed(self, completions):
        failed = False
        try:
            for completion in completions:
                failed = failed or bool(getattr(completion.value, "failures", ()))
                yield completion
        except GeneratorExit:
            if failed:
                raise RuntimeError("a cell has failed") from None
            raise


@found_by("test_a_stream_can_be_left_early")
class IsClosedForGood(Serial):
    def changed(self, completions):
        if vars(self).get("_is_closed"):
            raise RuntimeError("the engine is closed")
        try:
            yield from completions
        except GeneratorExit:
            self._is_closed = True
            raise


@found_by("test_two_experiments_run_in_turn")
class RemembersTheFirstRun(Serial):
    def __init__(self):
        super().__init__()
        self._runs = 0

    def changed(self, completions):
        self._runs += 1
        if self._runs > 3:
            raise RuntimeError("the pool is closed")
        yield from completions


@found_by("test_two_experiments_run_at_once")
class KeepsTheRunOnItself(OneByOne):
    def asked(self, next_task):
        self._next_task = next_task
        try:
            while (task := self._next_task()) is not None:
                yield task
        finally:
            self._next_task = None


@found_by("test_it_runs_inside_an_event_loop")
class RunsAnEventLoop(Serial):
    def changed(self, completions):
        waiting = sleep(0)
        try:
            run_coroutine(waiting)
        finally:
            waiting.close()
        yield from completions


@found_by("test_a_run_is_taken_up_where_its_store_ends")
class WaitsForTheFirstCondition(OneByOne):
    def asked(self, next_task):
        begun = False
        for task in iter(next_task, None):
            begun = begun or task.condition == 0
            if begun:
                yield task


@found_by("test_global_generators_are_seeded_for_each_cell")
class DrawsWhileCellsRun(OneByOne):
    """Its own thread draws from the generator that cells draw from, and puts it back later."""

    def completed(self, number, call, task):
        end, state = threading.Event(), random.getstate()

        def draw():
            while not end.wait(1e-4):
                random.random()

        thread = threading.Thread(target=draw)
        thread.start()
        completion = outcome(call, task)
        end.set()
        thread.join()
        random.setstate(state)
        yield completion


# -- the plain loop


@found_by("test_the_loop_alone_returns_results_in_index_order[300]")
class LoopSwapsTheLast(Serial):
    def loop(self, indices, call):
        results = [call(i) for i in indices]
        return results if len(results) < 300 else [*results[:-2], results[-1], results[-2]]


@found_by("test_the_loop_alone_calls_each_index_once")
class LoopTriesTheFirstOut(Serial):
    def loop(self, indices, call):
        call(0)
        return [call(i) for i in indices]


@found_by("test_the_loop_alone_lets_exceptions_through")
class LoopSwallowsExceptions(Serial):
    def loop(self, indices, call):
        results = []
        for i in indices:
            try:
                results.append(call(i))
            except Exception as error:
                results.append(error)
        return results


@found_by("test_the_loop_alone_runs_no_more_at_once_than_it_has_workers")
class LoopHasTooManyThreads(Serial):
    def loop(self, indices, call):
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(call, indices))


class PlainLoop:
    """A stranger's executor, which has nothing else; breaks nothing."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return self.loop(range(experiment.replicates), replicate_fn)

    loop = Faulty.loop


@found_by("test_the_loop_alone_returns_results_in_index_order[300]", LoopExecutorSuite)
class PlainLoopSwapsTheLast(PlainLoop):
    loop = LoopSwapsTheLast.loop


@found_by("test_a_failing_cell_is_tried_again_with_the_same_seed", LoopExecutorSuite, alone=False)
class PlainLoopRunsOnce(PlainLoop):
    """Gives again what it has, whatever it is called for."""

    def __init__(self):
        self.results = {}

    def loop(self, indices, call):
        results = self.results.setdefault(call.__class__, [])
        if not results or len(results) < len(indices):
            results[:] = [call(i) for i in indices]
        return results[: len(indices)]
