"""The executor of a run, started through its hooks and held to its contract."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from crystallize.checks import Faults
from crystallize.contracts import Capabilities, NextTask
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import (
    CrystallizeError,
    ExecutorError,
    ExperimentRefusedError,
    InvalidValueError,
    PluginError,
    described,
)
from crystallize.plugins.execution.base import check_function
from crystallize.plugins.guard import HookCall
from crystallize.plugins.host import Host
from crystallize.run.plain_loop import LandingRun, PlainLoop
from crystallize.worker.block_runner import BlockCall

PROCESS_POOLS = "concurrent.futures.process"
"""The module that registers what is done at the end of the program."""


def check_executor(name: str, capabilities: Capabilities, experiment: ExperimentSpec) -> None:
    """Refuse what an executor cannot do of that which an experiment asks for.

    Raises
    ------
    FunctionKindError, InvalidValueError
    """
    check_function(name, capabilities.functions, experiment.function)
    cancellable = capabilities.can_cancel or capabilities.calls_are_async
    if experiment.timeout is not None and not cancellable:
        raise InvalidValueError(
            "timeout",
            experiment.timeout,
            f"None with {name!r}, which cannot stop a running call; processes "
            "(executor_type='process') and 'async' can",
        )
    if experiment.seed_globals and capabilities.shares_process:
        raise InvalidValueError(
            "seed_globals",
            True,
            f"False with {name!r}, whose cells run at once in one process and would draw from each "
            "other's generator; use processes or 'serial', or ask for 'rng'",
        )


def check_program_goes_on(name: str, capabilities: Capabilities) -> None:
    """Refuse a run in a thread that outlives the main one, where Python lets it start nothing.

    Raises
    ------
    ExecutorError
    """
    if threading.main_thread().is_alive():
        return
    # What the first worker process needs, Python loads no more then.
    no_process = capabilities.local_processes and PROCESS_POOLS not in sys.modules
    if capabilities.calls_are_async or no_process:
        raise ExecutorError(
            f"The main thread of this program has ended, after which {name!r} cannot start: Python "
            "is on its way to its end. Have the main thread wait for the one that runs the "
            "experiment: thread.join()."
        )


def check_with_plugins(host: Host, experiment: ExperimentSpec) -> None:
    """Ask every plugin whether it lets an experiment run.

    Raises
    ------
    ExperimentRefusedError
        With what the plugin raised.
    InvalidValuesError
        If several do not; lists them all.
    """
    if not host.implements("check_experiment"):
        return
    faults, call = Faults(), HookCall()
    host.ask(call, "check_experiment", experiment=experiment)
    for plugin, error in call.failures:
        refusal = ExperimentRefusedError(
            f"The plugin {host.origin(plugin)} refuses this experiment: {described(error)}"
        )
        refusal.__cause__ = error
        faults.found.append(refusal)
    faults.raise_any()


class Engine:
    """An executor that is given the work of one run.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins, the executor among them.
    capabilities : Capabilities
        What that one can do.
    call : BlockCall
        What the executor calls.

    Attributes
    ----------
    streams : bool
        Whether it implements ``execute``; otherwise the loop alone.
    """

    def __init__(
        self,
        experiment: ExperimentSpec,
        host: Host,
        capabilities: Capabilities,
        call: BlockCall,
    ) -> None:
        self.capabilities = capabilities
        self.streams = host.answers("execute")
        self._experiment = experiment
        self._host = host
        self._call = call

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._host.executor_name

    @property
    def is_async(self) -> bool:
        """Whether :meth:`completions` gives an async iterator."""
        return self.streams and self.capabilities.calls_are_async

    def completions(self, next_task: NextTask, run: LandingRun) -> Any:
        """Start it; its completions as a generator, plain or async.

        Parameters
        ----------
        next_task : callable
            Where it asks for work.
        run : LandingRun
            Where it says what it can do to a running task.

        Raises
        ------
        ExecutorError
            If ``execute`` gives something else than an iterator of that kind.
        """
        is_async = self.capabilities.calls_are_async
        if not self.streams:
            loop = PlainLoop(
                self.name,
                self._host.hook.run_experiment_loop,
                self._experiment,
                self._call.run_coroutines if is_async else self._call,
                run,
            )
            return loop.completions(next_task)
        started = self._host.hook.execute(
            experiment=self._experiment,
            call=self._call.run_coroutines if is_async else self._call,
            next_task=next_task,
            run=run.handle,
        )
        if not hasattr(started, "__anext__" if is_async else "__next__"):
            kind = "an async generator" if is_async else "a generator"
            raise self.broken_contract(f"execute must be {kind}; it gave {type(started).__name__}")
        if hasattr(started, "aclose" if is_async else "close"):
            return started
        return _closable_async(started) if is_async else _closable(started)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What the executor's own code raises becomes an error that names it.

        Raises
        ------
        ExecutorError
            Chained to the cause.  What had landed is kept.
        """
        try:
            yield
        except ExecutorError:
            raise
        except PluginError as error:
            raise ExecutorError(str(error)) from error
        except CrystallizeError:
            raise
        except (Exception, SystemExit) as error:
            raise ExecutorError(
                f"The execution strategy {self.name!r} failed with "
                f"{described(error)}. What had finished is on this exception as .result."
            ) from error

    def broken_contract(self, what: str) -> ExecutorError:
        """The error of an executor that does what none may do."""
        return ExecutorError(
            f"The execution strategy {self.name!r} breaks its contract: {what}. "
            "What had finished is on this exception as .result."
        )


def _closable(started: Iterator[Any]) -> Iterator[Any]:
    """An iterator as a generator, which can be closed."""
    yield from started


async def _closable_async(started: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """An async iterator as a generator, which can be closed."""
    async for item in started:
        yield item
