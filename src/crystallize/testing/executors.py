"""The conformance suites of execution strategies.

Subclass one of the suites in a test module and say how to make the executor::

    class TestMine(ExecutorSuite):
        def make(self):
            return MyExecution(workers=2)
"""

from __future__ import annotations

from crystallize.testing.closing import ClosingChecks
from crystallize.testing.completions import CompletionChecks
from crystallize.testing.early_ends import EarlyEndChecks
from crystallize.testing.loops import LoopChecks
from crystallize.testing.programs import ProgramChecks
from crystallize.testing.runs import RunChecks
from crystallize.testing.workers import WorkerChecks


class LoopExecutorSuite(LoopChecks, RunChecks, ProgramChecks):
    """What every executor must do, one that has the plain loop alone too.

    Attributes
    ----------
    patience : float
        Seconds after which something hangs.
    replicates : int
        How many replicates the larger tests run.
    coroutines : bool, optional
        Whether the functions are coroutine functions.  Default: where it takes no
        others.
    processes : bool, optional
        Whether cells run in other processes, of which a few are killed.  Default:
        the capability ``local_processes``.
    """


class ExecutorSuite(
    LoopExecutorSuite, CompletionChecks, WorkerChecks, EarlyEndChecks, ClosingChecks
):
    """What every executor must do; override :meth:`make`.

    Which tests there are follows from what the executor says it can do: the
    contract of ``execute`` is checked where it has that hook, killed workers where
    it has processes, timeouts where it can cancel.
    """


class AsyncExecutorSuite(ExecutorSuite):
    """The same with coroutine functions, for an executor that takes them."""

    coroutines = True
