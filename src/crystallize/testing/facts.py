"""What an executor says of itself, and which checks follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from crystallize.contracts import Capabilities
from crystallize.plugins.host import Host
from crystallize.testing import trials
from crystallize.testing.suite import Suite, where
from crystallize.testing.surroundings import changed, global_state

T = TypeVar("T")
AHEAD = 4
"""How many tasks for each worker an executor may have taken that have not completed."""
CLOSE_SECONDS = 2.0
MARGIN_SECONDS = 0.5
"""What a busy machine may add to a time that is promised."""


@dataclass(frozen=True)
class Facts:
    """What an executor says of itself, as far as checks depend on it."""

    capabilities: Capabilities
    streams: bool
    says: bool
    processes: bool

    @property
    def has_several_workers(self) -> bool:
        return self.streams and self.capabilities.workers > 1


streaming = where(lambda facts: facts.streams, "executors that stream")
parallel = where(lambda facts: facts.has_several_workers, "executors with several workers")


class ExecutorChecks(Suite):
    """What is known of an executor; override :meth:`make`.

    Attributes
    ----------
    processes : bool, optional
        Whether cells run in other processes, of which a few are killed.  Default:
        the capability ``local_processes``.
    coroutines : bool, optional
        Whether the functions are coroutine functions.  Default: where it takes no
        others.
    """

    processes: bool | None = None
    coroutines: bool | None = None
    _changed: list[str]

    def __init_subclass__(cls) -> None:
        cls._changed = []
        super().__init_subclass__()

    def known(self, plugin: Any) -> Facts:
        """What the executor says of itself."""
        capabilities = Capabilities.of(plugin)
        return Facts(
            capabilities=capabilities,
            streams=Host(executor=plugin).implements("execute"),
            says=hasattr(plugin, "capabilities"),
            processes=capabilities.local_processes if self.processes is None else self.processes,
        )

    def within(self, function: Callable[..., T], *arguments: Any) -> T:
        """See :meth:`Suite.within`; what is global and changes meanwhile is noted."""
        # By the first that runs it: what is changed to the same again shows nothing.
        before = global_state(generators=False)
        try:
            return super().within(function, *arguments)
        finally:
            self._changed += changed(before, global_state(generators=False))

    def function(self, name: str) -> Callable[..., Any]:
        """A function of :mod:`crystallize.testing.trials`, of the kind that is tested."""
        found: Callable[..., Any] = getattr(trials, f"{name}_async" if self.is_async else name)
        return found

    @property
    def is_async(self) -> bool:
        """Whether it is given coroutine functions."""
        if self.coroutines is None:
            return bool(self.facts.capabilities.calls_are_async)
        return self.coroutines
