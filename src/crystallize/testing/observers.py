"""The conformance suite of observers."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import pytest

from crystallize.errors import CrystallizeError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.guard import HookCall
from crystallize.plugins.host import Host
from crystallize.results.errors import Interrupted
from crystallize.results.result import Result
from crystallize.testing.comparison import same_result
from crystallize.testing.surroundings import changed, global_state
from crystallize.testing.varied import failing
from crystallize.testing.watched import PluginChecks, plugin_failures

Moment = tuple[str, dict[str, Any]]
"""A hook and its arguments, beside the experiment and the run."""
ENDS = ("finished", "stopped", "failed", "interrupted", "left")


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

    @hookimpl
    def after_run(self, result: Any) -> None:
        self.result = result


class KnownRun:
    """What a plugin knows a run by, where there is none."""

    def __init__(self, number: int) -> None:
        self.id = f"run-{number}"

    def register_control(self, cancel: Any, elapsed: Any) -> None:
        """Nothing is done with it."""


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

    @pytest.mark.parametrize("how", ["as they come", "pages first", "pages last", "one end only"])
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

    def test_no_result_is_kept(self) -> None:
        observer = self.make()
        recording = Recording()
        with plugin_failures():
            result = self.experiment(observer, recording).run()
        kept = [weakref.ref(thing) for thing in (result, *recording.pages, *recording.batches)]
        del recording, result
        gc.collect()
        assert not any(ref() for ref in kept), (
            "it keeps a result, pages or outcomes alive after their run, with all of their arrays. "
            "Keep what it made of them."
        )
        del observer

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        bare, result = self.result(), self.result(self.make())
        problem = ""
        try:
            same_result(bare, result)
        except AssertionError as error:
            problem = str(error)
        assert not problem and bare.sections == result.sections, (
            f"with it the metrics, errors or sections of a result are other ones. {problem}"
        )

    def test_what_is_global_is_as_it_was(self) -> None:
        observer = self.make()
        self.result()
        before = global_state(generators=True)
        self.result(observer)
        changes = changed(before, global_state(generators=True))
        assert not changes, (
            f"it changes {' and '.join(changes)}. Leave what is global alone: cells that run in "
            "this process see it."
        )

    def test_nothing_is_printed_on_standard_output(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.result(self.make())
        printed = capsys.readouterr().out
        assert not printed, (
            f"it prints on standard output, which is the user's ('--json' writes there alone): "
            f"{printed:.200}. Print on standard error, or log."
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

    def _moments(self, how: str, end: str) -> list[Moment]:
        """What a run tells its observers, in some order."""
        told = self.evidence("a run", self._recorded)
        batches = [("outcomes_completed", {"outcomes": batch}) for batch in told.batches]
        pages = [
            (hook, {"page": page})
            for page in told.pages
            for hook in ("page_completed", "should_stop")
        ]
        between = {
            "as they come": [m for pair in zip_longest(batches, pages) for m in pair if m],
            "pages first": [*pages, *batches],
            "pages last": [*batches, *pages],
            "one end only": [],
        }[how]
        result: Result | None = told.result
        error: BaseException | None = None
        if end == "left":
            result = None
        elif end == "failed":
            error = CrystallizeError("the engine is broken")
        elif end == "interrupted":
            assert result is not None
            error = Interrupted(result, signal.SIGINT)
        begin: list[Moment] = [("before_run", {})]
        after: list[Moment] = [] if result is None else [("after_run", {"result": result})]
        last = ("run_ended", {"status": end, "result": result, "error": error})
        return [*begin, *between, *after, last]

    def _recorded(self) -> Recording:
        recording = Recording()
        self.experiment(
            recording,
            trial=failing(self.trial, lambda call: call % 9 == 4),
            replicates=max(100, self.replicates),
        ).run()
        return recording

    def _told(self, runs: list[list[Moment]]) -> tuple[list[str], list[Any]]:
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
