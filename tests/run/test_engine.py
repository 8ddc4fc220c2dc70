"""Executors that break their contract, fail, or lose what they were given."""

import numpy as np
import pytest

from crystallize import CrystallizeError, ExecutorError, Experiment, hookimpl
from crystallize.contracts import Task
from crystallize.plugins import Capabilities, Completion, Execution


def drive(body, **options):
    """Run 20 replicates on an executor with this streaming loop."""

    class Strange:
        @hookimpl
        def execute(self, experiment, call, next_task):
            return body(call, next_task)

    return Experiment(lambda replicate: replicate, replicates=20, execution=Strange(), **options)


def tasks(next_task):
    return iter(next_task, None)


def ends_early(call, next_task):
    task = next_task()
    yield Completion(task, call(task))


def drops_one(call, next_task):
    for number, task in enumerate(tasks(next_task)):
        if number != 1:
            yield Completion(task, call(task))


def yields_junk(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield 5


def yields_twice(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(task, error=OSError())


def yields_unknown(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(Task(0, 15, 16), error=OSError())


def yields_another(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(next_task(), call(task))


def leaves(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    raise SystemExit(5)


@pytest.mark.parametrize(
    "body",
    [ends_early, drops_one, yields_junk, yields_twice, yields_unknown, yields_another, leaves],
)
def test_a_broken_contract_is_an_error_with_what_finished(body):
    with pytest.raises(ExecutorError, match=r"'Strange' (breaks its contract|failed)") as caught:
        drive(body).run()
    values = caught.value.result.metrics["baseline"]["value"]
    done = np.flatnonzero(caught.value.result.done["baseline"])
    assert len(done) >= 1
    assert (values[done] == done).all()


@pytest.mark.parametrize("given", [[], 5, None])
def test_something_else_than_a_generator_is_refused(given):
    with pytest.raises(ExecutorError, match="execute must be a generator"):
        drive(lambda call, next_task: given).run()


def test_any_iterator_will_do():
    class Iterator:
        def __init__(self, call, next_task):
            self.call, self.next_task = call, next_task

        def __iter__(self):
            return self

        def __next__(self):
            task = self.next_task()
            if task is None:
                raise StopIteration
            return Completion(task, self.call(task))

    assert drive(Iterator).run().errors == []


def test_a_transport_error_that_cannot_be_shown_is_recorded():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    def body(call, next_task):
        for task in tasks(next_task):
            poison = task.start <= 5 < task.stop
            yield Completion(task, error=Silent()) if poison else Completion(task, call(task))

    result = drive(body).run()
    assert [(e.replicate, e.type, e.message) for e in result.errors] == [
        (5, "WorkerLost", "Silent")
    ]


class Breaks(Execution):
    """Runs some tasks, then loses every one as a broken engine does."""

    capabilities = Capabilities(single_cell=True)

    def __init__(self, good):
        super().__init__()
        self.good = good

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        number = 0
        while (task := next_task()) is not None:
            number += 1
            if number > self.good:
                yield Completion(task, error=ConnectionError("the scheduler went away"))
            else:
                yield Completion(task, call(task))


@pytest.mark.parametrize("good", [0, 1, 5])
def test_an_engine_that_breaks_is_no_fault_of_healthy_cells(good):
    with pytest.raises(ExecutorError, match="the scheduler went away") as caught:
        Experiment(lambda replicate: replicate, replicates=60, execution=Breaks(good)).run()
    assert caught.value.result.errors == []
    assert caught.value.result.done["baseline"].sum() >= good


class LosesOne(Execution):
    """Loses whatever has one replicate in it."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        while (task := next_task()) is not None:
            if task.start <= 7 < task.stop:
                yield Completion(task, error=ConnectionError("gone"))
            else:
                yield Completion(task, call(task))


@pytest.mark.parametrize("replicates", [8, 60])
def test_a_cell_that_takes_its_worker_down_is_found(replicates):
    result = Experiment(
        lambda replicate: replicate, replicates=replicates, execution=LosesOne()
    ).run()
    assert [(e.replicate, e.type) for e in result.errors] == [(7, "WorkerLost")]
    assert result.done["baseline"].sum() == replicates - 1


@pytest.mark.parametrize("error", [RuntimeError("x"), CrystallizeError("the cluster went away")])
def test_every_error_that_ends_a_run_has_a_result(error):
    class Ends(Execution):
        @hookimpl
        def execute(self, experiment, call, next_task, run):
            for _ in range(5):
                yield Completion(task := next_task(), call(task))
            raise error

    with pytest.raises(CrystallizeError) as caught:
        Experiment(lambda: 1.0, replicates=10**6, execution=Ends()).run()
    assert caught.value.result.done["baseline"].sum() >= 5


def test_an_executor_that_says_it_can_cancel_must_say_how():
    class SaysSo(Execution):
        capabilities = Capabilities(can_cancel=True)

        @hookimpl
        def execute(self, experiment, call, next_task, run):
            while (task := next_task()) is not None:
                yield Completion(task, call(task))

    with pytest.raises(ExecutorError, match="register_control"):
        Experiment(lambda: 1.0, replicates=3, timeout=5, execution=SaysSo()).run()
