"""What runs in the environment of crystallize-ml: experiments as its documentation shows them."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.side import answer_requests
from benchmarks.sleep import SECONDS
from benchmarks.workloads import WORKERS, WORKLOADS
from crystallize import (
    AsyncExecution,
    Experiment,
    ParallelExecution,
    SerialExecution,
    data_source,
    pipeline_step,
)

WARM = 20


@data_source
def source(ctx):
    """The index of the replicate."""
    return ctx.get("replicate")


def make_step(name):
    """A pipeline step that runs a workload's function and gives its value as a metric."""
    function = WORKLOADS[name].indexed

    def step(data, ctx):
        return data, {"value": function(data)}

    # Its code is hashed and its factory pickled by name, so each is one of this module.
    step.__name__ = step.__qualname__ = STEPS[name]
    return pipeline_step()(step)


STEPS = {name: "step_" + name.replace(" ", "_") for name in WORKLOADS}
for _name, _step in STEPS.items():
    globals()[_step] = make_step(_name)


@pipeline_step()
async def step_sleep(data, ctx):
    """Wait."""
    await asyncio.sleep(SECONDS)
    return data, {"value": 0.5}


STRATEGIES = {
    "serial": SerialExecution,
    "thread": lambda: ParallelExecution(max_workers=WORKERS, executor_type="thread"),
    "process": lambda: ParallelExecution(max_workers=WORKERS, executor_type="process"),
    "async": AsyncExecution,
}


def run(workload, strategy, count):
    """The seconds of one experiment."""
    step = step_sleep if workload == "sleep" else globals()[STEPS[workload]]
    experiment = (
        Experiment.builder("benchmark")
        .datasource(source())
        .add_step(step())
        .plugins([STRATEGIES[strategy]()])
        .replicates(count)
        .build()
    )
    began = perf_counter()
    result = experiment.run()
    seconds = perf_counter() - began
    got = len(result.metrics.baseline.metrics["value"])
    if result.errors or got != count:
        raise RuntimeError(f"{got} of {count} replicates finished: {result.errors}")
    return seconds


def respond(what, workload, count):
    """Answer a request; the strategy is the last word of it."""
    request, strategy = what.split()[0], what.split()[-1]
    if request == "prepare":
        return {"note": ""}
    run(workload, strategy, WARM)
    return {"seconds": run(workload, strategy, count)}


if __name__ == "__main__":
    answer_requests(respond)
