"""Calling a run's observers and aggregators, none of which can cost the results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.cells.plain import plain_data
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import PluginError, PluginWarning, described
from crystallize.plugins.host import HookFailure, Host
from crystallize.results.collation import collated
from crystallize.results.result import Result
from crystallize.run.signals import Interrupts
from crystallize.worker.interruption import Interruption


class Observers:
    """The observers and aggregators of one run.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins.
    interrupts : Interrupts
        A request to stop ends a plugin that is at work, and costs what it would have added.
    """

    def __init__(self, experiment: ExperimentSpec, host: Host, interrupts: Interrupts) -> None:
        self._experiment = experiment
        self._host = host
        self._interruptible = interrupts.interruptible
        self._errors: list[dict[str, str]] = []

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell every observer.

        Raises
        ------
        Interruption
            If the run is to stop meanwhile.
        """
        if self._host.implements(hook):
            with self._interruptible():
                for _ in self._call_each(hook, **arguments):
                    pass

    def aggregate(self, outcomes: Outcomes) -> Any:
        """Turn outcomes into a result, with the sections that plugins add.

        Raises
        ------
        PluginError
            If two plugins add a section of one name; the result is on it.
        """
        result = self._aggregated(outcomes)
        if isinstance(result, Result):
            with suppress(Interruption), self._interruptible():
                self._extend(result)
            result.provenance["plugin_errors"] = self._errors
        with suppress(Interruption):
            self.observe("after_run", result=result)
        return result

    def _aggregated(self, outcomes: Outcomes) -> Any:
        aggregate = self._host.hook.aggregate_results
        with suppress(Interruption):
            try:
                with self._interruptible():
                    return aggregate(experiment=self._experiment, outcomes=outcomes)
            except (Exception, SystemExit) as error:
                self._report("aggregate_results", "an aggregator", error)
        return collated(self._experiment, outcomes)

    def _extend(self, result: Result) -> None:
        owners: dict[str, str] = {}
        for plugin, sections in self._call_each("extend_result", result=result):
            for name, section in self._checked_sections(plugin, sections).items():
                if name in owners:
                    duplicate = PluginError(
                        f"Two plugins add a section {name!r} to the result: {owners[name]!r} and "
                        f"{plugin!r}. Leave one of them out; the result so far is on this "
                        "exception as .result."
                    )
                    duplicate.result = result
                    raise duplicate
                result.sections[name] = section
                owners[name] = plugin

    def _checked_sections(self, plugin: str, sections: Any) -> dict[str, Any]:
        try:
            checked = plain_data(dict(sections or {}), "sections")
            return {str(name): section for name, section in checked.items()}
        except (TypeError, ValueError, RecursionError) as error:
            self._report("extend_result", plugin, error)
            return {}

    def _call_each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for plugin, value in self._host.each(hook, experiment=self._experiment, **arguments):
            if isinstance(value, HookFailure):
                self._report(hook, plugin, value.exception)
            else:
                yield plugin, value

    def _report(self, hook: str, plugin: str, error: BaseException) -> None:
        """A plugin that fails costs what it would have added, never the results."""
        kind, _, message = described(error).partition(": ")
        self._errors.append({"plugin": plugin, "hook": hook, "type": kind, "message": message})
        warnings.warn(
            f"Plugin {plugin!r} failed in {hook} with {described(error)}. The results are kept.",
            PluginWarning,
            stacklevel=2,
        )
