"""Every hook that a Crystallize plugin can implement.

Mark an implementation with :data:`crystallize.hookimpl`.  An implementation
may leave out arguments that it does not need; it may not add any.  Plugins are
called in the order in which an experiment has them: those that are active everywhere,
then its own as they were given, and the core's own last.  ``tryfirst``, ``trylast``,
``wrapper``, ``optionalhook`` and ``specname`` mean what they mean to pluggy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from crystallize.cells.outcomes import Outcomes
    from crystallize.cells.page import Page
    from crystallize.contracts import ActiveRun, Call, Completions, NextTask, RunStatus
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
    ``run.tick()``: a tenth of a second, or less.  Closing the iterator cancels and
    cleans up, within two seconds.  What can be done to a running task is registered with
    ``run``, and no state of a run is kept on the executor: it may have any number at once.
    Preferred to :func:`run_experiment_loop` where an executor has both.
    """


@hookspec
def check_experiment(experiment: ExperimentSpec) -> None:
    """Refuse an experiment when it is made, by raising.

    The message reaches the user together with the plugin's name.
    """


@hookspec
def before_run(experiment: ExperimentSpec, run: ActiveRun) -> None:
    """Observe that a run is about to start, before its first cell.

    What belongs to one run is kept by ``run``, which can be the key of a mapping: an
    experiment may have any number of runs at once.
    """


@hookspec
def run_ended(
    experiment: ExperimentSpec,
    run: ActiveRun,
    status: RunStatus,
    result: Result | None,
    error: BaseException | None,
) -> None:
    """Observe the end of a run, however it ends; always once for each :func:`before_run`.

    ``status`` is ``"finished"``; ``"stopped"``, where :func:`should_stop` gave a reason
    or the time limit was over; ``"interrupted"``, by a signal; ``"failed"``, with ``error``;
    or ``"left"``, where a stream was closed or an ``arun`` cancelled.
    ``result`` is what there is of it, ``None`` where a run is left.
    """


@hookspec
def after_run(experiment: ExperimentSpec, run: ActiveRun, result: Result) -> None:
    """Observe the finished result, sections included."""


@hookspec
def outcomes_completed(experiment: ExperimentSpec, run: ActiveRun, outcomes: Outcomes) -> None:
    """Observe outcomes in the driver as they land, a batch at a time, in any order.

    Those that were found in a store come first, when the run begins.
    """


@hookspec
def page_completed(experiment: ExperimentSpec, run: ActiveRun, page: Page) -> None:
    """Observe a page: every outcome of a range of replicates, in index order.

    The bounds of pages depend on the index alone, and pages that were found in a store
    are reported as well: what is computed from page to page is the same under every
    strategy and after every resume.
    """


@hookspec(firstresult=True)
def should_stop(experiment: ExperimentSpec, run: ActiveRun, page: Page) -> str | None:
    """Decide after a page whether the run may end here; the reason, as text.

    Called in index order, after :func:`page_completed` of the same page.  ``None`` lets
    it go on; what is neither that nor a text ends nothing, is reported as the plugin's
    failure, and the next plugin is asked.  The result
    has the replicates up to the end of that page; what was computed beyond stays in
    the store.  ``result.provenance["stopped"]`` has the reason.
    """


@hookspec
def worker_context(
    experiment: ExperimentSpec,
) -> Callable[[], AbstractContextManager[Mapping[str, Any]]] | None:
    """Return what makes a context manager, plain or asynchronous, that each worker enters once.

    A worker is a thread that runs cells, in whichever process; for coroutines it is
    their event loop.  The mapping that is entered is offered to the function by name.
    It is left when the run ends.  What is returned travels to workers: it must be
    importable there, or picklable by value.
    """


@hookspec(firstresult=True)
def aggregate_results(
    experiment: ExperimentSpec, run: ActiveRun, outcomes: Outcomes
) -> Result | None:
    """Turn all outcomes of a run into its :class:`~crystallize.Result`.

    The first implementation that returns something other than ``None`` wins;
    :class:`~crystallize.experiments.aggregation.ResultAggregator` comes last.
    """


@hookspec
def extend_result(
    experiment: ExperimentSpec, run: ActiveRun, result: Result
) -> Mapping[str, Any] | None:
    """Return named sections to add to ``result.sections``.

    A section is data: ``None``, booleans, numbers, strings, NumPy scalars and
    arrays, and lists and string-keyed mappings of these.  One name from two
    plugins is an error that names both.
    """
