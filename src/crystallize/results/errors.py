"""The exceptions that carry a result."""

from __future__ import annotations

from crystallize.cells.outcome import CellError
from crystallize.errors import CrystallizeError
from crystallize.results.result import Result


class CellFailedError(CrystallizeError):
    """A cell failed and the experiment was asked to raise.

    Attributes
    ----------
    error : CellError
        The first failed cell, in replicate order, of those that had landed.
    result : Result
        Everything that had finished.
    """

    def __init__(self, error: CellError, result: Result) -> None:
        super().__init__(
            f"Replicate {error.replicate} of condition {error.condition!r} (seed {error.seed}) "
            f"failed with {error.type}: {error.message}\n\n{error.traceback}\n"
            "What had finished is on this exception as .result; "
            'on_error="collect" records failures and goes on.'
        )
        self.error = error
        self.result = result


class TooManyFailuresError(CrystallizeError):
    """More cells failed than the experiment allows; nothing further was run.

    Attributes
    ----------
    result : Result
        Everything that had finished.
    """

    def __init__(self, allowed: float, result: Result) -> None:
        super().__init__(
            f"{len(result.errors)} cells failed, more than max_failures={allowed} allows, so the "
            "run was stopped. What had finished is on this exception as .result."
        )
        self.result = result


class MetricsRefusedError(CrystallizeError, TypeError):
    """Every cell of a condition returned what cannot be kept, so the run was stopped.

    Attributes
    ----------
    error : CellError
        That of the first such cell, in replicate order.
    result : Result
        Everything that had finished.
    """

    def __init__(self, error: CellError, result: Result) -> None:
        super().__init__(
            f"Condition {error.condition!r}: none of its cells could be kept so far, so the run "
            f"was stopped: {error.message} What had finished is on this exception as .result. In a "
            "cell that is to count as failed raise an exception: then the others are run."
        )
        self.error = error
        self.result = result


class Interrupted(KeyboardInterrupt):
    """A run that was stopped from outside, by Ctrl-C or SIGTERM.

    A :exc:`KeyboardInterrupt`, so that ``except Exception`` does not swallow it.

    Attributes
    ----------
    result : Result
        Everything that had finished.
    signum : int
        The signal: ``signal.SIGINT`` or ``signal.SIGTERM``.
    """

    def __init__(self, result: Result, signum: int) -> None:
        super().__init__("Interrupted; what had finished is on this exception as .result.")
        self.result = result
        self.signum = signum
