"""Running one cell in this process, with nothing caught."""

from __future__ import annotations

import asyncio
from typing import Any

from crystallize.callables import is_async
from crystallize.description.spec import ExperimentSpec
from crystallize.worker.arguments import Arguments
from crystallize.worker.event_loop import without_running_loop


def run_cell(experiment: ExperimentSpec, condition: str, replicate: int) -> Any:
    """What the function returns for one cell; whatever it raises comes through."""
    parameters = experiment.conditions[condition]
    arguments = Arguments(experiment.seed, condition, parameters, experiment.injected)
    if not is_async(experiment.function):
        return experiment.function(**arguments(replicate))

    async def cell() -> Any:
        return await experiment.function(**arguments(replicate))

    return without_running_loop(lambda: asyncio.run(cell()))
