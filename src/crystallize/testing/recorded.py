"""A run as it was reported, to be told to an observer again: in other orders, with other ends."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from crystallize.errors import CrystallizeError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import AloneRun
from crystallize.results.errors import Interrupted

Moment = tuple[str, dict[str, Any]]
"""A hook and its arguments, beside the experiment and the run."""
ENDS = ("finished", "stopped", "failed", "interrupted", "left")
ORDERS = ("as they come", "pages first", "pages last", "one end only")


@dataclass
class Recording:
    """An observer that keeps what it was told, to tell it to others."""

    spec: Any = None
    batches: list[Any] = field(default_factory=list)
    pages: list[Any] = field(default_factory=list)
    result: Any = None

    __hash__ = object.__hash__

    @hookimpl
    def before_run(self, experiment: Any) -> None:
        self.spec = experiment

    @hookimpl
    def outcomes_completed(self, outcomes: Any) -> None:
        self.batches.append(outcomes)

    @hookimpl
    def page_completed(self, page: Any) -> None:
        self.pages.append(page)

    @hookimpl(tryfirst=True)
    def after_run(self, result: Any) -> None:
        self.result = result

    def moments(self, order: str, end: str) -> Sequence[Moment]:
        """What a run tells its observers, in one of :data:`ORDERS`, with one of :data:`ENDS`."""
        result = self.result
        error: BaseException | None = None
        if end == "left":
            result = None
        elif end == "failed":
            error = CrystallizeError("the engine is broken")
        elif end == "interrupted":
            error = Interrupted(result, signal.SIGINT)
        after: list[Moment] = [] if result is None else [("after_run", {"result": result})]
        last = ("run_ended", {"status": end, "result": result, "error": error})
        return [("before_run", {}), *self._between(order), *after, last]

    def _between(self, order: str) -> list[Moment]:
        batches = [("outcomes_completed", {"outcomes": batch}) for batch in self.batches]
        pages = [
            (hook, {"page": page})
            for page in self.pages
            for hook in ("page_completed", "should_stop")
        ]
        if order == "one end only":
            return []
        if order == "as they come":
            return [m for pair in zip_longest(batches, pages) for m in pair if m]
        return [*pages, *batches] if order == "pages first" else [*batches, *pages]


class KnownRun(AloneRun):
    """What a plugin knows a run by, where there is none."""

    def __init__(self, number: int) -> None:
        self.id = f"run-{number}"
