"""Cells that are tried again: after which time, which of them, and what goes on meanwhile."""

import asyncio
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from crystallize import Experiment, Retry, Until, hookimpl
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Busy(Exception):
    def __init__(self, retry_after=None):
        super().__init__("busy")
        self.retry_after = retry_after


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


def trial(replicate, rng, log, failing=2, retry_after=None):
    """Replicate 0 fails at first; every try is a line: replicate, when it began."""
    with Path(log).open("a+") as file:
        file.seek(0)
        tried = sum(line.startswith(f"{replicate} ") for line in file)
        file.write(f"{replicate} {time.monotonic()}\n")
    if replicate == 0 and tried < failing:
        raise Busy(retry_after)
    return rng.random()


async def atrial(replicate, rng, log, failing=2, retry_after=None):
    await asyncio.sleep(0)
    return trial(replicate, rng, log, failing, retry_after)


PROCESSES = {"executor_type": "process", "max_workers": 2}
WAYS: dict[str, dict[str, Any]] = {
    "serial": {},
    "serial coroutines": {"function": atrial},
    "threads": {"execution": "parallel", "execution_options": {"max_workers": 2}},
    "processes": {"execution": "parallel", "execution_options": PROCESSES},
    "async": {"function": atrial, "execution": "async"},
    "a plain loop": {"execution": Loop()},
    "futures": {
        "execution": "futures",
        "execution_options": {"factory": "concurrent.futures:ThreadPoolExecutor"},
    },
}


def experiment(log, way="serial", *, given=None, **options):
    usual = {"function": trial, "replicates": 6, "seed": 3}
    conditions = {"only": {"log": str(log), **(given or {})}}
    return Experiment(conditions=conditions, **{**usual, **WAYS[way], **options})


def tries(log):
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(replicate), float(began)) for replicate, began in lines]


@pytest.mark.parametrize("way", WAYS)
def test_others_run_while_a_cell_waits(way, tmp_path):
    log = tmp_path / "log"
    retry = Retry(3, wait=0.3, on=(Busy,))
    result = experiment(log, way, retries=retry, given={"failing": 1}).run()
    began = [began for _, began in sorted(tries(log))]
    (first, second), others = began[:2], began[2:]
    assert [replicate for replicate, _ in sorted(tries(log))] == [0, 0, 1, 2, 3, 4, 5]
    assert second - first >= 0.3
    assert max(others) < second
    without = experiment(tmp_path / "other", given={"failing": 0}).run()
    same_result(result, without)


def test_each_wait_is_longer_than_the_one_before(tmp_path):
    log = tmp_path / "log"
    experiment(log, retries=Retry(3, wait=0.05)).run()
    first, second, third = [began for replicate, began in tries(log) if replicate == 0]
    assert second - first >= 0.05 and third - second >= 0.1


def test_a_wait_that_is_asked_for_is_kept_in_full(tmp_path):
    log = tmp_path / "log"
    retry = Retry(3, wait=0.01, at_most=0.02)
    experiment(log, retries=retry, given={"retry_after": 0.3, "failing": 1}).run()
    first, second = [began for replicate, began in tries(log) if replicate == 0]
    assert second - first >= 0.3


@pytest.mark.parametrize("way", ["serial", "processes", "async"])
def test_what_is_not_to_be_tried_again_fails_at_once(way, tmp_path):
    retry = Retry(3, on=(OSError, "LookupError"))
    result = experiment(tmp_path / "log", way, retries=retry).run()
    assert [(error.type, error.attempts) for error in result.errors] == [("Busy", 1)]
    assert len(tries(tmp_path / "log")) == 6


def test_a_plain_number_tries_whatever_a_cell_raises():
    ends = iter([SystemExit, KeyError, OSError])

    def ending():
        if (error := next(ends, None)) is not None:
            raise error
        return 1.0

    result = Experiment(ending, retries=3).run()
    assert not result.errors
    assert result.provenance["execution"]["retries"] == 3


def test_the_rule_is_in_the_provenance(tmp_path):
    retry = Retry(3, wait=0.5, on=(Busy, OSError))
    given = experiment(tmp_path / "log", retries=retry, rate_limit=100.0, given={"failing": 0})
    execution = given.run().provenance["execution"]
    assert execution["retries"] == 3
    assert execution["retry"]["wait"] == 0.5
    assert execution["retry"]["on"] == [f"{__name__}:Busy", "OSError"]
    assert execution["rate_limit"] == 100.0


@pytest.mark.parametrize("way", ["processes", "async"])
def test_no_time_limit_is_that_of_a_wait(way, tmp_path):
    given = experiment(
        tmp_path / "log", way, retries=Retry(1, wait=0.3), timeout=0.2, given={"failing": 1}
    )
    assert not given.run().errors


@pytest.mark.parametrize("way", ["serial", "async", "a plain loop"])
def test_a_stream_that_is_closed_waits_for_nothing(way, tmp_path):
    log = tmp_path / "log"
    stream = experiment(log, way, retries=Retry(1, wait=3600, at_most=3600)).stream()
    assert {next(stream).replicate for _ in range(5)} == {1, 2, 3, 4, 5}
    stream.close()
    assert len(tries(log)) == 6


def test_too_many_failures_end_the_waits(tmp_path):
    def failing(replicate, log):
        if replicate == 0:
            raise Busy(3600)
        raise ValueError("no")

    with pytest.raises(Exception, match="max_failures"):
        experiment(
            tmp_path / "log", function=failing, retries=Retry(1, on=(Busy,)), max_failures=2
        ).run()


def test_a_condition_that_is_done_waits_for_none_beyond_its_end():
    def beyond(replicate, rng):
        if replicate >= 150:
            raise Busy(3600)
        return {"x": rng.random()}

    enough = Until("x", half_width=0.2, at_most=2000)
    result = Experiment(beyond, replicates=enough, seed=1, retries=1).run()
    assert result.replicates == 112


def test_a_resume_gives_what_waited_its_tries(tmp_path):
    stores, logs = tmp_path / "cells.db", tmp_path / "log"
    make = partial(experiment, logs, store=stores)
    stream = make(retries=Retry(1, wait=3600, at_most=3600)).stream()
    for _ in range(5):
        next(stream)
    stream.close()
    result = make(retries=Retry(2, wait=0.01)).run()
    assert not result.errors
    assert len(tries(logs)) == 8


WAITING = """
class Busy(Exception):
    retry_after = 3600


def plain(replicate):
    if replicate == 0:
        raise Busy
    return float(replicate)


async def waits(replicate):
    return plain(replicate)


class Tells:
    landed = 0

    @hookimpl
    def outcomes_completed(self, outcomes):
        self.landed += len(outcomes)
        if self.landed == 5:
            ready()


if __name__ == "__main__":
    options = {"replicates": 6, "seed": 1, "retries": 1, "plugins": [Tells()]}
    try:
        %s
    except Interrupted as error:
        print(done(error.result), len(error.result.errors))
"""


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    "way",
    [
        "Experiment(plain, **options).run()",
        "Experiment(plain, **PROCESS, **options).run()",
        "asyncio.run(Experiment(waits, **ASYNC, **options).arun())",
    ],
)
def test_a_signal_ends_a_wait(program, way):
    running = program(WAITING % way)
    assert running.signalled(signal.SIGINT) == "5 0"
    assert running.seconds < 6  # two seconds, and a machine that does other things too
