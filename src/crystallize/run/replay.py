"""Running one cell in this process, with nothing caught."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

from crystallize.callables import is_async
from crystallize.description.spec import ExperimentSpec
from crystallize.worker.arguments import Arguments
from crystallize.worker.contexts import WorkerContexts
from crystallize.worker.event_loop import without_running_loop
from crystallize.worker.fresh_contexts import FreshContexts


def run_cell(
    experiment: ExperimentSpec, contexts: WorkerContexts, condition: str, replicate: int
) -> Any:
    """What the function returns for one cell; whatever it raises comes through."""
    parameters = experiment.conditions[condition]
    arguments = Arguments(
        experiment.seeding.of(condition), condition, parameters, experiment.injected
    )
    if not is_async(experiment.function):
        with closing(contexts):
            given = {**contexts.entered(), **arguments(replicate)}
            return FreshContexts().new().run(experiment.function, **given)

    async def cell() -> Any:
        try:
            offered = await contexts.aentered()
            return await experiment.function(**{**offered, **arguments(replicate)})
        finally:
            await contexts.aleave()

    return without_running_loop(lambda: asyncio.run(cell()))
