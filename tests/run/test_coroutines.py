"""Coroutine functions that are hard on their event loop, and the loop they share."""

import asyncio
import inspect
import pickle
import time
import warnings
from collections import Counter
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import pytest

from crystallize import CellLeftBehindWarning, ExecutorError, Experiment, Until, hookimpl
from crystallize.contracts import Task
from crystallize.description.seeding import Seeding
from crystallize.plugins import Capabilities, Completion, Execution
from crystallize.testing import same_result
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.cell_options import CellOptions

ASYNC = {"execution": "async", "execution_options": {"max_concurrency": 4}}
BOTH = pytest.mark.parametrize("options", [ASYNC, {}], ids=["async", "serial"])
LEAVING = 2.5
"""Two seconds, and some for the machine."""


async def swallows(replicate):
    """Does not end when it is cancelled, but at last."""
    for _ in range(60):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)
    return float(replicate)


def test_a_timeout_ends_a_cell_that_swallows_its_cancellation_and_no_other():
    async def trial(replicate):
        return await swallows(replicate) if replicate == 3 else float(replicate)

    began = time.monotonic()
    with pytest.warns(CellLeftBehindWarning, match="replicate 3 of condition 'baseline'"):
        result = Experiment(trial, replicates=20, timeout=0.5, **ASYNC).run()
    assert time.monotonic() - began < 0.5 + LEAVING
    assert [(e.replicate, e.type) for e in result.errors] == [(3, "TimedOut")]
    assert result.done["baseline"].sum() == 19


def test_a_stream_can_be_closed_while_cells_swallow_their_cancellation():
    async def trial(replicate):
        return await swallows(replicate) if replicate else 0.0

    stream: Any = Experiment(trial, replicates=3, **ASYNC).stream()
    assert next(stream).replicate == 0
    began = time.monotonic()
    with pytest.warns(CellLeftBehindWarning, match="replicate 1"):
        stream.close()
    assert time.monotonic() - began < LEAVING


def test_a_cell_that_holds_up_the_loop_for_good_ends_the_run_by_name():
    async def trial(replicate):
        if replicate == 3:
            time.sleep(6)
        return float(replicate)

    began = time.monotonic()
    with (
        pytest.raises(ExecutorError, match="replicate 3 of condition 'baseline'") as caught,
        pytest.warns(CellLeftBehindWarning, match="replicate 3 "),
    ):
        Experiment(trial, replicates=10, timeout=0.3, **ASYNC).run()
    assert time.monotonic() - began < 0.3 + LEAVING
    assert caught.value.result is not None


def test_a_cell_that_holds_up_the_loop_makes_no_other_late():
    async def trial(replicate):
        if replicate == 3:
            time.sleep(1.0)
        await asyncio.sleep(0.05)
        return float(replicate)

    result = Experiment(trial, replicates=12, timeout=0.5, **ASYNC).run()
    assert [(e.replicate, e.type) for e in result.errors] == [(3, "TimedOut")]


def test_a_slow_reader_and_a_slow_observer_make_no_cell_late():
    async def trial(replicate):
        await asyncio.sleep(0.05)
        return float(replicate)

    kinds: Counter[str | None] = Counter()
    for number, outcome in enumerate(
        Experiment(trial, replicates=60, timeout=0.4, **ASYNC).stream()
    ):
        kinds[None if outcome.error is None else outcome.error.type] += 1
        if number == 5:
            time.sleep(1.5)  # longer than a cell may take: this is what is tested
    assert kinds == {None: 60}

    class Slow:
        @hookimpl
        def outcomes_completed(self):
            time.sleep(0.6)

    result = Experiment(trial, replicates=16, timeout=0.4, plugins=[Slow()], **ASYNC).run()
    assert result.errors == []


def stops(loop):
    loop.stop()


def cancels(loop):
    for task in asyncio.all_tasks():
        task.cancel()


async def leave():
    raise SystemExit(3)


@BOTH
@pytest.mark.parametrize("deed", ["stop", "cancel", "exit", "close"])
def test_what_a_cell_does_to_its_loop_costs_that_cell_alone(options, deed):
    async def trial(replicate):
        await asyncio.sleep(0.001)
        if replicate == 5:
            loop = asyncio.get_running_loop()
            if deed == "stop":
                loop.stop()
            elif deed == "cancel":
                for task in asyncio.all_tasks():
                    task.cancel()
            elif deed == "close":
                loop.close()
            else:
                await asyncio.create_task(leave())
            await asyncio.sleep(0.001)
        return float(replicate)

    result = Experiment(trial, replicates=20, **options).run()
    assert [error.replicate for error in result.errors] == [5]
    assert result.done["baseline"].sum() == 19


async def does_exit(loop):
    await asyncio.create_task(leave())


async def does_exit_beside(loop):
    task = asyncio.create_task(leave())
    await asyncio.sleep(0.001)
    assert type(task.exception()).__name__ == "SystemExit"
    raise ValueError("told")


@pytest.mark.parametrize("deed", [stops, cancels, does_exit, does_exit_beside])
def test_on_the_callers_loop_too(deed):
    async def trial(replicate):
        await asyncio.sleep(0.001)
        if replicate == 5:
            done = deed(asyncio.get_running_loop())
            if done is not None:
                await done
        return float(replicate)

    result = asyncio.run(Experiment(trial, replicates=20, **ASYNC).arun())
    assert [error.replicate for error in result.errors] == [5]
    assert result.done["baseline"].sum() == 19


@BOTH
def test_cells_share_one_loop_and_a_client_bound_to_it(options):
    loops = set()
    lock = None

    async def trial(replicate):
        nonlocal lock
        loops.add(id(asyncio.get_running_loop()))
        if lock is None:
            lock = asyncio.Lock()
        async with lock:
            await asyncio.sleep(0.001)
        return float(replicate)

    result = Experiment(trial, replicates=300, **options).run()
    assert result.errors == []
    assert len(loops) == 1


def test_arun_ends_at_once_when_it_is_cancelled_and_keeps_what_finished(tmp_path):
    from crystallize.store.stored import StoredExperiment

    async def trial(replicate):
        await asyncio.sleep(0.05)
        return float(replicate)

    experiment = Experiment(trial, replicates=2000, seed=1, store=tmp_path / "cells.db", **ASYNC)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(experiment.arun(), 0.5)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 0.5 + LEAVING
    (row,) = StoredExperiment(tmp_path / "cells.db").counts()
    assert 0 < row["done"] < 1000
    assert row["failed"] == 0


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "never waits"])
def test_what_finished_of_blocks_is_kept_once_when_they_are_cancelled(tmp_path, waits):
    from crystallize.store.stored import StoredExperiment

    ended: list[int] = []
    seen: Counter[int] = Counter()

    class Seen:
        @hookimpl
        def outcomes_completed(self, outcomes):
            seen.update(outcome.replicate for outcome in outcomes)

    async def trial(replicate):
        if waits:
            await asyncio.sleep(0.002)
        else:
            time.sleep(0.0003)
        ended.append(replicate)
        if replicate % 5 == 3:
            raise ValueError(f"no {replicate}")
        return float(replicate)

    experiment = Experiment(
        trial, replicates=10**5, seed=1, store=tmp_path / "cells.db", plugins=[Seen()],
        execution="async", execution_options={"max_concurrency": 50},
    )  # fmt: skip

    async def main():
        run = asyncio.create_task(experiment.arun())
        while len(ended) < 3000:
            await asyncio.sleep(0.001)
        run.cancel()
        had_ended = set(ended)
        with suppress(asyncio.CancelledError):
            await run
        return had_ended

    had_ended = asyncio.run(main())
    found = StoredExperiment(tmp_path / "cells.db")
    failed = {replicate for _, replicate in found.errors}
    assert had_ended <= set(np.flatnonzero(found.tables["baseline"].done).tolist()) | failed
    assert set(seen.values()) == {1}
    assert {attempt.attempt for attempt in found.attempts} == {1}


@pytest.mark.parametrize("late", ["callback", "task"])
def test_a_cell_that_cancels_its_task_after_its_end_costs_nobody_anything(late):
    async def trial(replicate):
        time.sleep(0.0005)
        if replicate % 500 == 499:
            task = asyncio.current_task()
            loop = asyncio.get_running_loop()

            async def cancel():
                task.cancel()

            if late == "callback":
                loop.call_soon(task.cancel)
            else:
                loop.create_task(cancel()).add_done_callback(lambda done: done.exception())
        return float(replicate)

    result = Experiment(trial, replicates=3000, **ASYNC).run()
    assert result.errors == []
    assert result.done["baseline"].all()


def test_what_finished_of_a_block_is_in_the_store_while_it_goes_on(tmp_path):
    from crystallize.store.stored import StoredExperiment

    store, seen = tmp_path / "cells.db", []

    async def trial(replicate):
        await asyncio.sleep(1.0 if replicate == 100 else 0.002)
        if replicate == 100:
            seen.append(StoredExperiment(store).done["baseline"])
        return float(replicate)

    alone = {"execution": "async", "execution_options": {"max_concurrency": 1}}
    Experiment(trial, replicates=500, store=store, **alone).run()
    assert seen == [100]


@pytest.mark.parametrize("at_once", [4, 1000])
def test_cells_that_never_wait_leave_the_loop_its_turns(at_once):
    turns, at = 0, []

    async def trial(replicate):
        time.sleep(0.002)
        at.append(turns)
        return float(replicate)

    async def main():
        nonlocal turns
        options = {"execution": "async", "execution_options": {"max_concurrency": at_once}}
        run = asyncio.create_task(Experiment(trial, replicates=300, **options).arun())
        while not run.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert at[-1] - at[0] > 30


def test_cells_that_never_wait_are_told_of_while_others_run():
    begun = told = 0
    untold = []

    class Told:
        @hookimpl
        def outcomes_completed(self, outcomes):
            nonlocal told
            told += len(outcomes)

    async def trial(replicate):
        nonlocal begun
        time.sleep(0.005)
        begun += 1
        untold.append(begun - told)
        return float(replicate)

    Experiment(trial, replicates=400, execution="async", plugins=[Told()]).run()
    assert max(untold) < 200  # it is some ten where nothing else is busy, and was all of them


@pytest.mark.parametrize(
    "replicates", [5000, Until("value", half_width=1e-9)], ids=["number", "until"]
)
def test_of_a_thousand_that_never_wait_few_begin_after_a_time_limit(replicates):
    begun = []

    async def trial(rng):
        begun.append(time.perf_counter())
        time.sleep(0.005)
        return rng.normal()

    limit = 0.3
    experiment = Experiment(trial, replicates=replicates, execution="async", time_limit=limit)
    result = experiment.run()
    late = sum(at > begun[0] + limit for at in begun)
    assert late < 100  # it was one of each block that was under way
    assert sum(result.finished.values()) == len(begun)


def test_cells_that_mostly_wait_begin_together_beside_someone_who_keeps_the_loop():
    steps = 0

    async def trial(replicate):
        time.sleep(0.001)
        await asyncio.sleep(0.1)
        return float(replicate)

    async def main():
        nonlocal steps
        run = asyncio.create_task(Experiment(trial, replicates=300, execution="async").arun())
        while not run.done():
            steps += 1
            time.sleep(0.012)
            await asyncio.sleep(0)

    asyncio.run(main())
    assert steps < 150  # and not one for each cell


def test_cells_that_never_wait_run_in_order_roughly():
    order = []

    async def trial(replicate):
        order.append(replicate)
        time.sleep(2e-4)
        return float(replicate)

    Experiment(trial, replicates=4000, execution="async").run()
    behind = np.maximum.accumulate(order) - order
    assert behind.max() < 1000  # it was 3,000, a block of each of a thousand tasks by turns


def test_a_cell_with_a_time_limit_is_not_late_because_others_never_wait():
    async def trial(replicate):
        time.sleep(0.005)
        return float(replicate)

    result = Experiment(trial, replicates=300, execution="async", timeout=0.5).run()
    assert not result.errors


def test_cells_that_cancel_themselves_and_never_wait_fail_alone():
    async def trial(replicate):
        time.sleep(0.001)
        if replicate % 3 == 0:
            asyncio.current_task().cancel()
        return float(replicate)

    result = Experiment(trial, replicates=300, execution="async").run()
    assert len(result.errors) + int(result.done["baseline"].sum()) == 300
    assert not set(np.flatnonzero(~result.done["baseline"])) - set(range(0, 300, 3))


def test_cells_that_wait_behind_a_slow_one_in_its_block_are_run_by_others():
    slow, under_way, most = set(range(2000, 2004)), set(), 0

    async def trial(replicate):
        nonlocal most
        if replicate in slow:
            under_way.add(replicate)
            most = max(most, len(under_way))
        await asyncio.sleep(2.0 if replicate in slow else 0.002)
        under_way.discard(replicate)
        return float(replicate)

    result = Experiment(trial, replicates=4000, **ASYNC).run()
    assert result.done["baseline"].all()
    assert most == 4


@pytest.mark.parametrize("options", [{}, {"on_error": "raise"}, {"retries": 1}], ids=str)
def test_cells_of_one_block_come_to_what_they_come_to_alone(options):
    async def trial(replicate, ctx, rng):
        await asyncio.sleep(0)
        drawn = float(rng.random())
        if replicate % 13 == 5:
            warnings.warn(f"{replicate} is odd", stacklevel=1)
        if replicate % 29 == 7:
            ctx.record(drawn=drawn)
        if replicate % 17 == 16 and "on_error" not in options:
            raise ValueError(f"no {replicate}")
        if replicate % 11 == 3:
            return {"drawn": drawn, "text": "three"}
        return drawn if replicate % 7 else {"value": drawn, "more": replicate}

    def came_to(**strategy):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = Experiment(trial, replicates=2000, seed=5, **options, **strategy).run()
        recorded = [(*a.key, a.type, a.message, a.recorded) for a in result.attempts]
        return result, recorded

    serial, recorded = came_to()
    at_once, at_once_recorded = came_to(**ASYNC)
    same_result(serial, at_once)
    assert recorded == at_once_recorded
    assert serial.warnings == at_once.warnings


def test_arun_of_a_plain_function_ends_when_it_is_cancelled_though_its_cell_does_not():
    def trial():
        time.sleep(5)
        return 1.0

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Experiment(trial, replicates=3).arun(), 0.2)

    began = time.monotonic()
    with pytest.warns(CellLeftBehindWarning, match="replicate 0"):
        asyncio.run(main())
    assert time.monotonic() - began < 0.2 + LEAVING


def test_commits_and_observers_do_not_keep_the_callers_loop(tmp_path):
    class Slow:
        @hookimpl
        def outcomes_completed(self):
            time.sleep(0.3)

    async def trial(replicate):
        await asyncio.sleep(0.01)
        return float(replicate)

    longest = 0.0

    async def beat():
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async def main():
        heart = asyncio.create_task(beat())
        store = tmp_path / "cells.db"
        await Experiment(trial, replicates=40, plugins=[Slow()], store=store, **ASYNC).arun()
        heart.cancel()

    asyncio.run(main())
    assert longest < 0.25


@pytest.mark.parametrize("first", ["callers", "cells"])
def test_a_cell_that_cancels_everyone_does_not_cancel_the_caller_in_any_order(first):
    async def trial(replicate):
        await asyncio.sleep(0.001)
        if replicate == 5:
            own = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not own]
            # The run's tasks are in one order or the other, those that run cells before the rest.
            others.sort(key=lambda task: (type(task) is not asyncio.Task) == (first == "callers"))
            for task in others:
                task.cancel()
        return float(replicate)

    result = asyncio.run(Experiment(trial, replicates=20, **ASYNC).arun())
    assert [error.replicate for error in result.errors] == [5]
    assert result.done["baseline"].sum() == 19


@pytest.mark.parametrize("number", range(4))
def test_whichever_task_refuses_the_caller_is_spared(number):
    async def trial(replicate):
        await asyncio.sleep(0.001)
        if replicate == 5:
            callers = [task for task in asyncio.all_tasks() if type(task) is asyncio.Task]
            own = asyncio.current_task()
            refusing = [t for t in asyncio.all_tasks() if t not in callers and t is not own]
            for task in (*callers, sorted(refusing, key=asyncio.Task.get_name)[number]):
                task.cancel()
        return float(replicate)

    result = asyncio.run(Experiment(trial, replicates=20, **ASYNC).arun())
    assert [error.replicate for error in result.errors] == [5]
    assert result.done["baseline"].sum() == 19


def test_a_caller_that_is_cancelled_after_a_cell_was_refused_ends():
    async def trial(replicate):
        if replicate == 5:
            own = asyncio.current_task()
            for task in asyncio.all_tasks():
                if type(task) is not asyncio.Task and task is not own:
                    with suppress(RuntimeError):
                        task.cancel()
        await asyncio.sleep(0.05)
        return float(replicate)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Experiment(trial, replicates=2000, **ASYNC).arun(), 0.5)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 0.5 + LEAVING


def test_async_work_is_bounded():
    running = []
    most = 0

    async def trial():
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        await asyncio.sleep(0.002)
        running.pop()
        return 1.0

    Experiment(
        trial, replicates=60, execution="async", execution_options={"max_concurrency": 7}
    ).run()
    assert most == 7


@pytest.mark.parametrize("strategy", ["serial", "async"])
@pytest.mark.parametrize("how", ["cancel", "cancel-and-return", "generator-exit"])
def test_a_cell_that_cancels_itself_costs_no_other(strategy, how):
    async def trial(replicate):
        if replicate == 1:
            if how == "generator-exit":
                raise GeneratorExit
            asyncio.current_task().cancel()
            if how == "cancel-and-return":
                return replicate
        await asyncio.sleep(0)
        return replicate

    options = {"max_concurrency": 2} if strategy == "async" else {}
    result = Experiment(trial, replicates=8, execution=strategy, execution_options=options).run()
    done = np.flatnonzero(result.done["baseline"]).tolist()
    failed = [e.replicate for e in result.errors]
    assert sorted(done + failed) == list(range(8))
    assert set(failed) <= {1}
    assert failed == ([] if how == "cancel-and-return" else [1])


def test_a_coroutine_that_comes_too_late_has_timed_out():
    import time

    async def blocks():
        time.sleep(0.3)
        return 1.0

    (error,) = Experiment(blocks, execution="async", timeout=0.1).run().errors
    assert error.type == "TimedOut"


def test_an_executor_of_coroutines_may_send_its_call_elsewhere():
    class Elsewhere(Execution):
        capabilities = Capabilities(functions={"async"}, workers=3)

        @hookimpl
        async def execute(self, experiment, call, next_task, run):
            assert inspect.iscoroutinefunction(call)
            there = pickle.loads(pickle.dumps(call))
            while tasks := list(islice(iter(next_task, None), 3)):
                for task, block in zip(
                    tasks, await asyncio.gather(*map(there, tasks)), strict=True
                ):
                    yield Completion(task, block)

    async def trial(rng, replicate):
        await asyncio.sleep(0)
        return rng.random() + replicate

    given = {"replicates": 200, "seed": 4}
    there = Experiment(trial, **given, execution=Elsewhere()).run().metrics["baseline"]["value"]
    serial = Experiment(trial, **given).run().metrics["baseline"]["value"]
    assert there.tobytes() == serial.tobytes()


def test_of_coroutines_that_ran_one_after_another_nothing_is_kept_but_what_came_of_them():
    async def trial(replicate):
        return float(replicate)

    call = BlockCall(trial, {"only": {}}, Seeding(1), ("replicate",), CellOptions())
    assert len(call(Task(0, 0, 50))) == 50
    call.close()
    assert not call.coroutines.left()


def test_a_block_that_is_lost_while_it_goes_on_runs_nothing_that_others_run():
    """Its engine says that it is gone, and it is not."""
    ended: Counter[int] = Counter()
    lost: list[Task] = []

    class Loses(Execution):
        capabilities = Capabilities(functions={"async"}, workers=2)

        @hookimpl
        async def execute(self, experiment, call, next_task, run):
            running: dict[Any, Any] = {}
            while True:
                while len(running) < 2 and (task := next_task()) is not None:
                    running[asyncio.ensure_future(call(task))] = task
                if not running:
                    return
                done, _ = await asyncio.wait(
                    running, timeout=0.005, return_when=asyncio.FIRST_COMPLETED
                )
                for future in done:
                    yield Completion(running.pop(future), future.result())
                for future, task in list(running.items()):
                    if task.stop - task.start > 1 and not lost and not ended[task.start]:
                        lost.append(running.pop(future))
                        yield Completion(task, error=ConnectionError("gone"))

    async def trial(replicate):
        await asyncio.sleep(0.01 if replicate < 3 else 0.03)
        ended[replicate] += 1
        return float(replicate)

    result = Experiment(trial, replicates=60, execution=Loses()).run()
    assert len(lost) == 1 and not result.errors
    assert result.metrics["baseline"]["value"].tolist() == list(range(60))
    twice = [replicate for replicate, times in ended.items() if times > 1]
    assert len(twice) <= 1  # that which was running


def test_what_cancels_the_task_of_a_cell_after_its_end_does_no_harm():
    problems = []

    async def trial(replicate):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        assert task is not None
        loop.call_later(0.002, task.cancel)
        if replicate == 19:
            await asyncio.sleep(0.05)
        return float(replicate)

    options = {"execution": "async", "execution_options": {"max_concurrency": 1000}}
    result = Experiment(trial, replicates=20, **options).run()
    assert [error.replicate for error in result.errors] in ([], [19])
    assert not problems
