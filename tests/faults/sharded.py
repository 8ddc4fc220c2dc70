"""Ten shards, each under another strategy; as a program, one that is killed in its middle.

Arguments: the store, and which shard.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from crystallize import Experiment, hookimpl
from crystallize.plugins.execution import FactoryExecution

REPLICATES = 203
CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
FAILING = (7, 130)  # none of the coroutine function's, which have other tracebacks
KILLED = 4
"""The shard that is killed, and ..."""
KILLED_AT = 75
"""... the replicate at which it is."""


def trial(rng, replicate, shift):
    if os.environ.get("SHARD_IS_KILLED"):
        time.sleep(0.01)
        if replicate == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
    if replicate in FAILING:
        raise ValueError(f"replicate {replicate}")
    return {"x": rng.normal() + shift, "array": rng.normal(size=3), "yes": rng.random() < 0.5}


async def atrial(rng, replicate, shift):
    return trial(rng, replicate, shift)


atrial.__qualname__ = trial.__qualname__  # by which an experiment is known, whatever its code is


class Loop:
    """A strategy in its eight lines."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


def experiment(shard=None, execution="serial", function=trial, **options):
    return Experiment(
        function,
        CONDITIONS,
        replicates=REPLICATES,
        seed=5,
        shard=shard,
        execution=execution,
        execution_options=options.pop("given", None),
        **options,
    )


def run(number, store):
    """Run one of the ten, each its own way."""
    place = {"shard": f"{number}/10", "store": store}
    with contextlib.ExitStack() as opened:
        match number:
            case 1 | 4:
                experiment(**place).run()
            case 2:
                experiment(execution="parallel", given={"max_workers": 3}, **place).run()
            case 3:
                given = {"executor_type": "process", "max_workers": 2}
                experiment(execution="parallel", given=given, **place).run()
            case 5:
                experiment(execution="async", function=atrial, **place).run()
            case 6:
                threads = opened.enter_context(ThreadPoolExecutor(2))
                experiment(execution=FactoryExecution(threads, workers=2), **place).run()
            case 7:
                experiment(execution=Loop(), **place).run()
            case 8:
                asyncio.run(experiment(**place).arun())
            case 9:
                list(experiment(**place).stream())
            case 10:
                processes = opened.enter_context(ProcessPoolExecutor(1))
                experiment(execution=FactoryExecution(processes, workers=1), **place).run()


if __name__ == "__main__":
    experiment(sys.argv[2], store=sys.argv[1]).run()
