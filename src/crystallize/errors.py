"""The exceptions and warnings that need no result, each building its own message.

Every message says what was wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def listing(names: Iterable[str]) -> str:
    """Names in a sentence: ``'a', 'b'``, or ``none``."""
    return ", ".join(repr(name) for name in names) or "none"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the known name closest to `name`, or nothing."""
    candidates = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(str(name).casefold(), candidates, n=1, cutoff=0.6)
    return f" Did you mean {candidates[close[0]]!r}?" if close else ""


def described(error: BaseException) -> str:
    """Type and message of any exception in one line, even of one that cannot be shown."""
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}".removesuffix(": ")


def text_of(value: object) -> str:
    """The ``repr`` of a value, or its type where it has none.

    A whole number of thousands of digits has none either, nor what holds one.
    """
    try:
        return repr(value)
    except Exception:
        return f"something of type {type(value).__name__}"


class CrystallizeError(Exception):
    """Anything that Crystallize refuses or reports.

    Attributes
    ----------
    result : Result or None
        Where it ended a run: everything that had finished, more than the store may hold.
    """

    result: Any = None

    def __reduce__(self) -> Any:
        # The message is not what the constructors take.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[CrystallizeError], args: Any, attributes: Any) -> CrystallizeError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InvalidValueError(CrystallizeError, ValueError):
    """A value that an experiment or a strategy cannot take."""

    def __init__(self, where: str, value: object, expected: str, *, hint: str = "") -> None:
        super().__init__(f"{where}: expected {expected}, got {_shown(value)}.{hint}")
        self.where = where
        self.expected = expected


class InvalidValuesError(InvalidValueError):
    """Several values that cannot be used; lists them all.

    Parameters
    ----------
    problems : sequence of str
        One sentence a value, each saying where it is.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        CrystallizeError.__init__(self, f"{len(problems)} values cannot be used:\n{lines}")
        self.problems = tuple(problems)


class FunctionError(CrystallizeError, TypeError):
    """A function that cannot be called with what the experiment has for it."""


class FunctionKindError(FunctionError):
    """A coroutine function where a plain one is needed, or the other way round."""


class ExperimentRefusedError(CrystallizeError, ValueError):
    """An experiment that a plugin does not let run; the message says which and why."""


class TooLargeError(CrystallizeError, MemoryError):
    """More cells, or more of each, than fits into memory; nothing further was run."""


class ResourceError(CrystallizeError, RuntimeError):
    """Something that each worker needs for its cells could not be made ready there."""


class WorkerDiffersError(ResourceError):
    """A worker that has other code, or other values, than the program that started it."""


class UnknownNameError(CrystallizeError, LookupError):
    """A name that nothing has; the message lists what there is.

    Parameters
    ----------
    kind, name : str
    known : sequence of str
        What there is.
    where : str
        The place of a name that chooses from what the same experiment gives.
    advice : str
        What else there is to say.
    """

    def __init__(
        self, kind: str, name: str, known: Sequence[str], *, where: str = "", advice: str = ""
    ) -> None:
        problem = f"There is no {kind} {name!r}."
        if where:
            problem = f"{where}: {name!r} is not among the {kind}s."
        super().__init__(
            f"{problem}{suggestion(name, known)} "
            f"Known: {listing(known)}.{' ' + advice if advice else ''}"
        )
        self.name = name
        self.known = tuple(known)


class DuplicateNameError(CrystallizeError, ValueError):
    """One name for two things."""


class OptionError(CrystallizeError, ValueError):
    """Options that a strategy or an aggregator does not take."""


class ConfigError(CrystallizeError, ValueError):
    """A config file that cannot be used; lists everything wrong with it.

    Parameters
    ----------
    path : path or str
        The file.
    problems : sequence of str
        One sentence a problem, each naming its key.
    """

    def __init__(self, path: Path | str, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{path}:\n{lines}")
        self.path = path
        self.problems = tuple(problems)


class FunctionLookupError(CrystallizeError, LookupError):
    """A ``module:attribute`` that leads to no function."""


class PluginError(CrystallizeError):
    """A plugin that breaks the contract of the hooks."""


class PluginLoadError(PluginError):
    """A plugin that cannot be imported or constructed, chained to the cause; or not with ours."""


class ExecutorError(PluginError):
    """An executor that failed or broke its contract during a run."""


class ResultFileError(CrystallizeError, ValueError):
    """A saved result that cannot be read back, or a value that cannot be saved."""


class ExportError(CrystallizeError, OSError):
    """A result that could not be written to a file; chained to the reason."""


class ValuesNotKeptError(CrystallizeError):
    """Values were asked for of a run that kept only what summaries need, keep="summary"."""

    def __init__(self, what: str, store: object = None) -> None:
        there = (
            "Run it with keep='values', or with a store, which keeps them."
            if store is None
            else f"They are in the store: Result.from_store({str(store)!r}) reads them."
        )
        super().__init__(
            f"There are no {what}: with keep='summary' a run keeps what its summary needs, and no "
            f"values. {there}"
        )


class StoreError(CrystallizeError):
    """A store that cannot be read or written."""


class StoreLostError(StoreError):
    """A store that was deleted, renamed or replaced in the middle of a run."""


class StoreMismatchError(StoreError):
    """A store that holds another experiment; the message shows what differs."""


class CrystallizeWarning(UserWarning):
    """Anything that Crystallize warns of."""


class GlobalRandomWarning(CrystallizeWarning):
    """A function drew from a global random generator: its numbers are not reproducible."""


class SharedStateWarning(CrystallizeWarning):
    """Cells change what other cells read, so numbers can depend on who shares a process."""


class StoreWarning(CrystallizeWarning):
    """Part of a store is damaged and run again, or ran under something else than what runs now."""


class CellLeftBehindWarning(CrystallizeWarning):
    """A cell that could not be ended went on when its run was over; its outcome is not kept."""


class PluginWarning(CrystallizeWarning):
    """An observer or aggregator raised; the results are kept."""


def _shown(value: object) -> str:
    text = text_of(value)
    return text if len(text) <= 80 else text[:77] + "..."
