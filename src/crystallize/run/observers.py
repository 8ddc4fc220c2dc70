"""Calling a run's observers and aggregators, none of which can cost the results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.cells.plain import plain_data
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import PluginError, PluginWarning, described
from crystallize.plugins.host import HookFailure, Host
from crystallize.results.collation import collated
from crystallize.results.result import Result


class Hooks:
    """The hooks of one run.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins.
    """

    def __init__(self, experiment: ExperimentSpec, host: Host) -> None:
        self._experiment = experiment
        self._host = host
        self._errors: list[dict[str, str]] = []

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell every observer."""
        for _ in self._call_each(hook, **arguments):
            pass

    def aggregate(self, outcomes: Outcomes) -> Any:
        """Turn outcomes into a result, with the sections that plugins add.

        Raises
        ------
        PluginError
            If two plugins add a section of one name; the result is on it.
        """
        try:
            result = self._host.hook.aggregate_results(
                experiment=self._experiment, outcomes=outcomes
            )
        except (Exception, SystemExit) as error:
            self._report("aggregate_results", "an aggregator", error)
            result = collated(outcomes, self._experiment.baseline)
        if isinstance(result, Result):
            self._extend(result)
            result.provenance["plugin_errors"] = self._errors
        self.observe("after_run", result=result)
        return result

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
