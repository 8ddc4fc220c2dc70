"""Aggregators and observers each of which breaks one rule."""

import os
import random
from collections import defaultdict

from broken import found_by, kept, waiting_thread

from crystallize import Result, hookimpl
from crystallize.testing import AggregatorSuite, ObserverSuite


class Totals:
    """An aggregator that breaks nothing: the sum of one metric, condition by condition."""

    @hookimpl
    def extend_result(self, result):
        return {"totals": {name: self.total(metrics) for name, metrics in result.metrics.items()}}

    def total(self, metrics):
        values = metrics["count"].tolist() if "count" in metrics else []
        return sum(value for value in values if isinstance(value, float | int) and value == value)


# -- aggregators


@found_by("test_it_adds_sections_of_plain_data", AggregatorSuite)
class AddsNothing:
    @hookimpl
    def extend_result(self, result):
        return {}


@found_by("test_it_copes_with[a metric that is text]", AggregatorSuite)
class AddsUpText(Totals):
    def total(self, metrics):
        return [float(sum(values)) for values in metrics.values() if values.ndim == 1]


class WithoutSections(Result):
    def to_json(self, path):
        sections, self.sections = self.sections, {}
        try:
            return super().to_json(path)
        finally:
            self.sections = sections


@found_by("test_sections_survive_json_and_files", AggregatorSuite)
class MakesAResultThatForgets(Totals):
    @hookimpl
    def aggregate_results(self, experiment, outcomes):
        return WithoutSections.of_outcomes(outcomes, experiment.baseline)


@found_by("test_sections_are_the_same_whichever_way_it_ran[in threads]", AggregatorSuite)
class SaysHowItRan(Totals):
    @hookimpl
    def extend_result(self, result):
        return {"how": str(result.provenance["execution"])}


@found_by("test_it_changes_nothing_that_it_is_given", AggregatorSuite)
class SortsInPlace(Totals):
    def total(self, metrics):
        if "x" in metrics and metrics["x"].dtype == float:
            metrics["x"].sort()
        return super().total(metrics)


@found_by("test_nothing_is_carried_from_one_result_to_the_next", AggregatorSuite)
class LooksAtTheFewestThatItHasSeen(Totals):
    def __init__(self):
        self.fewest = 10**9

    def total(self, metrics):
        self.fewest = min(self.fewest, *map(len, metrics.values()), 10**9)
        return super().total({name: values[: self.fewest] for name, values in metrics.items()})


@found_by("test_two_experiments_aggregate_at_once", AggregatorSuite)
class AddsUpOnItself:
    """What it has of a run begins anew with each, and is the only one that it has."""

    @hookimpl
    def before_run(self):
        self.sum = 0.0

    @hookimpl
    def page_completed(self, page):
        for metrics in page.metrics().values():
            if "x" in metrics and metrics["x"].dtype == float:
                self.sum += float(metrics["x"].sum())

    @hookimpl
    def extend_result(self):
        return {"sum": self.sum if self.sum == self.sum else None}


@found_by("test_no_result_is_kept", AggregatorSuite)
class KeepsResults(Totals):
    def __init__(self):
        self.results = []

    @hookimpl
    def extend_result(self, result):
        self.results.append(result)
        return super().extend_result(result)


@found_by("test_a_run_leaves_nothing_behind", AggregatorSuite)
class LeavesAFileOpenEachTime(Totals):
    @hookimpl
    def extend_result(self, result):
        kept.append(open(os.devnull))  # noqa: SIM115, PTH123
        return super().extend_result(result)


@found_by("test_what_is_global_is_as_it_was", AggregatorSuite)
class DrawsFromTheGlobalGenerator(Totals):
    def total(self, metrics):
        random.random()
        return super().total(metrics)


@found_by("test_nothing_is_printed_on_standard_output", AggregatorSuite)
class PrintsItsSection(Totals):
    @hookimpl
    def extend_result(self, result):
        print(sections := super().extend_result(result))
        return sections


# -- observers


class Watches:
    """An observer that breaks nothing: how many cells of each run it has seen."""

    def __init__(self):
        self.cells = defaultdict(int)

    @hookimpl
    def outcomes_completed(self, run, outcomes):
        self.cells[run] += len(outcomes)

    @hookimpl
    def run_ended(self, run):
        self.cells.pop(run, None)


class SeeingSuite(ObserverSuite):
    def seen(self, observer, run):
        return observer.cells[run]


@found_by("test_it_raises_in_no_run_that_is[stopped]", SeeingSuite)
class WantsEveryReplicate(Watches):
    @hookimpl
    def after_run(self, experiment, result):
        assert result.replicates == experiment.replicates


@found_by("test_hooks_may_come_in_any_documented_order[finished-pages first]", SeeingSuite)
class WantsOutcomesBeforePages(Watches):
    @hookimpl
    def page_completed(self, run):
        assert self.cells[run]


@found_by("test_runs_at_once_are_kept_apart", SeeingSuite)
class CountsAllRunsTogether:
    def __init__(self):
        self.count = 0

    @property
    def cells(self):
        return defaultdict(lambda: self.count)

    @hookimpl
    def outcomes_completed(self, outcomes):
        self.count += len(outcomes)


@found_by("test_it_changes_nothing_that_it_is_given", SeeingSuite)
class SortsWhatItSees(Watches):
    @hookimpl
    def after_run(self, result):
        for metrics in result.metrics.values():
            if "x" in metrics and metrics["x"].dtype == float:
                metrics["x"].sort()


@found_by("test_no_result_is_kept", SeeingSuite)
class KeepsPages(Watches):
    def __init__(self):
        super().__init__()
        self.pages = []

    @hookimpl
    def page_completed(self, page):
        self.pages.append(page)


@found_by("test_a_run_leaves_nothing_behind", SeeingSuite)
class LeavesAThreadEachTime(Watches):
    @hookimpl
    def before_run(self):
        waiting_thread()


@found_by("test_what_is_global_is_as_it_was", SeeingSuite)
class NamesTheRunInTheEnvironment(Watches):
    @hookimpl
    def before_run(self, run):
        os.environ["RUN"] = run.id


@found_by("test_nothing_is_printed_on_standard_output", SeeingSuite)
class PrintsProgress(Watches):
    @hookimpl
    def page_completed(self, page):
        print(page.stop)
