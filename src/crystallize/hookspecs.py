"""Every hook that a Crystallize plugin can implement.

Mark an implementation with :data:`crystallize.hookimpl`.  An implementation
may leave out arguments that it does not need; it may not add any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crystallize.cells.outcomes import Outcomes
    from crystallize.contracts import ActiveRun, Call, Completions, NextTask
    from crystallize.description.spec import ExperimentSpec
    from crystallize.results.result import Result

PROJECT_NAME = "crystallize"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec(firstresult=True)
def run_experiment_loop(
    experiment: ExperimentSpec, replicate_fn: Callable[[int], Any]
) -> list[Any] | None:
    """Run the replicate loop.

    Call ``replicate_fn(i)`` once for each ``i in range(experiment.replicates)``,
    in any order, and return the results in index order.  This hook alone makes
    a valid executor.
    """


@hookspec(firstresult=True)
def execute(
    experiment: ExperimentSpec, call: Call, next_task: NextTask, run: ActiveRun
) -> Completions | None:
    """Run tasks as they are asked for and yield each completion as it happens.

    Ask ``next_task()`` for work whenever there is room.  ``None`` means nothing
    now; the executor is done when nothing is in flight and ``next_task()`` still
    says ``None``.  Run ``call(task)`` and yield a
    :class:`~crystallize.contracts.Completion` with the value, or
    with the error of the transport.  Yield ``None`` when nothing finished for
    a tenth of a second.  Closing the iterator cancels and cleans up, within two
    seconds.  What can be done to a running task is registered with ``run``, and no
    state of a run is kept on the executor: it may have any number at once.  Preferred
    to :func:`run_experiment_loop` where an executor has both.
    """


@hookspec
def before_run(experiment: ExperimentSpec) -> None:
    """Observe that a run is about to start, before its first cell."""


@hookspec
def after_run(experiment: ExperimentSpec, result: Result) -> None:
    """Observe the finished result, sections included."""


@hookspec
def outcomes_completed(experiment: ExperimentSpec, outcomes: Outcomes) -> None:
    """Observe outcomes in the driver as they land, a batch at a time."""


@hookspec(firstresult=True)
def aggregate_results(experiment: ExperimentSpec, outcomes: Outcomes) -> Result | None:
    """Turn all outcomes of a run into its :class:`~crystallize.Result`.

    The first implementation that returns something other than ``None`` wins;
    :class:`~crystallize.experiments.aggregation.ResultAggregator` comes last.
    """


@hookspec
def extend_result(experiment: ExperimentSpec, result: Result) -> Mapping[str, Any] | None:
    """Return named sections to add to ``result.sections``.

    A section is data: ``None``, booleans, numbers, strings, NumPy scalars and
    arrays, and lists and string-keyed mappings of these.  One name from two
    plugins is an error that names both.
    """
