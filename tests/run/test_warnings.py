"""What cells warn of is data: the same under every strategy, after a resume, and read back."""

import asyncio
import json
import signal
import sys
import warnings
from typing import Any

import cloudpickle
import numpy as np
import pytest
from click.testing import CliRunner

from crystallize import Experiment, Interrupted, Result, hookimpl
from crystallize.cells.warned import WarningRecord
from crystallize.cli import main
from crystallize.store.merging import merge
from crystallize.store.stored import StoredExperiment

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONDITIONS: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
PROCESS = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}
STRATEGIES: dict[str, dict[str, Any]] = {
    "serial": {},
    "thread": {"execution": "parallel", "execution_options": {"max_workers": 2}},
    "process": PROCESS,
    "serial coroutines": {"is_async": True},
    "async": {"is_async": True, "execution": "async"},
}


def warn(text, category=UserWarning):
    warnings.warn(text, category, stacklevel=2)


class Careful(UserWarning):
    pass


def trial(replicate, condition):
    if replicate % 3 == 1:
        for _ in range(2):
            warn("every third", Careful)
    if condition == "b" and replicate in (5, 6, 30):
        warn(f"replicate {replicate}", RuntimeWarning)
    np.float64(1) / np.float64(replicate % 10)
    if replicate == 7:
        raise ValueError("seven")
    return float(replicate)


async def awaited(replicate, condition):
    await asyncio.sleep(0)
    value = trial(replicate, condition)
    await asyncio.sleep(0)
    return value


DIVISION = "divide by zero encountered in scalar divide"
EXPECTED = [
    WarningRecord("a", 0, "RuntimeWarning", DIVISION, 4),
    WarningRecord("b", 0, "RuntimeWarning", DIVISION, 4),
    WarningRecord("a", 1, "Careful", "every third", 26),
    WarningRecord("b", 1, "Careful", "every third", 26),
    WarningRecord("b", 5, "RuntimeWarning", "replicate 5", 1),
    WarningRecord("b", 6, "RuntimeWarning", "replicate 6", 1),
    WarningRecord("b", 30, "RuntimeWarning", "replicate 30", 1),
]


def experiment(name="serial", function=None, **options):
    chosen = dict(STRATEGIES[name])
    chosen_function = awaited if chosen.pop("is_async", False) else trial
    arguments = {"replicates": 40, "seed": 1, **chosen, **options}
    return Experiment(function or chosen_function, CONDITIONS, **arguments)


@pytest.fixture(autouse=True)
def shown():
    """What the driver shows; nothing of it is an error here."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        yield shown


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_warnings_are_the_same_under_every_strategy(name):
    assert experiment(name).run().warnings == EXPECTED


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_warning_is_shown_once_in_the_driver(name, shown):
    experiment(name).run()

    found = [(w.category.__name__, str(w.message), w.filename) for w in shown]
    assert sorted(found) == sorted({(r.category, r.message, __file__) for r in EXPECTED})
    assert {type(w.message) for w in shown} == {Careful, RuntimeWarning}
    assert Careful in {w.category for w in shown}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_resume_has_the_warnings_of_what_was_in_the_store(name, tmp_path):
    store = tmp_path / "s.db"
    experiment("process", replicates=23, store=store).run()

    resumed = experiment(name, store=store, accept_changes=True).run()

    assert resumed.warnings == EXPECTED
    assert Result.from_store(store).warnings == EXPECTED
    fewer = experiment(replicates=6, store=store, accept_changes=True).run()
    assert [w.replicate for w in fewer.warnings] == [0, 0, 1, 1, 5]
    assert [w.count for w in fewer.warnings] == [1, 1, 4, 4, 1]


def test_cells_that_are_run_again_count_once(tmp_path):
    store = tmp_path / "s.db"
    first = experiment(store=store).run()
    again = experiment(store=store, retry_failed=True).run()
    tried = experiment("process", retries=2).run()

    assert first.warnings == again.warnings == tried.warnings == EXPECTED
    assert {error.attempts for error in tried.errors} == {3}


def test_merged_stores_have_the_warnings_of_both(tmp_path):
    stores = [tmp_path / "a.db", tmp_path / "b.db"]
    for name, store in zip("ab", stores, strict=True):
        options = {"replicates": 40, "seed": 1, "baseline": name, "store": store}
        Experiment(trial, {name: {}}, **options).run()
    merge([StoredExperiment(store) for store in stores], tmp_path / "both.db")

    found = Result.from_store(tmp_path / "both.db").warnings
    assert sorted(found, key=repr) == sorted(EXPECTED, key=repr)


def test_a_run_that_is_stopped_has_those_of_its_pages():
    class Stops:
        @hookimpl
        def should_stop(self, page):
            return "enough"

    result = experiment("process", plugins=[Stops()]).run()

    assert result.replicates == 16
    assert result.warnings == experiment(replicates=16).run().warnings


def test_they_are_saved_and_shown(tmp_path):
    store = tmp_path / "s.db"
    result = experiment(store=store).run()
    result.save(tmp_path / "r.zip")

    assert Result.load(tmp_path / "r.zip").warnings == EXPECTED
    as_data = result.to_dict()
    assert json.loads(json.dumps(as_data))["warnings"][0] == {
        "condition": "a", "replicate": 0, "category": "RuntimeWarning", "message": DIVISION,
        "count": 4,
    }  # fmt: skip
    assert [row["warnings"] for row in result.summary()] == [30, 33]
    lines = repr(result).splitlines()
    assert "warnings" in lines[0].split()
    assert lines[-1] == "63 warnings; see .warnings"
    assert "<th>warnings</th>" in result._repr_html_()
    plain = CliRunner().invoke(main, ["show", str(store)]).output
    assert lines[0] in plain
    shown = json.loads(CliRunner().invoke(main, ["show", str(store), "--json"]).output)
    assert shown["warnings"] == as_data["warnings"]


def test_a_result_without_warnings_does_not_speak_of_them():
    result = Experiment(lambda: 1.0, replicates=3, name="quiet").run()

    assert (result.warnings, result.summary()[0]["warnings"]) == ([], 0)
    assert "warning" not in repr(result)
    assert "warning" not in result._repr_html_()


@pytest.mark.parametrize("name", ["serial", "process", "async"])
def test_ignored_warnings_stay_ignored_and_errors_errors(name):
    warnings.simplefilter("ignore", RuntimeWarning)
    warnings.simplefilter("error", Careful)

    result = experiment(name).run()

    assert result.warnings == []
    assert [e.type for e in result.errors][:2] == ["Careful", "Careful"]
    assert [e.replicate for e in result.errors if e.condition == "a"] == [
        1,
        4,
        7,
        *range(10, 40, 3),
    ]


@pytest.mark.parametrize("name", ["serial", "process"])
def test_what_a_cell_catches_is_its_own(name):
    def catches(replicate):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                warn("mine")
        warn("everyone's")
        return float(len(caught))

    result = Experiment(catches, replicates=20, **STRATEGIES[name]).run()

    assert result.metrics["baseline"]["value"].tolist() == [3.0] * 20
    assert result.warnings == [WarningRecord("baseline", 0, "UserWarning", "everyone's", 20)]


def test_a_nested_experiment_has_its_own_and_shows_them_to_the_cell_around_it():
    def inner(replicate):
        warn("inner")
        return 1.0

    def outer(replicate):
        found = Experiment(inner, replicates=5).run().warnings
        return float(found[0].count)

    result = Experiment(outer, replicates=4).run()

    assert result.metrics["baseline"]["value"].tolist() == [5.0] * 4
    assert result.warnings == [WarningRecord("baseline", 0, "UserWarning", "inner", 4)]


def test_tasks_that_a_cell_starts_warn_for_it():
    async def child(replicate, thread):
        await thread
        await asyncio.sleep(0.001 * (replicate % 3))
        warn(f"of {replicate % 2}")

    async def parent(replicate):
        thread = asyncio.create_task(asyncio.to_thread(warn, "in a thread"))
        await asyncio.gather(child(replicate, thread), thread)
        return 1.0

    result = Experiment(parent, replicates=10, execution="async").run()

    assert result.warnings == [
        WarningRecord("baseline", 0, "UserWarning", "in a thread", 10),
        WarningRecord("baseline", 0, "UserWarning", "of 0", 5),
        WarningRecord("baseline", 1, "UserWarning", "of 1", 5),
    ]


def test_so_many_texts_that_differ_in_one_place_are_one_record():
    def chatty(replicate):
        warn(f"loss {replicate / 7}")
        return 1.0

    few, many = (Experiment(chatty, replicates=n).run().warnings for n in (1000, 1001))

    assert len(few) == 1000
    assert many == [WarningRecord("baseline", 0, "UserWarning", "loss 0.0", 1001)]


@pytest.mark.parametrize("name", ["serial", "process"])
def test_filters_are_as_they_were_after_the_run(name):
    before, shows = list(warnings.filters), warnings.showwarning

    experiment(name).run()

    assert (list(warnings.filters), warnings.showwarning) == (before, shows)


def test_a_cell_that_is_struck_has_no_warnings():
    def struck(replicate):
        warn("here")
        if replicate == 3:
            signal.raise_signal(signal.SIGINT)
        return 1.0

    with pytest.raises(Interrupted) as caught:
        Experiment(struck, replicates=10).run()

    assert caught.value.result.warnings == [WarningRecord("baseline", 0, "UserWarning", "here", 3)]
