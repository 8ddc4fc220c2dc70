"""Calling a run's observers and aggregators, none of which can cost the results."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from crystallize.cells.outcomes import Outcomes
from crystallize.cells.page import Page
from crystallize.cells.plain import plain_data
from crystallize.contracts import ActiveRun, RunStatus
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import PluginError, PluginWarning, described
from crystallize.plugins.guard import HookCall, check_reason
from crystallize.plugins.host import Host
from crystallize.results.result import Result
from crystallize.run.signals import Interrupts
from crystallize.worker.interruption import Interruption

RAISE = "CRYSTALLIZE_PLUGIN_ERRORS"
"""The environment variable by which a plugin's author sees what it raises."""


class Observers:
    """The observers and aggregators of one run.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins.
    run : ActiveRun
        What they know it by.
    interrupts : Interrupts
        A request to stop ends a plugin that is at work, and costs what it would have added.
    """

    def __init__(
        self, experiment: ExperimentSpec, host: Host, run: ActiveRun, interrupts: Interrupts
    ) -> None:
        self._arguments = {"experiment": experiment, "run": run}
        self._experiment = experiment
        self._host = host
        self._interruptible = interrupts.interruptible
        self._errors: list[dict[str, str]] = [dict(left) for left in host.left_out]
        self._has_begun = False

    def begin(self) -> None:
        """Tell every observer that the run begins.

        Raises
        ------
        Interruption
            If the run is to stop meanwhile.
        """
        self._has_begun = True
        self.observe("before_run")

    def end(self, status: RunStatus, result: Any, error: BaseException | None) -> None:
        """Tell every observer how the run ended, if they were told that it began."""
        if self._has_begun:
            self._has_begun = False
            with suppress(Interruption):
                self.observe("run_ended", status=status, result=result, error=error)

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell every observer.

        Raises
        ------
        Interruption
            If the run is to stop meanwhile.
        """
        if self._host.implements(hook):
            with self._interruptible():
                self._ask(HookCall(), hook, **arguments)

    def reason_to_stop(self, page: Page) -> dict[str, Any] | None:
        """Show a page to those who look at pages; who wants the run to end after it, and why.

        Raises
        ------
        Interruption
            If the run is to stop meanwhile.
        """
        self.observe("page_completed", page=page)
        if not self._host.implements("should_stop"):
            return None
        call = HookCall()
        with self._interruptible():
            reason = self._ask(call, "should_stop", page=page)
        try:
            check_reason(reason)
        except PluginError as error:  # of a wrapper of pluggy's older kind
            self._report("should_stop", "a wrapper", error)
            return None
        if reason is None:
            return None
        plugin = next((name for name, answer in call.answers if answer is reason), "a wrapper")
        return {"reason": str(reason), "plugin": plugin, "replicates": page.stop}

    def aggregate(self, outcomes: Outcomes, sections: Mapping[str, Any] | None = None) -> Any:
        """Turn outcomes into a result, with the run's own sections and those that plugins add.

        Raises
        ------
        PluginError
            If two plugins add a section of one name; the result is on it.
        """
        result = self._aggregated(outcomes)
        if isinstance(result, Result):
            result.sections |= sections or {}
            self._extend(result)
            result.provenance["plugin_errors"] = self._errors
        with suppress(Interruption):
            self.observe("after_run", result=result)
        return result

    def _aggregated(self, outcomes: Outcomes) -> Any:
        with suppress(Interruption), self._interruptible():
            result = self._ask(HookCall(), "aggregate_results", outcomes=outcomes)
            if result is not None:
                return result
        experiment = self._experiment
        return Result.of_outcomes(
            outcomes, experiment.baseline, experiment.factors, experiment.summary
        )

    def _extend(self, result: Result) -> None:
        call = HookCall()
        try:
            with self._interruptible():
                given = self._ask(call, "extend_result", result=result)
        except Interruption:  # it costs what the plugin that was at work would have added
            given = [sections for _, sections in call.answers]
        owners = dict.fromkeys(result.sections, "the run itself")
        for sections in given:
            plugin = next((name for name, own in call.answers if own is sections), "a wrapper")
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

    def _ask(self, call: HookCall, hook: str, **arguments: Any) -> Any:
        try:
            return self._host.ask(call, hook, **self._arguments, **arguments)
        finally:
            for plugin, error in call.failures:
                self._report(hook, plugin, error)

    def _report(self, hook: str, plugin: str, error: BaseException) -> None:
        """A plugin that fails costs what it would have added, never the results."""
        kind, _, message = described(error).partition(": ")
        trace = "".join(traceback.format_exception(error))
        self._errors.append(
            {"plugin": plugin, "hook": hook, "type": kind, "message": message, "traceback": trace}
        )
        if os.environ.get(RAISE) == "raise":
            raise error
        warnings.warn(
            f"Plugin {self._host.origin(plugin)!r} failed in {hook} with {described(error)}. The "
            f"results are kept; {RAISE}=raise shows where.",
            PluginWarning,
            stacklevel=2,
        )
