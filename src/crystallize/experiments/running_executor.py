"""The executor of a run, started through its hooks and held to its contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crystallize.errors import CrystallizeError, ExecutorError, PluginError, described
from crystallize.experiments.cells import BlockCall, Task
from crystallize.experiments.loop_adapter import ReplicateFunction, stream_loop
from crystallize.plugins.execution.base import Traits

if TYPE_CHECKING:
    from crystallize.experiments.experiment import Experiment
    from crystallize.plugins.host import Host


class RunningExecutor:
    """An executor that is given the work of one run.

    Parameters
    ----------
    experiment : Experiment
    host : Host
        Its plugins, the executor among them.
    traits : Traits
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
        experiment: Experiment,
        host: Host,
        traits: Traits,
        call: BlockCall,
    ) -> None:
        self.traits = traits
        self.streams = host.implements("execute")
        self._experiment = experiment
        self._host = host
        self._call = call

    @property
    def is_async(self) -> bool:
        """Whether :meth:`completions` gives an async iterator."""
        return self.streams and self.traits.calls_are_async

    def completions(self, next_task: Callable[[], Task | None]) -> Any:
        """Start it; its completions as a generator, plain or async.

        Parameters
        ----------
        next_task : callable
            Where it asks for work.

        Raises
        ------
        ExecutorError
            If ``execute`` gives something else than an iterator of that kind.
        """
        is_async = self.traits.calls_are_async
        if not self.streams:
            return stream_loop(
                self._host.executor_name,
                self._host.hook.run_experiment_loop,
                self._experiment,
                ReplicateFunction.kind(is_async),
                self._call,
                next_task,
            )
        started = self._host.hook.execute(
            experiment=self._experiment,
            call=self._call.run_cell if is_async else self._call,
            next_task=next_task,
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
                f"The execution strategy {self._host.executor_name!r} failed with "
                f"{described(error)}. What had finished is on this exception as .result."
            ) from error

    def broken_contract(self, what: str) -> ExecutorError:
        """The error of an executor that does what none may do."""
        return ExecutorError(
            f"The execution strategy {self._host.executor_name!r} breaks its contract: {what}. "
            "What had finished is on this exception as .result."
        )


def _closable(started: Iterator[Any]) -> Iterator[Any]:
    """An iterator as a generator, which can be closed."""
    yield from started


async def _closable_async(started: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """An async iterator as a generator, which can be closed."""
    async for item in started:
        yield item
