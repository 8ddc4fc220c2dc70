"""Threads of linear algebra: one in each worker, and given back."""

import pytest

from crystallize import Experiment, hookimpl

PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


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
