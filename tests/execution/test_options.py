"""Executors are values: equal by their options, which are checked whenever they are set."""

import pytest

from crystallize import Experiment, InvalidValueError
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution


def trial(rng):
    return rng.normal()


def test_executors_are_values():
    assert ParallelExecution(2) == ParallelExecution(2)
    assert ParallelExecution(2) != ParallelExecution(2, "process")
    assert SerialExecution() != AsyncExecution()
    assert len({ParallelExecution(2), ParallelExecution(2), SerialExecution()}) == 2
    shown = (
        "ParallelExecution(executor_type='process', max_memory=None, max_tasks_per_worker=None, "
        "max_workers=2, progress=False)"
    )
    assert repr(ParallelExecution(2, "process")) == shown
    executor = ParallelExecution(2)
    Experiment(trial, replicates=3, execution=executor).run()
    assert executor == ParallelExecution(2)


@pytest.mark.parametrize(
    ("executor", "option", "value"),
    [
        (ParallelExecution(), "max_workers", 0),
        (ParallelExecution(), "executor_type", "fork"),
        (AsyncExecution(), "max_concurrency", 1.5),
        (SerialExecution(), "progress", "yes"),
    ],
)
def test_a_bad_option_is_refused_when_it_is_assigned(executor, option, value):
    before = getattr(executor, option)
    with pytest.raises(InvalidValueError, match=option):
        setattr(executor, option, value)
    assert getattr(executor, option) == before


def test_a_bad_executor_type_is_a_value_error():
    with pytest.raises(ValueError, match="'thread' or 'process'"):
        ParallelExecution(executor_type="threads")
    with pytest.raises(ValueError, match="max_workers"):
        ParallelExecution(max_workers="two")
    with pytest.raises(ValueError, match="max_concurrency"):
        AsyncExecution(max_concurrency=0)
