"""What does not fit is refused before the first replicate, saying where and what to do."""

import functools

import pytest

from crystallize import CrystallizeError, Experiment, hookimpl
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution


def never(**_):
    raise AssertionError("a replicate ran")


def takes(a, b=1):
    raise AssertionError("a replicate ran")


async def coroutine():
    raise AssertionError("a replicate ran")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replicates": 0}, r"replicates: expected a whole number, 1 or more, got 0"),
        ({"replicates": -1}, r"replicates: expected .* got -1"),
        ({"replicates": 2.5}, r"replicates: expected .* got 2\.5"),
        ({"replicates": "many"}, r"replicates: expected .* got 'many'"),
        ({"replicates": True}, r"replicates: expected .* got True"),
        ({"retries": -1}, r"retries: expected"),
        ({"on_error": "explode"}, r"on_error: expected 'collect' or 'raise', got 'explode'"),
        ({"name": ""}, r"name: expected a name"),
        ({"name": "\ud800"}, r"name: expected a name without lone surrogates"),
        ({"baseline": ["x"]}, r"baseline: expected a name .*got \['x'\]"),
        ({"execution_options": 3}, r"execution_options: expected a mapping"),
        (
            {"execution": "parallel", "execution_options": {"executor_type": ["thread"]}},
            r"executor_type",
        ),
        (
            {"conditions": {"a": {"x": iter([1])}}},
            r"conditions\.a\.x: expected a value that one cell",
        ),
        ({"progress": "yes"}, r"progress: expected True or False"),
        ({"blas_threads": 0}, r"blas_threads: expected"),
        ({"conditions": {}}, r"conditions: expected .* at least one"),
        ({"conditions": {"": {}}}, r"conditions: expected a name"),
        ({"conditions": {"a": 3}}, r"conditions\.a: expected a mapping"),
        ({"conditions": ["a"]}, r"conditions: expected a mapping"),
        ({"conditions": {"a": {"seed": 3}}}, r"gives 'seed', which Crystallize fills in"),
        ({"conditions": {"a": {}}, "baseline": "b"}, r"baseline: 'b' is not among .*Known: 'a'"),
        (
            {"execution": "serail"},
            r"no executor 'serail'\. Did you mean 'serial'\?.*crystallize-co",
        ),
        ({"execution_options": {"max_worker": 2}}, r"no option 'max_worker'.*Its options: 'progr"),
        (
            {"execution": "parallel", "execution_options": {"max_worker": 2}},
            r"no option 'max_worker'\. Did you mean 'max_workers'\? Its options: 'max_workers'",
        ),
        ({"execution": "parallel", "execution_options": {"max_workers": 0}}, r"max_workers: expec"),
        (
            {"execution": "parallel", "execution_options": {"executor_type": "fork"}},
            r"executor_type: expected 'thread' or 'process', got 'fork'",
        ),
        ({"execution": "async"}, r"takes coroutine functions"),
        ({"execution": object()}, r"object is not an executor\. Give it one of"),
        ({"execution": SerialExecution}, r"SerialExecution is a class; give an object"),
        (
            {"execution": SerialExecution(), "execution_options": {"a": 1}},
            r"Options go with a name",
        ),
        ({"aggregators": ["quantile"]}, r"no aggregator 'quantile'.*Installed"),
        ({"aggregators": "quantiles"}, r"aggregators: expected a list"),
        ({"aggregator_options": {"q": {}}}, r"aggregator_options\.q: 'q' is not among the aggr"),
        ({"aggregators": [object()]}, r"object is not an aggregator"),
        ({"plugins": ["nobody"]}, r"no plugin 'nobody'"),
        ({"timeout": 3}, r"timeout: expected None with .serial., which cannot stop"),
        ({"store": 3}, r"store: expected a path"),
        ({"max_failures": 2.5}, r"max_failures: expected"),
        ({"timeout": 0}, r"timeout: expected a number of seconds above 0"),
    ],
)
def test_a_wrong_argument(arguments, message):
    with pytest.raises(CrystallizeError, match=message):
        Experiment(never, **arguments)


@pytest.mark.parametrize(
    ("function", "conditions", "message"),
    [
        (
            takes,
            {"x": {"a": 1, "c": 2}},
            r"Condition 'x' gives 'c', which takes does not take.*'b'",
        ),
        (takes, {"x": {"b": 2}}, r"takes requires 'a', which condition 'x' does not give"),
        (takes, None, r"takes requires 'a', which condition 'baseline' does not give"),
        (takes, {"x": {"a": 1, "bb": 1}}, r"Did you mean 'b'\?"),
        (lambda x, /: x, {"a": {"x": 1}}, r"by position only"),
        (3, None, r"must be callable, got int"),
        (type, None, r"cannot be read|requires"),
        (functools.partial(takes, 1, c=3), None, r"cannot be read|does not"),  # type: ignore[call-arg]
    ],
)
def test_a_function_that_conditions_do_not_fit(function, conditions, message):
    with pytest.raises(CrystallizeError, match=message) as caught:
        Experiment(function, conditions)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("execution", "function", "other"),
    [
        (ParallelExecution(), coroutine, "AsyncExecution"),
        (ParallelExecution(executor_type="process"), coroutine, "AsyncExecution"),
        (AsyncExecution(), never, "SerialExecution.*ParallelExecution"),
    ],
)
def test_a_function_of_the_wrong_kind_names_the_strategies_that_take_it(execution, function, other):
    with pytest.raises(TypeError, match=other):
        Experiment(function, execution=execution)

    class Loop:
        replicates = 2

    with pytest.raises(TypeError, match=other):
        execution.run_experiment_loop(Loop, function)


def test_seed_globals_is_refused_where_cells_share_a_process():
    async def trial():
        return 1.0

    with pytest.raises(CrystallizeError, match="seed_globals: expected False with 'parallel'"):
        Experiment(lambda: 1.0, execution="parallel", seed_globals=True)
    with pytest.raises(CrystallizeError, match="seed_globals"):
        Experiment(trial, execution="async", seed_globals=True)


def test_generator_functions_are_refused_before_the_run():
    def generates():
        yield 1.0

    async def agenerates():
        yield 1.0

    for function, execution in ((generates, "serial"), (agenerates, "async")):
        with pytest.raises(TypeError, match="is a generator function"):
            Experiment(function, execution=execution)


def test_what_is_filled_in_cannot_be_positional_only():
    def trial(rng=None, /):
        return 1.0

    with pytest.raises(TypeError, match="'rng' by position only"):
        Experiment(trial)


@pytest.mark.parametrize(("name", "value"), [("functions", None), ("functions", 3), ("workers", 0)])
def test_attributes_that_mean_nothing_are_refused(name, value):
    class Odd:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return []

    setattr(Odd, name, value)
    with pytest.raises(CrystallizeError, match="Odd"):
        Experiment(lambda: 1.0, execution=Odd())
