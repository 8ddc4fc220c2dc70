"""What each worker opens once for its cells: resources, and what plugins add."""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from contextvars import Context
from types import MappingProxyType
from typing import Any

from crystallize.errors import ResourceError, described, listing
from crystallize.worker.event_loop import CellTask

Factory = Callable[[], Any]
Offered = Mapping[str, Any]

LEAVE_SECONDS = 1.0
"""How long leaving what an event loop has entered may take."""


class WorkerContexts:
    """Enters the resources of an experiment, once in each worker.

    A worker is a thread that runs cells, in whichever process, or the event loop that
    coroutines run on.  Each thread should leave what it has entered when it is done;
    what is then still open is left when this object is closed or freed, or when its
    process ends.

    Parameters
    ----------
    resources : mapping of str to callable
        Parameter -> what makes its value: a context manager, which is entered, or
        anything else, which is passed as it is.
    plugins : sequence of (str, callable)
        Plugin -> what makes a context manager that gives a mapping of such values.
    wanted : sequence of str
        The parameters that nobody else fills, so that one of `plugins` must.
    takes : sequence of str, optional
        Every parameter, by which what `plugins` offer is chosen; where not given, all
        of it is.
    """

    def __init__(
        self,
        resources: Mapping[str, Factory] = MappingProxyType({}),
        plugins: Sequence[tuple[str, Factory]] = (),
        wanted: Sequence[str] = (),
        takes: Sequence[str] | None = None,
    ) -> None:
        self._resources = dict(resources)
        self._plugins = list(plugins)
        self._wanted = list(wanted)
        self._takes = takes
        self._prepare()

    def _prepare(self) -> None:
        self._local = threading.local()
        self._open: list[ExitStack] = []
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopContexts] = (
            weakref.WeakKeyDictionary()
        )
        weakref.finalize(self, _close_all, self._open)

    def __bool__(self) -> bool:
        return bool(self._resources or self._plugins)

    def __getstate__(self) -> dict[str, Any]:
        return {key: vars(self)[key] for key in ("_resources", "_plugins", "_wanted", "_takes")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    def entered(self) -> Offered:
        """What this thread has entered; entered now, where it has not.

        Raises
        ------
        ResourceError
            If something cannot be made or entered, or two offer one name.
        """
        found: Offered | None = getattr(self._local, "offered", None)
        if found is None:
            stack = ExitStack()
            offers = self.offers()
            with stack:  # if one fails, the others are left
                for what, name, make in self.makers():
                    offers.add(what, name, _plainly(stack, what, make))
                found = offers.complete()
                self._local.stack = stack.pop_all()
            self._local.offered = found
            self._open.append(self._local.stack)
        return found

    def leave(self) -> None:
        """Leave what this thread has entered."""
        stack: ExitStack | None = getattr(self._local, "stack", None)
        if stack is not None and stack in self._open:
            self._open.remove(stack)
            del self._local.stack, self._local.offered
            stack.close()

    async def aentered(self) -> Offered:
        """What the running event loop has entered; entered now, where it has not."""
        loop = asyncio.get_running_loop()
        contexts = self._loops.get(loop)
        if contexts is None:
            contexts = self._loops[loop] = _LoopContexts(self)
        return await asyncio.shield(contexts.offered)

    async def aleave(self) -> None:
        """Leave what the running event loop has entered."""
        contexts = self._loops.pop(asyncio.get_running_loop(), None)
        if contexts is not None:
            await contexts.leave()

    def close(self) -> None:
        """Leave what threads that are gone have not left."""
        _close_all(self._open)

    def offers(self) -> Offers:
        """Where what one worker enters is gathered."""
        return Offers(self._wanted, self._takes)

    def makers(self) -> list[tuple[str, str | None, Factory]]:
        """What messages call it, the parameter that it fills if it is one, what makes it."""
        return [
            *((f"The resource {name!r}", name, make) for name, make in self._resources.items()),
            *((f"The plugin {plugin}", None, make) for plugin, make in self._plugins),
        ]


class _LoopContexts:
    """What one event loop has entered, in a task that also leaves it: some must be left there."""

    def __init__(self, contexts: WorkerContexts) -> None:
        self._contexts = contexts
        loop = asyncio.get_running_loop()
        self.offered: asyncio.Future[Offered] = loop.create_future()
        self._done = asyncio.Event()
        # No cell may cancel it, and it is in the context of none.
        self._task = CellTask(self._hold(), loop=loop, context=Context())

    async def leave(self) -> None:
        self._done.set()
        await asyncio.wait([self._task], timeout=LEAVE_SECONDS)
        if self._task.done() and not self._task.cancelled() and (e := self._task.exception()):
            raise e

    async def _hold(self) -> None:
        offers = self._contexts.offers()
        async with AsyncExitStack() as stack:
            try:
                for what, name, make in self._contexts.makers():
                    offers.add(what, name, await _awaited(stack, what, make))
                offered = offers.complete()
            except BaseException as error:
                self.offered.set_exception(error)
                self.offered.exception()  # looked at, also where nobody waits for it any more
                return
            self.offered.set_result(offered)
            await self._done.wait()


class Offers:
    """Values by the names under which the function gets them."""

    def __init__(self, wanted: Sequence[str], takes: Sequence[str] | None) -> None:
        self._values: dict[str, Any] = {}
        self._whose: dict[str, str] = {}
        self._wanted = wanted
        self._takes = takes

    def add(self, what: str, name: str | None, value: Any) -> None:
        if name is not None:
            self._values[name], self._whose[name] = value, what
            return
        if not isinstance(value, Mapping):
            raise ResourceError(
                f"{what} must give a mapping from its worker_context, to be offered to the "
                f"function by name; it gave {type(value).__name__}."
            )
        for offered, own in value.items():
            if offered in self._values:
                raise ResourceError(
                    f"{what} and {self._whose[offered]} both offer {offered!r} to the function. "
                    "Leave one of them out."
                )
            self._values[offered], self._whose[offered] = own, what

    def complete(self) -> Offered:
        missing = [name for name in self._wanted if name not in self._values]
        if missing:
            raise ResourceError(
                f"The function requires {listing(missing)}, which neither its conditions nor the "
                f"workers offer. What is offered: {listing(self._values)}."
            )
        return {
            name: value
            for name, value in self._values.items()
            if self._takes is None or name in self._takes
        }


def _plainly(stack: ExitStack, what: str, make: Factory) -> Any:
    try:
        made = make()
        if inspect.isawaitable(made) or (
            hasattr(type(made), "__aenter__") and not hasattr(type(made), "__enter__")
        ):
            if inspect.iscoroutine(made):
                made.close()
            raise TypeError("it is asynchronous, and only coroutine functions can use that")
        return stack.enter_context(made) if hasattr(type(made), "__enter__") else made
    except Exception as error:
        raise _failed(what, error) from error


async def _awaited(stack: AsyncExitStack, what: str, make: Factory) -> Any:
    try:
        made = make()
        if inspect.isawaitable(made) and not hasattr(type(made), "__aenter__"):
            made = await made
        if hasattr(type(made), "__aenter__"):
            return await stack.enter_async_context(made)
        return stack.enter_context(made) if hasattr(type(made), "__enter__") else made
    except Exception as error:
        raise _failed(what, error) from error


def _failed(what: str, error: Exception) -> ResourceError:
    return ResourceError(f"{what} could not be made ready in a worker: {described(error)}")


def _close_all(stacks: list[ExitStack]) -> None:
    error: BaseException | None = None
    while stacks:
        try:
            stacks.pop().close()
        except Exception as raised:
            error = error or raised
    if error is not None:
        raise error
