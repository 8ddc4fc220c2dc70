"""Running an experiment, through its public surface."""

import asyncio
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from crystallize import CrystallizeError, Experiment, grid, hookimpl
from crystallize.errors import ExecutorError, GlobalRandomWarning
from crystallize.plugins import Capabilities
from crystallize.plugins.execution import ParallelExecution
from crystallize.results.errors import CellFailedError, Interrupted

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def test_the_baseline_is_the_first_condition_unless_named():
    assert Experiment(lambda shift: shift, CONDITIONS).baseline == "a"
    assert Experiment(lambda shift: shift, CONDITIONS, baseline="b").run().baseline == "b"


def test_a_grid_is_every_combination():
    experiment = Experiment(lambda n, p: n * p, grid(n=[10, 40], p=[0.1, 0.5]))
    values = {c: m["value"][0] for c, m in experiment.run().metrics.items()}
    assert values == {"n=10,p=0.1": 1, "n=10,p=0.5": 5, "n=40,p=0.1": 4, "n=40,p=0.5": 20}


def test_parameters_are_filled_by_name():
    def trial(shift, replicate, condition, seed, rng, ctx, extra="default"):
        assert (ctx.replicate, ctx.condition, ctx.seed) == (replicate, condition, seed)
        assert ctx.params == {"shift": shift}
        assert ctx.rng is ctx.rng
        return {"same": ctx.rng.random() == rng.random(), "extra": extra, "name": condition}

    result = Experiment(trial, CONDITIONS, replicates=3).run()
    assert result.errors == []
    assert result.metrics["b"]["same"].all()
    assert result.metrics["b"]["extra"].tolist() == ["default"] * 3
    assert result.metrics["b"]["name"].tolist() == ["b"] * 3


def test_keyword_arguments_take_any_parameter():
    result = Experiment(lambda **given: given["x"] + given["y"], {"a": {"x": 1, "y": 2}}).run()
    assert result.metrics["a"]["value"][0] == 3


class Callable:
    def __init__(self, base):
        self.base = base

    def __call__(self, replicate):
        return self.base + replicate

    async def method(self, replicate):
        await asyncio.sleep(0)
        return self.base + replicate


def test_objects_and_methods_are_functions_too():
    assert Experiment(Callable(5), replicates=2).run().metrics["baseline"]["value"].tolist() == [
        5,
        6,
    ]
    result = Experiment(Callable(5).method, replicates=2, execution="async").run()
    assert result.metrics["baseline"]["value"].tolist() == [5, 6]


@pytest.mark.parametrize("options", [{}, PROCESS])
def test_one_cell_cannot_change_anothers_parameters(options):
    def trial(numbers, table, array):
        numbers.append(1)
        table["x"].append(1)
        return {"numbers": len(numbers), "table": len(table["x"]), "sum": array.sum()}

    conditions = {"a": {"numbers": [], "table": {"x": []}, "array": np.ones(3)}}
    metrics = Experiment(trial, conditions, replicates=30, **options).run().metrics["a"]
    assert set(metrics["numbers"]) == set(metrics["table"]) == {1}

    def writes(array):
        array[0] = 5
        return 1.0

    result = Experiment(writes, {"a": {"array": np.ones(3)}}, replicates=3, **options).run()
    assert {e.message for e in result.errors} == {"assignment destination is read-only"}


def test_an_error_is_data():
    def trial(replicate):
        if replicate == 2:
            raise KeyError("lost key")
        return 1.0

    result = Experiment(trial, replicates=4, seed=6).run()
    (error,) = result.errors
    assert (error.condition, error.replicate, error.attempts) == ("baseline", 2, 1)
    assert (error.type, error.message) == ("KeyError", "'lost key'")
    assert error.seed == result.seeds[2]
    assert 'raise KeyError("lost key")' in error.traceback
    assert error.traceback.count("File ") == 1  # none of our own frames


def test_a_retry_can_succeed():
    tried = []

    def trial(replicate, seed):
        tried.append(seed)
        if len(tried) == 1:
            raise OSError("once")
        return 1.0

    result = Experiment(trial, retries=1).run()
    assert result.errors == []
    assert tried[0] == tried[1]


def test_raising_names_the_cell_and_shows_its_traceback():
    def trial(replicate):
        return 1 / (5 - replicate)

    with pytest.raises(CellFailedError, match=r"Replicate 5 of condition 'baseline'") as caught:
        Experiment(trial, replicates=100, on_error="raise").run()
    assert "1 / (5 - replicate)" in str(caught.value)
    done = np.flatnonzero(np.isfinite(caught.value.result.metrics["baseline"]["value"]))
    assert done.tolist() == [0, 1, 2, 3, 4]


def test_all_cells_failing_is_still_a_result():
    def trial(shift):
        if shift:
            raise ValueError
        return {"x": 1.0}

    result = Experiment(trial, CONDITIONS, replicates=3).run()
    assert np.isnan(result.metrics["b"]["x"]).all()
    assert [row["failed"] for row in result.summary()] == [0, 3]
    nothing = Experiment(lambda: 1 / 0, replicates=2).run()
    assert len(nothing.errors) == 2
    assert "2 cells failed" in repr(nothing)


def test_replay_runs_one_cell_with_nothing_caught():
    def trial(rng, shift):
        if shift:
            raise ZeroDivisionError
        return rng.random()

    experiment = Experiment(trial, CONDITIONS, replicates=5, seed=3)
    assert experiment.replay(4) == experiment.run().metrics["a"]["value"][4]
    with pytest.raises(ZeroDivisionError):
        experiment.replay(4, "b")


def test_replay_of_a_coroutine_function_inside_a_loop():
    async def trial(replicate):
        await asyncio.sleep(0)
        return replicate

    async def main():
        return Experiment(trial, execution="async").replay(3)

    assert asyncio.run(main()) == 3


def test_arun_leaves_the_loop_to_others():
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.005)

    def slow():
        time.sleep(0.01)
        return 1.0

    async def main():
        other = asyncio.create_task(tick())
        result = await Experiment(slow, replicates=10).arun()
        other.cancel()
        return result

    assert len(asyncio.run(main()).metrics["baseline"]["value"]) == 10
    assert len(ticks) > 5


def test_arun_runs_coroutines_on_the_callers_loop():
    async def main():
        loop = asyncio.get_running_loop()

        async def trial():
            assert asyncio.get_running_loop() is loop
            return 1.0

        return await Experiment(trial, replicates=5, execution="async").arun()

    assert asyncio.run(main()).errors == []


def test_a_stream_gives_outcomes_before_the_end():
    release = threading.Event()

    def trial(replicate):
        if replicate == 1:
            assert release.wait(20)
        return replicate

    stream = Experiment(trial, replicates=2, execution=ParallelExecution(2)).stream()
    first = next(stream)
    release.set()
    assert first.metrics == {"value": 0}
    assert [o.replicate for o in stream] == [1]


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


def test_the_function_travels_to_a_worker_once():
    class Counted:
        pickled = 0

        def __reduce__(self):
            Counted.pickled += 1
            return (int, ())

    conditions = {"a": {"x": Counted()}}

    def trial(x):
        time.sleep(0.001)
        return 1.0

    result = Experiment(trial, conditions, replicates=300, **PROCESS).run()
    assert len(result.errors) == 0
    assert Counted.pickled == 1


SCRIPT = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from crystallize import Experiment
factor = 3
def trial(replicate):
    return factor * replicate
result = Experiment(trial, replicates=20, execution="parallel",
                    execution_options={"executor_type": "process", "max_workers": 2}).run()
print(int(result.metrics["baseline"]["value"].sum()), len(result.errors))
print((lambda r: int(r.metrics["baseline"]["value"][3]))(
    Experiment(lambda replicate: factor + replicate, replicates=5, execution="parallel",
               execution_options={"executor_type": "process"}).run()))
"""


def test_a_script_needs_no_guard_and_may_have_threads(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["570", "0", "6"]
    assert done.stderr == ""


def test_workers_see_an_edited_module(tmp_path, monkeypatch):
    module = tmp_path / "edited_module.py"
    module.write_text("def trial(): return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    import edited_module

    def value():
        result = Experiment(edited_module.trial, replicates=2, **PROCESS).run()
        return result.metrics["baseline"]["value"][0]

    assert value() == 1.0
    module.write_text("def trial(): return 2.0\n# longer\n")
    importlib.reload(edited_module)
    assert value() == 2.0


def test_blas_threads_are_held_in_workers_and_recorded():
    def trial():
        import numpy
        from threadpoolctl import threadpool_info

        numpy.ones((2, 2)) @ numpy.ones((2, 2))
        return {"threads": max((i["num_threads"] for i in threadpool_info()), default=1)}

    from threadpoolctl import threadpool_info

    before = [i["num_threads"] for i in threadpool_info()]
    for options in ({}, {"execution": "parallel"}, PROCESS):
        result = Experiment(trial, replicates=4, **options).run()
        assert set(result.metrics["baseline"]["threads"]) == {1}
        assert result.provenance["execution"]["blas_threads"] == 1
    assert [i["num_threads"] for i in threadpool_info()] == before
    # The workers are those of the run before; what held there is given back.
    free = Experiment(trial, replicates=4, blas_threads=None, **PROCESS).run()
    assert set(free.metrics["baseline"]["threads"]) == {max(before, default=1)}


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
def test_blas_threads_are_held_for_observers_too(options):
    from threadpoolctl import threadpool_info

    class Observer:
        @hookimpl
        def outcomes_completed(self, experiment, outcomes):
            self.threads = {info["num_threads"] for info in threadpool_info()}

    observer = Observer()
    Experiment(lambda: 1.0, plugins=[observer], **options).run()
    assert observer.threads == {1}


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
@pytest.mark.parametrize("generator", ["random", "numpy.random"])
def test_drawing_from_a_global_generator_warns_once(options, generator):
    def stdlib(replicate):
        import random

        return random.random()

    def legacy(replicate):
        return np.random.rand()

    function = stdlib if generator == "random" else legacy
    with pytest.warns(GlobalRandomWarning, match=f"{function.__name__} draws .*{generator}") as all:
        Experiment(function, replicates=50, **options).run()
    assert len(all) == 1
    assert "'rng'" in str(all[0].message)


def test_drawing_from_a_global_generator_warns_under_async():
    async def trial():
        return np.random.rand()

    with pytest.warns(GlobalRandomWarning, match=r"numpy\.random"):
        Experiment(trial, replicates=5, execution="async").run()


@pytest.mark.parametrize("options", [{}, PROCESS])
def test_seeded_globals_are_reproducible_and_leave_ours_alone(options):
    def trial(replicate):
        import random

        return {"a": random.random(), "b": np.random.rand()}

    import random

    random.seed(1)
    np.random.seed(1)
    before = random.getstate()
    result = Experiment(trial, replicates=20, seed=5, seed_globals=True, **options).run()
    assert random.getstate() == before
    expected = random.Random(result.seeds[7]).random()
    assert result.metrics["baseline"]["a"][7] == expected
    legacy = np.random.RandomState(result.seeds[7] % 2**32)
    assert result.metrics["baseline"]["b"][7] == legacy.rand()


def test_an_executor_that_fails_keeps_what_finished():
    class Breaks:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            for i in range(5):
                replicate_fn(i)
            raise RuntimeError("the cluster is gone")

    with pytest.raises(ExecutorError, match=r"'Breaks' failed with RuntimeError") as caught:
        Experiment(lambda replicate: replicate, replicates=9, execution=Breaks()).run()
    values = caught.value.result.metrics["baseline"]["value"]
    assert np.flatnonzero(np.isfinite(values)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (lambda e, f: [f(i) for i in range(e.replicates)][::-1], "at index 0"),
        (lambda e, f: [f(0)], "must return a list of 4 results.*returned 1 results"),
        (lambda e, f: 5, "returned int"),
        (lambda e, f: [None] * e.replicates, "at index 0"),
    ],
)
def test_an_executor_that_breaks_its_contract_is_named(loop, message):
    class Wrong:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return loop(experiment, replicate_fn)

    with pytest.raises(CrystallizeError, match=rf"Wrong\.run_experiment_loop.*{message}"):
        Experiment(lambda replicate: replicate, replicates=4, execution=Wrong()).run()


def test_a_strangers_executor_never_receives_a_coroutine_function():
    class Loop:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            raise AssertionError("called")

    async def trial():
        return 1.0

    with pytest.raises(TypeError, match="Loop takes plain functions"):
        Experiment(trial, execution=Loop())


def test_a_strangers_async_loop_is_served():
    class Gathering:
        capabilities = Capabilities(functions={"async"})

        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            async def main():
                return await asyncio.gather(*map(replicate_fn, range(experiment.replicates)))

            return list(asyncio.run(main()))

    async def trial(replicate):
        await asyncio.sleep(0.001)
        return replicate

    result = Experiment(trial, replicates=7, execution=Gathering()).run()
    assert result.metrics["baseline"]["value"].tolist() == list(range(7))


def test_progress_is_shown_on_standard_error(capsys):
    def trial(replicate):
        return 1 / replicate

    Experiment(trial, replicates=5, progress=True, name="bars").run()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bars" in shown.err
    assert "5/5" in shown.err
    assert "failed=1" in shown.err


def test_ctrl_c_keeps_what_finished(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, time\n"
        "from crystallize import Experiment\n"
        "from crystallize import Interrupted\n"
        "def trial(replicate):\n"
        "    if replicate == 30:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    return replicate\n"
        "try:\n"
        "    Experiment(trial, replicates=100).run()\n"
        "except Interrupted as stopped:\n"
        "    result = stopped.result\n"
        "    print(int(result.done['baseline'].sum()), len(result.errors))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["30", "0"]


def test_interrupted_is_a_keyboard_interrupt():
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)
