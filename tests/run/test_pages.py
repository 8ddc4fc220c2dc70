"""Pages: complete, in index order, the same under every strategy and after every resume."""

import hashlib
import sys

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize import Experiment, PluginWarning, hookimpl
from crystallize.cells.page import page_stop
from crystallize.store.stored import StoredExperiment

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test


def trial(rng, replicate, shift):
    if replicate % 17 == 3 and shift:
        raise ValueError(f"replicate {replicate}")
    draw = rng.normal() + shift
    metrics = {"x": draw, "n": replicate if replicate < 100 else replicate + 0.5}
    return metrics | ({"late": "text"} if replicate > 60 else {})


async def atrial(rng, replicate, shift):
    return trial(rng, replicate, shift)


CONDITIONS = {"control": {"shift": 0}, "treated": {"shift": 1}}


class Pages:
    """Keeps what is in each page as text, the kinds of its arrays included."""

    def __init__(self, until=None):
        self.seen = []
        self.until = until

    @hookimpl
    def page_completed(self, page):
        digest = hashlib.sha256()
        for condition, metrics in page.metrics().items():
            for name, values in metrics.items():
                digest.update(f"{condition} {name} {values.dtype} {values.tolist()}".encode())
        errors = [(error.condition, error.replicate) for error in page.errors]
        self.seen.append((page.start, page.stop, len(page), errors, digest.hexdigest()))

    @hookimpl
    def should_stop(self, page):
        if self.until is not None and page.stop >= self.until:
            return f"{self.until} are enough"
        return None


def run(pages, *, replicates=300, function=trial, **options):
    return Experiment(
        function, CONDITIONS, replicates=replicates, seed=4, plugins=[pages], **options
    ).run()


@given(st.integers(1, 10**7), st.integers(1, 30))
def test_bounds_depend_on_the_index_alone(replicates, pages):
    start = 0
    for _ in range(pages):
        stop = page_stop(start, replicates)
        if start < replicates:
            assert stop == page_stop(start, 10**12) or stop == replicates
            assert start < stop <= replicates
        start = stop


def test_pages_are_complete_and_in_index_order():
    pages = Pages()
    run(pages)
    bounds = [(start, stop) for start, stop, *_ in pages.seen]
    assert bounds[0] == (0, 16)
    assert bounds[-1][1] == 300
    assert [start for start, _ in bounds[1:]] == [stop for _, stop in bounds[:-1]]
    assert all(cells == 2 * (stop - start) for start, stop, cells, *_ in pages.seen)
    assert sum(len(errors) for *_, errors, _ in pages.seen) == 18


STRATEGIES = [
    ("parallel", trial, {"max_workers": 4}),
    ("parallel", trial, {"max_workers": 2, "executor_type": "process"}),
    ("async", atrial, {}),
]


@pytest.mark.parametrize(("execution", "function", "options"), STRATEGIES)
@pytest.mark.parametrize("until", [None, 100])
def test_pages_are_the_same_under_every_strategy(execution, function, options, until):
    serial, other = Pages(until), Pages(until)
    expected = run(serial)
    result = run(other, function=function, execution=execution, execution_options=options)
    assert other.seen == serial.seen
    assert result.replicates == expected.replicates
    for condition, metrics in expected.metrics.items():
        for name, values in metrics.items():
            assert repr(result.metrics[condition][name].tolist()) == repr(values.tolist())
    assert [(e.condition, e.replicate) for e in result.errors] == [
        (e.condition, e.replicate) for e in expected.errors
    ]


@pytest.mark.parametrize("before", [1, 50, 299, 300])
def test_pages_are_the_same_after_a_resume(tmp_path, before):
    store = tmp_path / "cells.db"
    whole, resumed = Pages(), Pages()
    run(whole)
    run(Pages(), replicates=before, store=store)
    run(resumed, store=store)
    assert resumed.seen == whole.seen


def test_a_plugin_ends_the_run_after_a_page_and_what_was_beyond_is_kept(tmp_path):
    store = tmp_path / "cells.db"
    pages = Pages(until=100)
    result = run(
        pages,
        replicates=10_000,
        store=store,
        execution="parallel",
        execution_options={"max_workers": 2},
    )
    stop = pages.seen[-1][1]
    assert 100 <= stop < 150
    assert result.replicates == stop
    assert len(result.metrics["control"]["x"]) == stop
    assert all(error.replicate < stop for error in result.errors)
    assert result.provenance["stopped"] == {
        "reason": "100 are enough",
        "plugin": "Pages",
        "replicates": stop,
    }
    kept = sum(row["done"] + row["failed"] for row in StoredExperiment(store).counts())
    assert kept >= 2 * stop
    again = run(Pages(until=100), replicates=10_000, store=store)
    assert again.replicates == stop
    assert again.provenance["store"]["found"] == kept
    assert sum(row["done"] + row["failed"] for row in StoredExperiment(store).counts()) == kept


def test_a_stopped_run_ends_as_such():
    class Ended:
        status = None

        @hookimpl
        def run_ended(self, status, result):
            self.status = status, result.replicates

    ended = Ended()
    result = Experiment(
        lambda replicate: replicate, replicates=500, plugins=[Pages(until=16), ended]
    ).run()
    assert ended.status == ("stopped", result.replicates) == ("stopped", 16)


def test_a_run_that_no_plugin_stops_says_so():
    assert run(Pages()).provenance["stopped"] is None


class Stops:
    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def should_stop(self, page):
        return self.answer


@pytest.mark.parametrize("answer", [False, True, 0, "", " ", ["enough"], b"enough"])
def test_what_is_no_text_is_no_reason_and_keeps_nobody_from_stopping(answer):
    with pytest.warns(
        PluginWarning, match=r"'Stops' failed in should_stop with PluginError: it ga"
    ):
        result = Experiment(
            lambda replicate: 1.0,
            replicates=100,
            plugins=[Stops(answer), Pages(until=34)],
        ).run()
    assert result.provenance["stopped"] == {
        "reason": "34 are enough",
        "plugin": "Pages",
        "replicates": result.replicates,
    }
    assert result.replicates < 100
    failures = result.provenance["plugin_errors"]
    assert {(failure["plugin"], failure["hook"]) for failure in failures} == {
        ("Stops", "should_stop")
    }
    assert f"it gave {answer!r}" in failures[0]["message"]


def test_a_run_goes_on_where_nobody_has_a_reason():
    with pytest.warns(PluginWarning, match="reason as text, or None"):
        result = Experiment(lambda replicate: 1.0, replicates=50, plugins=[Stops(True)]).run()
    assert result.replicates == 50
    assert result.provenance.get("stopped") is None


def test_a_wrapper_that_gives_no_text_is_as_if_it_were_not_there():
    class Negates:
        @hookimpl(wrapper=True)
        def should_stop(self, page):
            return (yield) is None

    with pytest.warns(PluginWarning, match="'Negates' failed in should_stop"):
        result = Experiment(
            lambda replicate: 1.0, replicates=100, plugins=[Negates(), Pages(until=34)]
        ).run()
    assert result.provenance["stopped"]["reason"] == "34 are enough"


def test_a_wrapper_of_the_older_kind_is_told_too():
    class Forces:
        @hookimpl(hookwrapper=True)
        def should_stop(self, page):
            outcome = yield
            outcome.force_result(False)

    with pytest.warns(PluginWarning, match="'a wrapper' failed in should_stop"):
        result = Experiment(lambda replicate: 1.0, replicates=20, plugins=[Forces()]).run()
    assert result.replicates == 20
