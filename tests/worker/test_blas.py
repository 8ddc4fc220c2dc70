"""Threads of linear algebra: one in each worker, and given back."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from crystallize import Experiment, hookimpl

PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def test_blas_threads_are_held_in_workers_and_recorded():
    def trial():
        np.ones((2, 2)) @ np.ones((2, 2))
        return {"threads": max((i["num_threads"] for i in threadpool_info()), default=1)}

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
    class Observer:
        @hookimpl
        def outcomes_completed(self, experiment, outcomes):
            self.threads = {info["num_threads"] for info in threadpool_info()}

    observer = Observer()
    Experiment(lambda: 1.0, plugins=[observer], **options).run()
    assert observer.threads == {1}


def gathered():
    async def trial():
        await asyncio.sleep(0)
        return 1.0

    experiment = Experiment(trial, replicates=100, execution="async")

    async def main():
        await asyncio.gather(*(experiment.arun() for _ in range(3)))

    asyncio.run(main())


def in_threads():
    experiment = Experiment(lambda: 1.0, replicates=1000)
    threads = [threading.Thread(target=experiment.run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def streamed():
    first, second = (Experiment(lambda: 1.0, replicates=500).stream() for _ in range(2))
    next(first), next(second)
    assert len([*first]) == 499
    # The other run is still under way.
    assert {info["num_threads"] for info in threadpool_info()} == {1}
    assert len([*second]) == 499


def closed_elsewhere():
    streams: list[Any] = []

    def begin():
        streams.append(Experiment(lambda: 1.0, replicates=500).stream())
        next(streams[0])

    for work in (begin, lambda: streams[0].close()):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


def nested():
    def trial():
        Experiment(lambda: 1.0, replicates=3).run()
        return 1.0

    assert Experiment(trial, replicates=3).run().errors == []


@pytest.mark.parametrize("overlapping", [gathered, in_threads, streamed, closed_elsewhere, nested])
def test_runs_that_overlap_give_back_what_was_there_before_the_first(overlapping):
    before = [info["num_threads"] for info in threadpool_info()]
    overlapping()
    assert [info["num_threads"] for info in threadpool_info()] == before
