"""The conformance suite of observers."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, zip_longest
from typing import Any

import pytest

from crystallize.errors import CrystallizeError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.guard import HookCall
from crystallize.plugins.host import Host
from crystallize.results.errors import Interrupted
from crystallize.testing.recorded import ENDS, ORDERS, KnownRun, Moment, Recording
from crystallize.testing.varied import failing
from crystallize.testing.watched import PluginChecks, plugin_failures


class StopsEarly:
    """Ends a run after its first page."""

    @hookimpl
    def should_stop(self, page: Any) -> str:
        return "enough"


class Interrupting:
    """Interrupts a program when something has landed, as Ctrl-C does."""

    @hookimpl(trylast=True)
    def outcomes_completed(self, outcomes: Any) -> None:
        signal.raise_signal(signal.SIGINT)


class ObserverSuite(PluginChecks):
    """What every observer must do; override :meth:`make`, and :meth:`seen` if you can.

    Examples
    --------
    Under pytest::

        class TestCounter(ObserverSuite):
            def make(self):
                return Counter()

            def seen(self, observer, run):
                return observer.cells[run.id]
    """

    def seen(self, observer: Any, run: Any) -> Any:
        """What an observer has come to about one run, while that goes on; to be compared."""
        return None

    @pytest.mark.parametrize("how", [*ENDS, "resumed", "with nothing left to run"])
    def test_it_raises_in_no_run_that_is(self, how: str) -> None:
        raised = self._raised_in(how, self.make())
        assert not raised, (
            f"in a run that is {how} it raises, so that the user is told:\n{raised[0]}\nA run may "
            "end without a result, after any number of outcomes; run_ended is always called."
        )

    @pytest.mark.parametrize("how", ORDERS)
    @pytest.mark.parametrize("end", ENDS)
    def test_hooks_may_come_in_any_documented_order(self, how: str, end: str) -> None:
        raised, _ = self._told([self._moments(how, end)])
        assert not raised, (
            f"told of outcomes and pages {how}, and then of a run that is {end}, it raises:\n"
            f"{raised[0]}\nbefore_run comes first and run_ended last, of each one; in between "
            "outcomes come in any order, pages in index order, and either may be missing."
        )

    def test_runs_at_once_are_kept_apart(self) -> None:
        raised, together = self._told([self._moments("as they come", "finished")] * 2)
        assert not raised, (
            f"told of two runs by turns, it raises:\n{raised[0]}\nKeep what belongs to a run by "
            "'run', which is another object in every run."
        )
        _, (alone,) = self._told([self._moments("as they come", "finished")])
        assert together == [alone, alone], (
            f"told of two runs by turns, it has seen {together}, and of one alone {alone}. Keep "
            "what belongs to a run by 'run', which is another object in every run."
        )

    def _raised_in(self, how: str, observer: Any) -> list[str]:
        """What it raises in a run of some kind."""
        options: dict[str, Any] = {}
        plugins: list[object] = [observer]
        if how == "stopped":
            plugins.append(StopsEarly())
        elif how == "failed":
            options = {
                "trial": failing(self.trial, lambda call: call > 20),
                "on_error": "raise",
            }
        elif how == "interrupted":
            plugins.append(Interrupting())
        elif how != "left" and how != "finished":
            store = options["store"] = self.folder / "store.sqlite"
            some = self.replicates // (2 if how == "resumed" else 1)
            self.experiment(store=store, replicates=some).run()
        experiment = self.experiment(*plugins, **options)
        with plugin_failures() as raised, _default_interrupt():
            if how == "left":
                with closing(experiment.stream()) as stream:
                    next(stream)
            else:
                with suppress(CrystallizeError, Interrupted):
                    experiment.run()
        return raised

    def _moments(self, order: str, end: str) -> Sequence[Moment]:
        return self.evidence("a run", self._recorded).moments(order, end)

    def _recorded(self) -> Recording:
        recording = Recording()
        self.experiment(
            recording,
            trial=failing(self.trial, lambda call: call % 9 == 4),
            replicates=max(100, self.replicates),
        ).run()
        return recording

    def _told(self, runs: list[Sequence[Moment]]) -> tuple[list[str], list[Any]]:
        """Tell a new observer of runs by turns; what it raised, and what it has seen of each."""
        observer = self.make()
        host: Host = self.known(observer)
        spec = self.evidence("a run", self._recorded).spec
        known = [KnownRun(number) for number in range(len(runs))]
        raised: list[str] = []
        seen: list[Any] = [None] * len(runs)
        turns = [[(number, moment) for moment in moments] for number, moments in enumerate(runs)]
        for number, (hook, arguments) in filter(None, chain(*zip_longest(*turns))):
            if hook == "run_ended":
                seen[number] = self.seen(observer, known[number])
            call = HookCall()
            host.ask(call, hook, experiment=spec, run=known[number], **arguments)
            raised += [f"{hook}: {error!r}" for _, error in call.failures]
        return raised, seen


@contextmanager
def _default_interrupt() -> Iterator[None]:
    """Have Ctrl-C do what it does in a program that a user has started."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
