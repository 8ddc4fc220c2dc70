"""``arun`` and ``stream``: who runs meanwhile, and what comes when."""

import asyncio
import threading
import time

from crystallize import Experiment
from crystallize.plugins.execution import ParallelExecution


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
