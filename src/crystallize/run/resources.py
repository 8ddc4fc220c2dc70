"""What the workers of a run open for its cells: resources, and what plugins add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crystallize.description.spec import ExperimentSpec
from crystallize.errors import ResourceError, described
from crystallize.plugins.guard import HookCall
from crystallize.plugins.host import Host
from crystallize.worker.contexts import WorkerContexts


def worker_contexts(experiment: ExperimentSpec, host: Host) -> WorkerContexts:
    """Gather what each worker is to open once.

    Raises
    ------
    ResourceError
        If a plugin fails to say what that is.
    """
    plugins = contexts_of_plugins(experiment, host)
    return WorkerContexts(experiment.resources, plugins, experiment.offered, experiment.takes)


def contexts_of_plugins(
    experiment: ExperimentSpec, host: Host
) -> list[tuple[str, Callable[[], Any]]]:
    """Plugin -> what makes the context that each worker enters for it.

    Raises
    ------
    ResourceError
        If a plugin fails to say what that is.
    """
    if not host.implements("worker_context"):
        return []
    call = HookCall()
    host.ask(call, "worker_context", experiment=experiment)
    for plugin, error in call.failures:
        raise ResourceError(
            f"The plugin {host.origin(plugin)} failed in worker_context with {described(error)}"
        ) from error
    return [(host.origin(name), make) for name, make in call.answers if make is not None]
