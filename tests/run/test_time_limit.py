"""A time limit ends a run normally, with what there is, and a resume does the rest."""

import asyncio
import sys
import threading
import time
from typing import Any

import cloudpickle
import numpy as np
import pytest
from loky import ProcessPoolExecutor

from crystallize import Experiment, Retry, hookimpl
from crystallize.plugins.execution import ParallelExecution

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CELLS = 600
TWO = {"max_workers": 2}


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(index) for index in range(experiment.replicates)]


class LoopElsewhere:
    """A loop whose cells land all together when the last has ended."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        with ProcessPoolExecutor(2) as pool:
            return list(pool.map(replicate_fn, range(experiment.replicates)))


class Ends:
    @hookimpl
    def run_ended(self, status, result):
        self.status, self.result = status, result


def plain(rng, slow):
    if slow.exists():
        time.sleep(0.01)
    return rng.random()


async def coroutine(rng, slow):
    if slow.exists():
        await asyncio.sleep(0.01)
    return rng.random()


WAYS: dict[str, dict[str, Any]] = {
    "serial": {},
    "serial coroutines": {},
    "threads": {"execution": "parallel", "execution_options": TWO},
    "processes": {
        "execution": "parallel",
        "execution_options": {**TWO, "executor_type": "process"},
    },
    "async": {"execution": "async", "execution_options": {"max_concurrency": 3}},
    "loop": {"execution": Loop()},
}


OF_COROUTINES = ("async", "serial coroutines")


def done(result):
    return sum(int(flags.sum()) for flags in result.done.values())


@pytest.mark.parametrize("way", WAYS)
def test_a_run_ends_with_what_there_is_and_a_resume_does_the_rest(tmp_path, way):
    slow, store, ends = tmp_path / "slow", tmp_path / "cells.db", Ends()
    slow.touch()
    options, function = WAYS[way], coroutine if way in OF_COROUTINES else plain
    given = {
        "conditions": {"a": {"slow": slow}, "b": {"slow": slow}},
        "replicates": CELLS,
        "seed": 1,
        "store": store,
    }
    cut = Experiment(function, time_limit=0.2, plugins=[ends], **given, **options).run()
    stopped = cut.provenance["stopped"]
    assert stopped["reason"] == "the time limit of 0.2 s was over"
    assert stopped["cells"] == done(cut) < stopped["of"] == 2 * CELLS
    assert ends.status == "stopped"
    assert ends.result is cut
    assert not cut.errors
    said = f"{done(cut)} of {2 * CELLS} cells ran: the time limit of 0.2 s was over"
    assert said in str(cut).splitlines() and said in cut._repr_html_()
    assert cut.replicates == CELLS  # with NaN where nothing ran, as after Ctrl-C
    slow.unlink()
    whole = Experiment(function, **given, **options).run()
    assert whole.provenance["store"]["found"] == done(cut)
    assert whole.provenance["stopped"] is None
    assert "time limit" not in str(whole)
    expected = Experiment(plain, **given | {"store": None}).run()
    for condition, metrics in expected.metrics.items():
        values = cut.metrics[condition].get("value", np.full(CELLS, np.nan))
        there = cut.done[condition]
        assert np.array_equal(np.isnan(values), ~there)
        assert np.array_equal(values[there], metrics["value"][there])
        assert whole.metrics[condition]["value"].tobytes() == metrics["value"].tobytes()


def test_cells_of_a_loop_in_other_processes_see_that_it_is_over(tmp_path):
    slow = tmp_path / "slow"
    slow.touch()
    cut = Experiment(
        plain, {"a": {"slow": slow}}, replicates=500, time_limit=0.5, execution=LoopElsewhere()
    ).run()
    assert done(cut) == cut.provenance["stopped"]["cells"] < 500


def test_a_stream_and_arun_end_too(tmp_path):
    slow = tmp_path / "slow"
    slow.touch()
    given = {"conditions": {"a": {"slow": slow}}, "replicates": CELLS, "time_limit": 0.1}
    assert len(list(Experiment(plain, **given).stream())) < CELLS
    for function, way in ((plain, "threads"), (coroutine, "async")):
        cut = asyncio.run(Experiment(function, **given, **WAYS[way]).arun())
        assert done(cut) == cut.provenance["stopped"]["cells"] < CELLS


def test_a_cell_that_cannot_be_stopped_ends_first():
    begun, is_over = threading.Event(), threading.Event()

    def cell(replicate):
        begun.set()
        is_over.wait(60)
        return replicate

    threads = ParallelExecution(max_workers=2)
    experiment = Experiment(cell, replicates=50, time_limit=0.2, execution=threads)
    results = []
    run = threading.Thread(target=lambda: results.append(experiment.run()))
    run.start()
    assert begun.wait(60)
    run.join(0.5)
    assert run.is_alive()
    is_over.set()
    run.join(60)
    assert 0 < done(results[0]) <= 4  # those that ran, and none that waited for a thread


def test_a_cell_that_can_be_stopped_is_run_again(tmp_path):
    async def endless(replicate):
        if replicate == 0 and not (tmp_path / "quick").exists():
            await asyncio.Event().wait()
        return replicate

    given = {
        "replicates": 3, "seed": 1, "execution": "async", "store": tmp_path / "cells.db"
    }  # fmt: skip
    cut = Experiment(endless, time_limit=0.7, **given).run()
    assert cut.done["baseline"].tolist() == [False, True, True]
    assert not cut.errors
    (tmp_path / "quick").touch()
    assert Experiment(endless, **given).run().metrics["baseline"]["value"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("way", ["serial", "threads", "async", "loop"])
def test_cells_that_wait_to_be_tried_again_are_left(way):
    async def later(replicate):
        return fails_first(replicate)

    def fails_first(replicate):
        if replicate < 3:
            raise ValueError("later")
        return replicate

    cut = Experiment(
        later if way == "async" else fails_first,
        replicates=6, retries=Retry(5, wait=60), time_limit=0.5, **WAYS[way],
    ).run()  # fmt: skip
    assert cut.done["baseline"].tolist() == [False] * 3 + [True] * 3
    assert cut.provenance["stopped"]["cells"] == 3
    assert not cut.errors


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_a_run_that_is_done_in_time_is_none_that_was_stopped(keep):
    result = Experiment(lambda rng: rng.random(), replicates=50, time_limit="1h", keep=keep).run()
    assert result.provenance["stopped"] is None
    assert result.provenance["execution"]["time_limit"] == 3600
    assert result.summary()[0]["n"] == 50


def test_summaries_have_what_there_is(tmp_path):
    slow = tmp_path / "slow"
    slow.touch()
    given = {"conditions": {"a": {"slow": slow}}, "replicates": CELLS, "time_limit": 0.2}
    cut = Experiment(plain, keep="summary", **given).run()
    rows = cut.summary()
    assert sum(row["n"] for row in rows) == cut.provenance["stopped"]["cells"] < CELLS
