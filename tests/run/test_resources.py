"""What each worker opens once, and the function gets by name."""

import asyncio
import os
import sqlite3
import sys
import threading
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import cloudpickle
import pytest

from crystallize import Experiment, FunctionError, InvalidValueError, ResourceError, hookimpl

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test

LOG = "CRYSTALLIZE_TEST_LOG"


def note(what):
    with Path(os.environ[LOG]).open("a", encoding="utf-8") as log:
        log.write(f"{what} {os.getpid()}-{threading.get_ident()}\n")


@contextmanager
def client():
    note("enter")
    try:
        yield {"worker": f"{os.getpid()}-{threading.get_ident()}"}
    finally:
        note("leave")


@asynccontextmanager
async def aclient():
    note("enter")
    await asyncio.sleep(0)
    task = asyncio.current_task()
    try:
        yield {"worker": id(asyncio.get_running_loop())}
    finally:
        assert asyncio.current_task() is task
        note("leave")


def uses(client, replicate):
    threading.Event().wait(0.001)
    return {"same": client["worker"] == f"{os.getpid()}-{threading.get_ident()}"}


async def auses(client, replicate):
    await asyncio.sleep(0.001)
    return {"same": client["worker"] == id(asyncio.get_running_loop())}


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(LOG, str(path))
    return lambda: [line.split() for line in path.read_text(encoding="utf-8").splitlines()]


STRATEGIES = [
    ("serial", {}, 1),
    ("parallel", {"max_workers": 3}, 3),
    ("parallel", {"max_workers": 2, "executor_type": "process"}, 2),
]


@pytest.mark.parametrize(("execution", "options", "workers"), STRATEGIES)
def test_each_worker_enters_once_and_has_left_when_the_run_is_over(
    log, execution, options, workers
):
    result = Experiment(
        uses,
        replicates=60,
        resources={"client": client},
        execution=execution,
        execution_options=options,
    ).run()
    assert result.metrics["baseline"]["same"].all()
    entered = [who for what, who in log() if what == "enter"]
    left = [who for what, who in log() if what == "leave"]
    assert 1 <= len(entered) <= workers
    assert len(set(entered)) == len(entered)
    assert sorted(left) == sorted(entered)


@pytest.mark.parametrize("strategy", ["serial", "async"])
@pytest.mark.parametrize("make", [aclient, client])
@pytest.mark.parametrize("way", ["run", "arun"])
def test_an_event_loop_is_a_worker(log, strategy, make, way):
    async def plain(client, replicate):
        await asyncio.sleep(0.001)
        return 1.0

    function = auses if make is aclient else plain
    experiment = Experiment(function, replicates=40, resources={"client": make}, execution=strategy)
    result = asyncio.run(experiment.arun()) if way == "arun" else experiment.run()
    assert not result.errors
    assert [what for what, _ in log()] == ["enter", "leave"]


def test_resources_are_left_where_cells_fail_and_the_run_ends_early(log):
    def fails(client):
        raise ValueError("no")

    with pytest.raises(Exception, match="no"):
        Experiment(
            fails, replicates=9, resources={"client": client}, on_error="raise",
            execution="parallel", execution_options={"max_workers": 2},
        ).run()  # fmt: skip
    names = [what for what, _ in log()]
    assert names.count("enter") == names.count("leave") >= 1


def test_a_resource_may_be_any_value_and_belongs_to_its_thread(tmp_path):
    path = tmp_path / "numbers.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 41 AS x")
        connection.commit()

    def connect():
        return closing(sqlite3.connect(path))  # which refuses to be closed by another thread

    def trial(database):
        ((x,),) = database.execute("SELECT x FROM numbers").fetchall()
        return x + 1

    result = Experiment(
        trial, replicates=50, resources={"database": connect},
        execution="parallel", execution_options={"max_workers": 2},
    ).run()  # fmt: skip
    assert set(result.metrics["baseline"]["value"].tolist()) == {42}
    plain = Experiment(lambda model: model, replicates=2, resources={"model": lambda: 7}).run()
    assert plain.metrics["baseline"]["value"].tolist() == [7, 7]


def broken():
    raise OSError("no database here")


@pytest.mark.parametrize(("execution", "options", "_workers"), STRATEGIES)
def test_a_resource_that_cannot_be_made_is_one_error(execution, options, _workers):
    experiment = Experiment(
        uses, replicates=50, resources={"client": broken}, execution=execution,
        execution_options=options,
    )  # fmt: skip
    with pytest.raises(ResourceError, match=r"resource 'client'.*OSError: no database here"):
        experiment.run()


@pytest.mark.parametrize("execution", ["serial", "async"])
def test_so_it_is_for_coroutines(execution):
    experiment = Experiment(auses, replicates=50, resources={"client": broken}, execution=execution)
    with pytest.raises(ResourceError, match="no database here"):
        experiment.run()
    with pytest.raises(ResourceError, match="no database here"):
        asyncio.run(experiment.arun())


def test_an_asynchronous_resource_needs_a_coroutine_function():
    with pytest.raises(ResourceError, match="only coroutine functions can use that"):
        Experiment(lambda client: 1.0, resources={"client": aclient}).run()


def test_a_resource_that_nobody_asks_for_is_refused():
    with pytest.raises(FunctionError, match=r"no parameter 'clinet'.*Did you mean 'client'"):
        Experiment(uses, resources={"clinet": client})
    with pytest.raises(FunctionError, match="'client', which is a resource too"):
        Experiment(uses, {"a": {"client": 1}}, resources={"client": client})
    with pytest.raises(InvalidValueError, match=r"resources\.client: expected something to call"):
        Experiment(uses, resources={"client": 5})  # type: ignore[dict-item]


class Offers:
    def __init__(self, **values):
        self.values = values

    @hookimpl
    def worker_context(self):
        values = self.values

        @contextmanager
        def opened():
            yield values

        return opened


@pytest.mark.parametrize(("execution", "options", "_workers"), STRATEGIES)
def test_a_plugin_offers_what_the_function_names(execution, options, _workers):
    result = Experiment(
        lambda model, scale: model * scale, {"a": {"scale": 2}}, replicates=3,
        plugins=[Offers(model=21, unused=0)], execution=execution, execution_options=options,
    ).run()  # fmt: skip
    assert result.metrics["a"]["value"].tolist() == [42, 42, 42]


def test_what_nobody_offers_is_one_error():
    with pytest.raises(ResourceError, match=r"requires 'model'.*offered: 'other'"):
        Experiment(lambda model: model, plugins=[Offers(other=1)]).run()
    with pytest.raises(ResourceError, match="both offer 'model'"):
        Experiment(
            lambda model: model, resources={"model": lambda: 1}, plugins=[Offers(model=2)]
        ).run()


def test_replay_has_the_resources_too(log):
    experiment = Experiment(uses, replicates=3, resources={"client": client})
    assert experiment.replay(2) == {"same": True}
    assert [what for what, _ in log()] == ["enter", "leave"]
    acell = Experiment(auses, replicates=3, resources={"client": aclient})
    assert acell.replay(2) == {"same": True}
