"""Timers on a loop of ours: what asyncio's own would do, whatever is asked for and cancelled."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from contextvars import Context, ContextVar
from heapq import heapify
from typing import Any
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.worker.event_loop import OwnLoop
from crystallize.worker.timers import CANCELLED_KEPT, Timer


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    with closing(OwnLoop()) as loop:
        yield loop


ACTS = st.lists(
    st.tuples(
        st.integers(0, 20),  # after so many half milliseconds, no two at one time
        st.sampled_from(["call", "call again", "cancel", "cancel another", "fail"]),
        st.integers(0, 20),  # which other
    ),
    max_size=20,
    unique_by=lambda act: act[0],
)


def called_by(loop: asyncio.AbstractEventLoop, acts: list[tuple[int, str, int]]) -> list[object]:
    """What timers of a loop did, in turn, on a clock of its own."""
    now = 0.0
    called: list[object] = []
    timers: list[Any] = []
    loop.time = lambda: now  # type: ignore[method-assign]
    loop.set_exception_handler(lambda _, context: called.append(str(context["exception"])))

    def call(number: int, what: str, other: int) -> None:
        called.append((number, what, now))
        if what == "call again":
            loop.call_later(number * 1e-6, called.append, (number, "again", now))
            loop.call_at(now + 0.0021 + number * 1e-6, called.append, (number, "later", now))
        elif what == "cancel another":
            timers[other % len(timers)].cancel()
        elif what == "fail":
            raise RuntimeError(f"{number} failed")

    async def main() -> None:
        nonlocal now
        for number, (after, what, other) in enumerate(acts):
            timers.append(loop.call_later(after / 2000, call, number, what, other))
            if what == "cancel":
                timers[-1].cancel()
        while now < 0.02:
            for _ in range(5):
                await asyncio.sleep(0)
            now += 0.0015  # three are due at once
        called.append([timer.cancelled() for timer in timers])
        called.append([timer.when() for timer in timers])

    loop.run_until_complete(main())
    return called


@settings(deadline=None, max_examples=200)
@given(ACTS)
def test_they_do_what_those_of_asyncio_do(acts: list[tuple[int, str, int]]) -> None:
    with closing(OwnLoop()) as own, closing(asyncio.new_event_loop()) as theirs:
        assert called_by(own.loop, acts) == called_by(theirs, acts)


def test_those_due_at_one_time_are_called_in_the_order_of_asking(own: OwnLoop) -> None:
    called: list[int] = []

    async def main() -> None:
        when = own.loop.time() + 0.01
        for number in range(500):
            own.loop.call_at(when, called.append, number)
        await asyncio.sleep(0.05)

    own.run(main())
    assert called == list(range(500))


def test_they_end_coroutines_that_wait_and_run_out_of_time(own: OwnLoop) -> None:
    async def wait(seconds: float) -> str:
        try:
            async with asyncio.timeout(0.03):
                return await asyncio.sleep(seconds, "slept")
        except TimeoutError:
            return "no time"

    async def main() -> list[str]:
        late = await asyncio.wait_for(asyncio.sleep(0.001, "in time"), 5)
        return [late, *await asyncio.gather(*(wait(seconds) for seconds in (5, 0.001, 7, 0.002)))]

    assert own.run(main()) == ["in time", "no time", "slept", "no time", "slept"]


@pytest.mark.parametrize("step", [1, -1])
def test_thousands_that_were_cancelled_are_not_kept_until_they_are_due(
    own: OwnLoop, step: int
) -> None:
    def kept() -> int:
        return sum(type(thing) is Timer for thing in gc.get_objects())

    async def main() -> None:
        soon = own.loop.time() + 3600
        lasting = [own.loop.call_at(soon + step * number, print) for number in range(300)]
        for number in range(5000):
            own.loop.call_at(soon + step * number, print).cancel()
        assert 300 <= kept() <= 2 * 300 + CANCELLED_KEPT
        last = asyncio.create_task(asyncio.sleep(0.05))
        await asyncio.sleep(0)
        while lasting:
            lasting.pop().cancel()
        assert kept() <= CANCELLED_KEPT + 2
        await last

    own.run(main())


def test_those_that_were_cancelled_are_seldom_looked_for(
    own: OwnLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look(heap: list[Any]) -> None:
        looks.append(len(heap))
        heapify(heap)

    monkeypatch.setattr("crystallize.worker.timers.heapify", look)

    async def main() -> None:
        lasting = [own.loop.call_later(3600, print) for _ in range(3000)]
        for _ in range(20):  # each cancels its timer when it has rung
            await asyncio.gather(*(asyncio.sleep(0.0001) for _ in range(100)))
        assert not looks
        for _ in range(20):
            late = [own.loop.call_later(0.0001, print) for _ in range(100)]
            for timer in late:
                timer.cancel()
            await asyncio.sleep(0.001)
        assert not looks
        for _ in range(5000):
            own.loop.call_later(3600, print).cancel()
        for timer in lasting:
            timer.cancel()

    own.run(main())
    assert 1 <= len(looks) < 20


def test_one_that_asks_for_the_next_at_once_leaves_others_their_turn(own: OwnLoop) -> None:
    calls = 0

    def again() -> None:
        nonlocal calls
        calls += 1
        own.loop.call_at(own.loop.time() - 1, again)

    async def main() -> bytes:
        own.loop.call_later(0, again)
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            own.loop.call_later(0.02, there.send, b"heard")
            return await asyncio.wait_for(own.loop.sock_recv(here, 10), 10)

    assert own.run(main()) == b"heard"
    assert calls > 5


def test_those_beside_one_that_ends_the_program_are_called_all_the_same(own: OwnLoop) -> None:
    called: list[str] = []

    def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        when = own.loop.time() + 0.01
        own.loop.call_at(when, called.append, "before")
        own.loop.call_at(when, leave)
        own.loop.call_at(when, called.append, "after")
        await asyncio.sleep(0.05)
        called.append("slept")

    own.run(main())
    assert called == ["before", "after", "slept"]


def test_a_failure_is_told_to_the_loop_s_handler_in_the_context_of_who_asked(
    own: OwnLoop,
) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    told: list[tuple[str, dict[str, Any]]] = []
    own.loop.set_exception_handler(lambda _, context: told.append((variable.get(), context)))

    def fails() -> None:
        raise ZeroDivisionError

    async def main() -> Any:
        variable.set("who asked first")
        own.loop.call_later(0.001, str)
        variable.set("who asked")
        timer = own.loop.call_later(0.002, fails)
        variable.set("later")
        await asyncio.sleep(0.01)
        return timer

    timer = own.run(main())
    ((who, context),) = told
    assert who == "who asked"
    assert isinstance(context["exception"], ZeroDivisionError)
    assert "fails" in context["message"]
    assert "fails" in repr(timer)
    assert context["handle"] is timer is ref(timer)()
    assert not timer.cancelled()


def test_what_has_no_place_in_an_order_does_others_no_harm(own: OwnLoop) -> None:
    called: list[str] = []

    async def main() -> None:
        with pytest.raises(TypeError):
            own.loop.call_at(None, called.append, "never")
        with pytest.raises(TypeError):
            own.loop.call_at("soon", called.append, "never")
        own.loop.call_at(float("nan"), called.append, "not a number")
        own.loop.call_at(float("-inf"), called.append, "long ago")
        late = own.loop.call_at(float("inf"), called.append, "never")
        await asyncio.sleep(0.01)
        late.cancel()
        called.append("slept")

    own.run(main())
    assert sorted(called[:2]) == ["long ago", "not a number"]
    assert called[2:] == ["slept"]


def test_they_run_in_the_context_of_who_asked_or_the_one_that_is_given(own: OwnLoop) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen = []

    async def main() -> None:
        variable.set("asked")
        own.loop.call_later(0.001, lambda: seen.append(variable.get()))
        own.loop.call_later(0.002, lambda: seen.append(variable.get()), context=Context())
        variable.set("later")
        await asyncio.sleep(0.01)

    own.run(main())
    assert seen == ["asked", "none"]


def test_a_closed_loop_refuses_them() -> None:
    own = OwnLoop()
    own.loop.call_later(0.5, print)
    own.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        own.loop.call_later(1, print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        own.loop.call_at(1, print)


def test_a_loop_in_debug_mode_says_which_one_is_slow(
    own: OwnLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        own.loop.call_later(0.001, slow)
        await asyncio.sleep(0.01)

    def slow() -> None:
        time.sleep(0.02)

    own.loop.set_debug(True)
    own.loop.slow_callback_duration = 0.01
    own.run(main())
    assert "slow" in caplog.text and "took 0.02" in caplog.text


def test_a_loop_with_timers_of_its_own_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Loop(asyncio.SelectorEventLoop):
        def call_at(self, when: float, *args: Any, **options: Any) -> Any:  # type: ignore[override]
            asked.append(when)
            return super().call_at(when, *args, **options)

    monkeypatch.setattr(asyncio, "new_event_loop", Loop)
    with closing(OwnLoop()) as own:
        own.run(asyncio.sleep(0.001))
    assert len(asked) == 1
