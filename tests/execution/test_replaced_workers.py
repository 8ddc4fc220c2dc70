"""Worker processes that are replaced after so many cells, or so much memory."""

import builtins
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager

import cloudpickle
import numpy as np
import pytest

from crystallize import ExecutorError, Experiment, InvalidValueError
from crystallize.contracts import Capabilities
from crystallize.plugins.execution import ParallelExecution

cloudpickle.register_pickle_by_value(sys.modules[__name__])

LEAK = 7_500_000
"""Of how many floats, 60 MB, each leaking cell leaves an array behind."""
A_BLOCK = Capabilities().block_seconds
"""A cell that takes so long is a block of its own, on the quickest machine too."""


def trial(rng, number, folder):
    return {"x": rng.random(), "pid": os.getpid()}


def leaking(rng):
    kept = vars(builtins).setdefault("kept_by_cells", [])
    kept.append(np.ones(LEAK))
    time.sleep(A_BLOCK)
    return {"x": rng.random(), "pid": os.getpid()}


def cells_of_workers(result):
    return Counter(pid for own in result.metrics.values() for pid in own["pid"].tolist())


def test_none_runs_more_cells_than_it_may_and_each_leaves_what_it_opened(tmp_path):
    @contextmanager
    def folder():
        yield tmp_path
        (tmp_path / str(os.getpid())).touch()

    conditions = {f"c{number}": {"number": number} for number in range(10)}
    given = {"replicates": 2, "seed": 1, "resources": {"folder": folder}}
    workers = ParallelExecution(2, "process", max_tasks_per_worker=6)
    replaced = Experiment(trial, conditions, execution=workers, **given).run()
    counted = cells_of_workers(replaced)
    assert not replaced.errors
    assert sum(counted.values()) == 20
    assert max(counted.values()) <= 6
    assert {int(left.name) for left in tmp_path.iterdir()} >= set(counted)
    serial = Experiment(trial, conditions, **given).run()
    for condition, metrics in serial.metrics.items():
        assert replaced.metrics[condition]["x"].tobytes() == metrics["x"].tobytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say it, and that is refused")
def test_one_that_has_grown_is_replaced_after_its_block_and_loses_no_cell():
    given = {"replicates": 6, "seed": 1, "execution": "parallel"}
    options = {"executor_type": "process", "max_workers": 1}
    grown = Experiment(leaking, **given, execution_options={**options, "max_memory": "135 MB"})
    counted = cells_of_workers(result := grown.run())
    assert list(counted.values()) == [2, 2, 2]  # 60 MB are fewer, 120 MB are more
    assert not result.errors
    small = Experiment(leaking, **given, execution_options={**options, "max_memory": 10**6})
    with pytest.raises(ExecutorError, match="MB before its first cell, more than the 1 MB"):
        small.run()


@pytest.mark.parametrize("option", [{"max_memory": "1 GB"}, {"max_tasks_per_worker": 100}])
def test_threads_and_other_strategies_refuse_it(option):
    (name,) = option
    with pytest.raises(InvalidValueError, match=rf"{name}: expected None with .*executor_type='p"):
        ParallelExecution(**option)
    for strategy, more in (("serial", {}), ("futures", {"factory": "loky:get_reusable_executor"})):
        with pytest.raises(Exception, match=f"no option '{name}'"):
            Experiment(leaking, execution=strategy, execution_options={**more, **option})


@pytest.mark.parametrize("memory", ["lots", 0, "5", "1 XB", -1, True])
def test_what_is_no_amount_of_memory_is_refused(memory):
    with pytest.raises(InvalidValueError, match="max_memory: expected "):
        ParallelExecution(executor_type="process", max_memory=memory)
