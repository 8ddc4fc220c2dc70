"""Running an experiment with a plugin whose failures are looked at."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import pytest

from crystallize.errors import PluginWarning
from crystallize.experiments.experiment import Experiment
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.testing import trials
from crystallize.testing.comparison import same_result
from crystallize.testing.recorded import Recording
from crystallize.testing.suite import Suite
from crystallize.testing.surroundings import KINDS, changed, global_state, left, things
from crystallize.testing.varied import Trial
from crystallize.testing.watching import until

ENDS_WITHIN_SECONDS = 1.0
"""After a run."""


def printed_by(function: Callable[[], object]) -> str:
    """What a function prints on standard output."""
    with redirect_stdout(StringIO()) as out:
        function()
    return out.getvalue()


@contextmanager
def plugin_failures() -> Iterator[list[str]]:
    """What plugins raise in this block, as the user is told of it."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [str(w.message) for w in caught if issubclass(w.category, PluginWarning)]


class PluginChecks(Suite):
    """What aggregators and observers must do alike; override :meth:`make`.

    Attributes
    ----------
    trial : callable
        The function, of another test module's if need be: what the plugin looks for
        must be among its metrics.
    conditions : mapping
    replicates : int
    """

    kind = "plugins"
    trial: Callable[..., Any] = staticmethod(trials.scored)
    conditions: Mapping[str, Mapping[str, Any]] = trials.CONDITIONS
    replicates = 60

    @pytest.fixture(autouse=True)
    def _no_raising(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CRYSTALLIZE_PLUGIN_ERRORS", raising=False)

    def known(self, plugin: Any) -> Host:
        """Which hooks it implements."""
        given: Any = {self.kind: [plugin]}
        return Host(executor="serial", **given)

    def experiment(
        self,
        *plugins: object,
        trial: Trial | None = None,
        beside: Sequence[object] = (),
        **options: Any,
    ) -> Experiment:
        """An experiment with some plugins of the kind that is tested, and observers beside them."""
        arguments: dict[str, Any] = {
            "conditions": self.conditions,
            "replicates": self.replicates,
            "seed": 20,
            self.kind: list(plugins),
        }
        options = {**arguments, **options}
        options["plugins"] = [*options.get("plugins", ()), *beside]
        return Experiment(trial or self.trial, **options)

    def result(self, *plugins: object, **options: Any) -> Result:
        """What such an experiment comes to, whatever the plugins raise."""
        with plugin_failures():
            return self.experiment(*plugins, **options).run()

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        bare, result = self.result(), self.result(self.make())
        problem = ""
        try:
            same_result(bare, result)
        except AssertionError as error:
            problem = f"{error}"
        if not problem and any((bare.done[name] != result.done[name]).any() for name in bare.done):
            problem = "the cells that are done differ"
        if not problem and bare.baseline != result.baseline:
            problem = f"the baselines differ: {bare.baseline!r} and {result.baseline!r}"
        adds = self.facts.implements("extend_result") or self.facts.implements("aggregate_results")
        if not problem and result.sections and not adds:
            problem = f"it has the sections {list(result.sections)}, which extend_result would add"
        assert not problem, (
            f"with it a result is another one than without: {problem}. Copy an array before you "
            "sort or fill it."
        )

    def test_no_result_is_kept(self) -> None:
        plugin, recording = self.make(), Recording()
        with plugin_failures():
            result = self.experiment(plugin, beside=[recording]).run()
        kept = [weakref.ref(thing) for thing in (result, *recording.pages, *recording.batches)]
        del recording, result
        gc.collect()
        assert not any(ref() for ref in kept), (
            "it keeps a result, pages or outcomes alive after their run, with all of their arrays. "
            "Keep what it made of them."
        )
        del plugin

    def test_a_run_leaves_nothing_behind(self) -> None:
        plugin = self.make()
        self.result(plugin)
        gc.collect()
        before = things()
        for _ in range(2):
            self.result(plugin)
        until(lambda: not left(before, KINDS), ENDS_WITHIN_SECONDS)
        remaining = left(before, KINDS)
        assert not remaining, (
            f"after each run there is more of this than before: {', '.join(remaining)}. End and "
            "close in run_ended, which is always called, what before_run has begun."
        )
        del plugin

    def test_what_is_global_is_as_it_was(self) -> None:
        plugin = self.make()
        self.result()
        before = global_state(generators=True)
        self.result(plugin)
        changes = changed(before, global_state(generators=True))
        assert not changes, (
            f"it changes {' and '.join(changes)}. Leave what is global alone, since cells that run "
            "in this process see it, and draw from a generator of its own."
        )

    def test_nothing_is_printed_on_standard_output(self) -> None:
        printed = printed_by(lambda: self.result(self.make()))
        assert not printed, (
            f"it prints on standard output, which is the user's ('--json' writes there alone): "
            f"{printed:.200}. Print on standard error, or log."
        )
