"""What depends on more than seed and replicate is found and named; what does not is the same."""

from __future__ import annotations

import colorsys
import importlib
import itertools
import json
import os
import random
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from crystallize import (
    Experiment,
    InvalidValueError,
    InvalidValuesError,
    PluginError,
    Result,
    ResultFileError,
    SharedStateWarning,
    StoreError,
    UnknownNameError,
    hookimpl,
)
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution

cloudpickle.register_pickle_by_value(sys.modules[__name__])

STRANGERS = {"dask", "ray"} & {entry.name for entry in entry_points(group="crystallize.executors")}
"""What else may be installed here, and starts what it needs by itself."""

QUICK = ["serial", "parallel"]
"""Installed with the core."""
WORDS = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}
COUNTER = iter(range(10**9))
GENERATOR = np.random.default_rng()


def normal(rng, shift=0.0):
    return {"x": rng.normal() + shift, "label": "a", "draws": rng.random(2)}


def of_a_set(rng):
    return {"x": rng.random(), "first": next(iter(WORDS))}


def of_a_counter(rng):
    return {"x": rng.random(), "count": next(COUNTER)}


def of_global_random(rng):
    return {"x": random.random()}


def of_an_unseeded_generator(rng):
    return {"x": np.random.default_rng().random()}


def of_the_clock(rng):
    return time.perf_counter_ns()


def failing(rng, replicate):
    if replicate % 2:
        raise ValueError(f"odd {object()}")
    return rng.random()


async def coroutine(rng):
    return rng.random()


# --- the same -------------------------------------------------------------------------------


def test_a_function_of_its_seed_is_the_same_everywhere() -> None:
    conditions = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
    experiment = Experiment(normal, conditions, replicates=50, seed=1)

    certificate = experiment.verify(QUICK)

    assert certificate.same
    assert certificate.difference is None
    assert (certificate.cells, certificate.replicates, certificate.of) == (20, 10, 50)
    assert (certificate.seed, certificate.failed) == (1, 0)
    assert len({row.digest for row in certificate.rows}) == 1
    tried = [(row.strategy, dict(row.options), row.workers) for row in certificate.rows]
    assert tried == [
        ("serial", {}, 1),
        ("serial", {}, 1),
        ("parallel", {"max_workers": 1}, 1),
        ("parallel", {"max_workers": 3}, 3),
        ("parallel", {"executor_type": "process", "max_workers": 1}, 1),
        ("parallel", {"executor_type": "process", "max_workers": 3}, 3),
        ("(fresh process)", {}, 1),
        ("(fresh process)", {}, 1),
    ]
    assert [row.hash_seed for row in certificate.rows[-2:]] == ["1", "2"]
    assert all(row.same and row.seconds for row in certificate.rows)
    assert {row.distribution for row in certificate.rows[:6]} == {"crystallize-core"}


@pytest.mark.faults  # slow: it starts every engine that is installed
def test_all_that_is_installed_is_tried_or_listed_with_the_reason() -> None:
    certificate = Experiment(normal, seed=1).verify(replicates=2)

    tried = {row.strategy for row in certificate.rows}
    left_out = {other.strategy: other.why for other in certificate.not_tried}
    assert certificate.same
    assert {"serial", "parallel", *STRANGERS, "(fresh process)"} == tried
    assert left_out.keys() == {"async", "futures"}
    assert left_out["async"] == "it takes coroutine functions only"
    assert "needs the option 'factory'" in left_out["futures"]
    assert "not tried: async (crystallize-core" in str(certificate)


def test_coroutines_are_tried_with_what_takes_them() -> None:
    certificate = Experiment(coroutine, seed=1, execution="async").verify(replicates=3)

    assert certificate.same
    options = [dict(t.options) for t in certificate.rows if t.strategy == "async"]
    assert options == [{}, {}, {"max_concurrency": 1}, {"max_concurrency": 3}]
    left_out = {other.strategy for other in certificate.not_tried}
    assert left_out == {"parallel", "futures", *STRANGERS}


def test_the_experiments_own_options_are_kept_and_its_workers_varied() -> None:
    own = {"executor_type": "thread", "max_workers": 2}
    experiment = Experiment(normal, seed=1, execution="parallel", execution_options=own)

    certificate = experiment.verify(["serial", "parallel"], replicates=2)
    of_its_own = Experiment(normal, seed=1, execution="parallel", execution_options=own).verify(
        replicates=2, strategies=["parallel"]
    )

    assert certificate.same
    assert [dict(t.options) for t in of_its_own.rows[:-2]] == [
        own | {"max_workers": 1},
        own | {"max_workers": 1},
        own | {"max_workers": 3},
    ]


def test_executors_that_are_objects_can_be_verified() -> None:
    experiment = Experiment(normal, seed=1, execution=ParallelExecution(2))

    certificate = experiment.verify([SerialExecution(), ParallelExecution(2, "process")])

    assert certificate.same
    assert [row.strategy for row in certificate.rows[:3]] == [
        "SerialExecution",
        "SerialExecution",
        "ParallelExecution",
    ]
    assert certificate.rows[0].distribution is None


def test_failed_cells_are_compared_by_what_they_raised_without_addresses() -> None:
    certificate = Experiment(failing, replicates=10, seed=1, on_error="raise").verify(QUICK)

    assert certificate.same
    assert certificate.failed == 5
    assert "5 of 10 cells failed" in str(certificate)


def test_a_timeout_and_a_limit_of_failures_keep_no_strategy_from_being_tried() -> None:
    process = {"executor_type": "process"}
    experiment = Experiment(
        failing, replicates=10, seed=1, timeout=60, max_failures=0,
        execution="parallel", execution_options=process,
    )  # fmt: skip

    certificate = experiment.verify(["serial", "parallel"])

    assert certificate.same
    assert certificate.not_tried == ()


def test_nothing_is_kept_and_no_observer_is_told(tmp_path: Path) -> None:
    class Observer:
        def __init__(self) -> None:
            self.told = 0

        @hookimpl
        def before_run(self) -> None:
            self.told += 1

        @hookimpl
        def after_run(self) -> None:
            self.told += 1

    observer, store = Observer(), tmp_path / "s.db"
    experiment = Experiment(normal, seed=1, plugins=[observer], store=store)

    assert experiment.verify(QUICK).same
    assert observer.told == 0
    assert not store.exists()


@contextmanager
def opened():
    yield 2.0


class GivesScale:
    @hookimpl
    def worker_context(self):
        return given_scale


@contextmanager
def given_scale():
    yield {"scale": 3.0}


def scaled(rng, factor, scale):
    return rng.random() * factor * scale


def test_what_workers_are_given_is_there_everywhere() -> None:
    experiment = Experiment(
        scaled, seed=1, replicates=3, resources={"factor": opened}, plugins=[GivesScale()]
    )

    certificate = experiment.verify(QUICK)

    assert certificate.same
    assert certificate.failed == 0
    assert certificate.not_tried == ()


def test_retried_cells_are_the_same() -> None:
    counts = itertools.count()

    def flaky(rng):
        if next(counts) % 2:
            raise OSError("busy")
        return rng.random()

    assert Experiment(flaky, replicates=4, seed=1, retries=3).verify(["serial"]).failed == 0


# --- not the same ---------------------------------------------------------------------------

FAULTS: list[tuple[Callable[..., Any], str | None, str]] = [
    (of_a_set, "first", "PYTHONHASHSEED"),
    (of_a_counter, "count", "a cell changes what another one reads"),
    (of_global_random, "x", "draws from the global generator of random"),
    (of_an_unseeded_generator, "x", "a generator that is not seeded"),
    (of_the_clock, "value", "reads the clock"),
]


@pytest.mark.parametrize(("function", "metric", "why"), FAULTS)
def test_what_depends_on_something_else_is_found_with_both_values_and_why(
    function: Callable[..., Any], metric: str | None, why: str
) -> None:
    certificate = Experiment(function, replicates=20, seed=1).verify(["serial"])

    difference = certificate.difference
    assert not certificate.same
    assert difference is not None
    assert (difference.condition, difference.replicate) == ("baseline", 0)
    assert difference.metric == metric
    assert difference.cells == 10
    assert difference.values[0] != difference.values[1]
    assert why in str(difference.why)
    assert "NOT THE SAME byte for byte: condition 'baseline', replicate 0" in str(certificate)
    assert certificate.rows[0].same
    assert not all(row.same for row in certificate.rows)


def of_a_library(rng):
    return rng.random() + getattr(colorsys, "SETTING", 0)


def test_state_of_the_program_that_a_new_process_does_not_have_is_found(monkeypatch) -> None:
    monkeypatch.setattr(colorsys, "SETTING", 1, raising=False)

    certificate = Experiment(of_a_library, seed=1).verify(["serial"])

    assert "in another process it reaches other values" in str(certificate.difference)


def test_workers_that_would_compute_other_numbers_are_no_success(monkeypatch, tmp_path) -> None:
    (tmp_path / "verified_helper.py").write_text("ORDER = 5\ndef trial(rng):\n    return ORDER\n")
    monkeypatch.syspath_prepend(tmp_path)
    helper = importlib.import_module("verified_helper")
    monkeypatch.setattr(helper, "ORDER", 2)

    certificate = Experiment(helper.trial, seed=1).verify(QUICK)

    assert not certificate.same
    assert certificate.difference is None
    refused = {other.strategy.partition(" ")[0] for other in certificate.not_tried if other.differs}
    assert refused == {"parallel", "(fresh"}
    assert "`ORDER` is 2 in your program and 5 in a worker process" in str(certificate)
    assert "NOT THE SAME: there are workers" in str(certificate)
    assert certificate.to_dict()["same"] is False


def test_what_may_differ_is_warned_of_where_it_did_not() -> None:
    def cached(rng, cache={}):  # noqa: B006
        return cache.setdefault("x", 1.0)

    with pytest.warns(SharedStateWarning, match="change .*cache") as told:
        assert Experiment(cached, replicates=4, seed=1).verify(["serial"]).same
    assert len(told) == 1


def test_only_some_cells_may_differ() -> None:
    seen: list[int] = []

    def once(rng, replicate):
        seen.append(replicate)
        return {"x": rng.random() + (replicate == 7 and len(seen) > 10)}

    certificate = Experiment(once, {"a": {}, "b": {}}, replicates=10, seed=1).verify(["serial"])

    assert certificate.difference is not None
    place = (certificate.difference.condition, certificate.difference.replicate)
    assert place == ("a", 7)
    assert certificate.difference.ways == ("serial", "serial again")


def test_a_cell_that_fails_somewhere_is_a_difference() -> None:
    seen: list[int] = []

    def second_time(rng, replicate):
        seen.append(replicate)
        if replicate == 1 and len(seen) > 5:
            raise ValueError("again")
        return rng.random()

    certificate = Experiment(second_time, replicates=5, seed=1).verify(["serial"])

    assert certificate.difference is not None
    assert certificate.difference.metric is None
    assert certificate.difference.values == ("finished", "failed: ValueError: again")


def test_a_tolerance_forgives_small_differences() -> None:
    calls = itertools.count()

    def noisy(rng):
        return 100.0 + next(calls) * 1e-9

    experiment = Experiment(noisy, replicates=5, seed=1)

    assert not experiment.verify(["serial"]).same
    assert experiment.verify(["serial"], tolerance=1e-6).same
    assert "the same within 1e-06" in str(experiment.verify(["serial"], tolerance=1e-6))


# --- what cannot be had ---------------------------------------------------------------------


ENGINES = """
from crystallize.plugins import Execution, hookimpl

class Needing(Execution):
    def __init__(self, address: str) -> None:
        super().__init__()

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        yield None

class Broken(Execution):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        raise OSError("no engine here")
        yield None
"""


def test_strategies_that_cannot_be_had_are_listed_with_why(distribution) -> None:
    names = {"needy": "Needing", "lost": "Nowhere", "broken": "Broken"}
    points = {name: f"needy_engines:{attribute}" for name, attribute in names.items()}
    distribution("needy-engines", {"crystallize.executors": points}, ENGINES)

    certificate = Experiment(normal, seed=1).verify(["serial", "needy", "lost", "broken"])

    why = {other.strategy: other.why for other in certificate.not_tried}
    assert certificate.same
    assert "needs the option 'address'" in why["needy"]
    assert "could not be loaded" in why["lost"]
    assert "no engine here" in why["broken"]
    assert {other.distribution for other in certificate.not_tried} == {"needy-engines"}


def test_a_strategy_that_is_blocked_is_listed() -> None:
    blocked = {*STRANGERS, "parallel"}
    certificate = Experiment(normal, seed=1, block=sorted(blocked)).verify(replicates=1)

    assert {o.strategy for o in certificate.not_tried if "blocked" in o.why} == blocked


def test_an_unknown_strategy_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'serial'"):
        Experiment(normal, seed=1).verify(["serail"])


def test_if_none_of_those_that_are_asked_for_can_be_had_that_is_an_error() -> None:
    with pytest.raises(PluginError, match="async: it takes coroutine functions only"):
        Experiment(normal, seed=1).verify(["async"])
    with pytest.raises(PluginError, match="none of them"):
        Experiment(normal, seed=1).verify([AsyncExecution()])


def test_what_cannot_reach_another_process_is_not_tried_there() -> None:
    lock = threading.Lock()

    def locked(rng):
        with lock:
            return rng.random()

    certificate = Experiment(locked, seed=1).verify(["serial"])

    assert certificate.same
    one, _ = certificate.not_tried
    assert "cannot be sent to another process" in one.why
    assert one.strategy == "(fresh process) with PYTHONHASHSEED=1"


def test_a_program_that_a_fresh_process_ends_is_named() -> None:
    here = os.getpid()

    def ends(rng):
        if os.getpid() != here:
            os._exit(7)
        return rng.random()

    certificate = Experiment(ends, seed=1).verify(["serial"])

    assert {other.why for other in certificate.not_tried} == {"the process ended with exit code 7"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"replicates": 0}, "replicates: expected a whole number, 1 or more"),
        ({"tolerance": -1}, "tolerance: expected a number, 0 or more"),
        ({"tolerance": float("nan")}, "tolerance: expected a number, 0 or more"),
        ({"strategies": "serial"}, "strategies: expected a list"),
        ({"against": 3}, "against: expected a path"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidValueError, match=problem):
        Experiment(normal, seed=1).verify(**arguments)


# --- the certificate ------------------------------------------------------------------------


def test_a_certificate_is_data_that_nobody_changes() -> None:
    certificate = Experiment(normal, seed=1).verify(["serial"], replicates=1)

    content = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert content["same"] is True
    assert [row["digest"] for row in content["rows"]] == [row.digest for row in certificate.rows]
    assert set(content["rows"][0]) == {
        "strategy", "options", "distribution", "version", "workers", "hash_seed", "digest",
        "seconds", "same",
    }  # fmt: skip
    assert set(content["versions"]) == {"python", "numpy", "crystallize-core"}
    with pytest.raises(FrozenInstanceError):
        certificate.seed = 3  # type: ignore[misc]


def test_a_certificate_of_a_difference_is_data_too() -> None:
    def arrays(rng):
        return {"x": np.full(2, float(next(COUNTER))), "y": float("nan")}

    content = Experiment(arrays, seed=1).verify(["serial"]).to_dict()

    json.dumps(content, allow_nan=False)
    assert content["same"] is False
    assert content["difference"]["metric"] == "x"
    assert all(len(value) == 2 for value in content["difference"]["values"])


def test_warnings_of_the_function_reach_the_caller() -> None:
    def warning(rng):
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
        return rng.random()

    with pytest.warns(RuntimeWarning, match="careful"):
        Experiment(warning, seed=1).verify([SerialExecution()])


# --- against a study ------------------------------------------------------------------------


def study(function: Callable[..., Any] = normal, **arguments: Any) -> Experiment:
    conditions = {"a": {"shift": 0.0}, "b": {"shift": 1.0}} if function is normal else None
    return Experiment(function, conditions, **{"replicates": 30, "seed": 3} | arguments)


@pytest.mark.parametrize("kind", ["result", "store"])
def test_a_study_that_is_run_again_is_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "result":
        study().run().save(path)
    else:
        study(store=path).run()

    whole = study().verify(against=path, replicates=None)
    sample = study().verify(against=path)
    longer = study(replicates=3).verify(against=path, replicates=None)
    in_processes = study().verify(["parallel"], against=path, replicates=5)

    assert (whole.same, whole.cells, whole.replicates) == (True, 60, 30)
    assert (sample.same, sample.cells, sample.of) == (True, 20, 30)
    assert (longer.cells, longer.of) == (60, 30)
    assert len(whole.rows) == 2
    assert whole.rows[0].digest == whole.rows[1].digest
    assert str(path) in str(whole)
    assert in_processes.same
    assert len(in_processes.rows) == 5


def test_another_function_is_found_out_and_said_to_be_another(tmp_path: Path) -> None:
    study().run().save(tmp_path / "r.zip")
    study(store=tmp_path / "s.db").run()

    def other(rng, shift):
        return {
            "x": rng.normal() + shift + (shift == 1) * 1e-12,
            "label": "a",
            "draws": rng.random(2),
        }

    changed = Experiment(other, {"a": {"shift": 0.0}, "b": {"shift": 1.0}}, replicates=30, seed=3)
    for path in (tmp_path / "r.zip", tmp_path / "s.db"):
        difference = changed.verify(against=path).difference
        assert difference is not None
        assert (difference.condition, difference.metric) == ("b", "x")
        assert changed.verify(against=path, tolerance=1e-9).same
        why = str(difference.why)
        assert ("the function's source is another" in why) if path.suffix == ".zip" else why


def test_another_helper_of_a_store_is_named(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "verified_study.py").write_text(
        "def helper(x):\n    return x\ndef trial(rng):\n    return helper(rng.random())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("verified_study")
    Experiment(module.trial, replicates=5, seed=3, store=tmp_path / "s.db").run()
    monkeypatch.setattr(module, "helper", lambda x: x + 1)

    certificate = Experiment(module.trial, replicates=5, seed=3).verify(against=tmp_path / "s.db")

    assert "helper" in str(certificate.difference)


def test_another_parameter_is_named(tmp_path: Path) -> None:
    study().run().save(tmp_path / "r.zip")
    changed = Experiment(normal, {"a": {"shift": 0.0}, "b": {"shift": 2.0}}, replicates=30, seed=3)

    certificate = changed.verify(against=tmp_path / "r.zip")

    assert "condition 'b', 'shift': 1.0 there, 2.0 here" in str(certificate.difference)


def test_cells_that_a_store_lacks_are_not_compared(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    stream = study(store=store).stream()
    next(stream)
    stream.close()
    Experiment(normal, {"a": {"shift": 0.0}}, replicates=7, seed=3, store=tmp_path / "t.db").run()
    longer = Result.from_store(store)
    there = sum(int(done.sum()) for done in longer.done.values())

    certificate = study().verify(against=store, replicates=None)

    assert certificate.same
    assert certificate.cells == there
    assert there > 0


def test_failed_cells_of_a_study_are_compared(tmp_path: Path) -> None:
    study(failing).run().save(tmp_path / "r.zip")

    certificate = study(failing).verify(against=tmp_path / "r.zip", replicates=None)

    assert certificate.same
    assert (certificate.cells, certificate.failed) == (30, 15)


def test_a_study_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    study().run().save(path)

    with pytest.raises(InvalidValueError, match=r"seed: expected what .*r\.zip has, 3, got 4"):
        study(seed=4).verify(against=path)
    with pytest.raises(InvalidValueError, match=r"seed_rule: expected what .* has, 'numpy', got"):
        study(seed_rule="crystallize-ml").verify(against=path)
    with pytest.raises(
        InvalidValuesError, match=r"'c' is not among the conditions(.|\n)*has 'a', 'b' too"
    ):
        Experiment(normal, {"c": {}}, seed=3).verify(against=path)


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(ResultFileError, match="not a saved result"):
        study().verify(against=tmp_path / "z.zip")
    for name in ("text", "missing.db"):
        with pytest.raises(StoreError, match=name):
            study().verify(against=tmp_path / name)
