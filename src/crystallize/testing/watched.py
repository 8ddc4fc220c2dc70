"""Running an experiment with a plugin whose failures are looked at."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import pytest

from crystallize.errors import PluginWarning
from crystallize.experiments.experiment import Experiment
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.testing import trials
from crystallize.testing.suite import Suite
from crystallize.testing.varied import Trial


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
    """What is run with an aggregator or an observer; override :meth:`make`.

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
        self, *plugins: object, trial: Trial | None = None, **options: Any
    ) -> Experiment:
        """An experiment with some plugins of the kind that is tested."""
        arguments: dict[str, Any] = {
            "conditions": self.conditions,
            "replicates": self.replicates,
            "seed": 20,
            self.kind: list(plugins),
        }
        return Experiment(trial or self.trial, **{**arguments, **options})

    def result(self, *plugins: object, **options: Any) -> Result:
        """What such an experiment comes to, whatever the plugins raise."""
        with plugin_failures():
            return self.experiment(*plugins, **options).run()
