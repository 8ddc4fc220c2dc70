"""What a plugin raises in a hook costs what that plugin would have added, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from crystallize.errors import PluginError
from crystallize.worker.interruption import Interruption

Method = Callable[..., Any]
Check = Callable[[Any], None]
"""Raises :class:`PluginError` for what a hook may not give."""

ENDS_THE_RUN = (KeyboardInterrupt, Interruption)
"""What no plugin may be left with: it is for the run."""


@dataclass
class HookCall:
    """One call of a hook, while it is under way.

    Attributes
    ----------
    answers : list of (str, object)
        The plugins that answered, with what each gave.
    failures : list of (str, BaseException)
        The plugins that raised, with what each raised.
    """

    answers: list[tuple[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, BaseException]] = field(default_factory=list)

    def made(self, call: Callable[[], Any]) -> Any:
        """Call a hook whose implementations are guarded; what it gives."""
        token = _current.set(self)
        try:
            return call()
        finally:
            _current.reset(token)


_current: ContextVar[HookCall] = ContextVar("crystallize-hook-call")


def check_reason(answer: Any) -> None:
    """Refuse what is no reason to stop.

    Raises
    ------
    PluginError
    """
    if answer is not None and not (isinstance(answer, str) and answer.strip()):
        raise PluginError(
            f"it gave {answer!r:.80}, which ends nothing. Give the reason as text, or None where "
            "the run is to go on."
        )


CHECKS: Mapping[str, Check] = {"should_stop": check_reason}
"""What is asked of the answers to a hook of which the first counts: a wrong one must not."""


def guarded(plugin: str, method: Method, check: Check | None = None) -> Method:
    """An implementation that answers ``None`` where it raises; its call has the failure.

    Parameters
    ----------
    plugin : str
    method : callable
    check : callable, optional
        What is asked of its answer; one that is refused is a failure.
    """

    @wraps(method)
    def answer(*args: Any, **kwargs: Any) -> Any:
        call = _current.get()
        try:
            value = method(*args, **kwargs)
            if check is not None:
                check(value)
        except ENDS_THE_RUN:
            raise
        except BaseException as error:  # sys.exit in a plugin costs no results either
            call.failures.append((plugin, error))
            return None
        call.answers.append((plugin, value))
        return value

    return answer


def guarded_wrapper(plugin: str, method: Method, check: Check | None = None) -> Method:
    """A wrapper that is as if it were not there from where it raises on.

    For both kinds that pluggy has: the newer returns what it makes of the results, the
    older is sent an object and returns nothing.
    """

    @wraps(method)
    def wrap(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = _current.get()
        steps: Generator[Any, Any, Any] | None = None
        try:
            steps = method(*args, **kwargs)
            next(steps)
        except ENDS_THE_RUN:
            raise
        except StopIteration:
            call.failures.append((plugin, RuntimeError("the wrapper did not yield")))
            steps = None
        except BaseException as error:
            call.failures.append((plugin, error))
            steps = None
        try:
            results = yield
        except BaseException as error:
            if steps is not None:
                with suppress(StopIteration):
                    steps.throw(error)
            raise
        if steps is None:
            return results
        try:
            steps.send(results)
        except StopIteration as end:
            try:
                if check is not None:
                    check(end.value)
            except PluginError as error:
                call.failures.append((plugin, error))
                return results
            return end.value
        except ENDS_THE_RUN:
            raise
        except BaseException as error:
            call.failures.append((plugin, error))
            return results
        steps.close()
        call.failures.append((plugin, RuntimeError("the wrapper yielded twice")))
        return results

    return wrap
