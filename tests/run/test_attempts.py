"""What attempts came to and what they recorded, and how long cells took, are data."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import cloudpickle
import numpy as np
import pytest
from click.testing import CliRunner

from crystallize import Experiment, Interrupted, InvalidValueError, Result, ValuesNotKeptError
from crystallize.cli import main

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONDITIONS = {"easy": {"hard": False}, "hard": {"hard": True}}
EVERYWHERE = [
    ("serial", {}),
    ("parallel", {"max_workers": 2}),
    ("parallel", {"max_workers": 2, "executor_type": "process"}),
]


def ask(ctx: Any, replicate: int, hard: bool) -> float:
    """Records before it fails, for good or the first time only, or without failing."""
    if replicate % 2:
        ctx.record(tokens=replicate, model="small")
    if hard and replicate == 3:
        raise ConnectionError("no answer")
    if hard and replicate == 4:
        raise ValueError("nothing was recorded")
    return float(replicate)


async def ask_later(ctx: Any, replicate: int, hard: bool) -> float:
    await asyncio.sleep(0)
    return ask(ctx, replicate, hard)


def known(result: Result) -> list[tuple[Any, ...]]:
    """The attempts, but for how long they took."""
    return [
        (a.condition, a.replicate, a.attempt, a.type, a.message, a.recorded)
        for a in result.attempts
    ]


def small(tokens: int) -> dict[str, Any]:
    return {"tokens": tokens, "model": "small"}


EXPECTED = [
    ("easy", 1, 1, None, None, small(1)),
    ("hard", 1, 1, None, None, small(1)),
    ("easy", 3, 1, None, None, small(3)),
    ("hard", 3, 1, "ConnectionError", "no answer", small(3)),
    ("hard", 3, 2, "ConnectionError", "no answer", small(3)),
    ("hard", 4, 1, "ValueError", "nothing was recorded", {}),
    ("hard", 4, 2, "ValueError", "nothing was recorded", {}),
]


@pytest.mark.parametrize(("execution", "options"), EVERYWHERE, ids=["serial", "threads", "workers"])
def test_what_attempts_recorded_survives_their_failure(execution, options):
    result = Experiment(
        ask, CONDITIONS, replicates=5, seed=1, retries=1,
        execution=execution, execution_options=options,
    ).run()  # fmt: skip
    assert known(result) == EXPECTED
    assert all(attempt.seconds >= 0 for attempt in result.attempts)
    assert not np.isnan(np.concatenate(list(result.durations.values()))).any()


@pytest.mark.parametrize("execution", ["async", "serial"])
def test_coroutines_record_too(execution):
    result = Experiment(
        ask_later, CONDITIONS, replicates=5, seed=1, retries=1, execution=execution
    ).run()
    assert known(result) == EXPECTED
    assert not np.isnan(np.concatenate(list(result.durations.values()))).any()


def test_a_cell_records_from_its_threads_and_of_one_name_the_last_value_counts():
    def trial(ctx):
        ctx.record(tokens=1, done=False)
        threads = [threading.Thread(target=ctx.record, kwargs={"tokens": 2}) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ctx.record(done=np.bool_(True), loss=np.float32(0.5), steps=np.int64(7))
        return 0

    (attempt,) = Experiment(trial, seed=1).run().attempts
    recorded = {"tokens": 2, "done": True, "loss": 0.5, "steps": 7}
    assert attempt.recorded == recorded
    assert list(map(type, attempt.recorded.values())) == [int, bool, float, int]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"x": [1, 2]}, "ctx.record(x=…): expected a number, a flag or a text"),
        ({"x": None}, "expected a number, a flag or a text"),
        ({"x": np.zeros(2)}, "expected a number, a flag or a text"),
        ({"x": "a" * 1001}, "of at most 1000 characters"),
        ({"x": 2**63}, "of at most 63 bits"),
        ({"": 1}, "expected names of 1 to 100 printable characters"),
        ({f"x{i}": i for i in range(101)}, "at most 100 values"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_table_holds_is_refused_where_it_is_recorded(values, said):
    def trial(ctx):
        ctx.record(kept=1)
        try:
            ctx.record(**values)
        except InvalidValueError as error:
            return {"said": str(error)}

    result = Experiment(trial, seed=1).run()
    assert said in result.metrics["baseline"]["said"][0]
    assert result.attempts[0].recorded == {"kept": 1}


def test_a_cell_that_takes_too_long_has_recorded():
    async def late(ctx, replicate):
        ctx.record(tokens=replicate)
        await asyncio.sleep(30 * replicate)
        return 0

    result = Experiment(late, replicates=2, seed=1, timeout=0.2, execution="async").run()
    assert [(a.type, a.recorded) for a in result.attempts] == [
        (None, {"tokens": 0}),
        ("TimedOut", {"tokens": 1}),
    ]
    assert result.attempts[1].seconds >= 0.2
    assert result.durations["baseline"][1] >= 0.2


@pytest.mark.faults
def test_a_worker_that_dies_takes_what_was_recorded_with_it():
    def dies(ctx, replicate):
        ctx.record(tokens=replicate)
        if replicate == 1:
            os._exit(1)
        return 0

    result = Experiment(
        dies, replicates=3, seed=1, retries=1,
        execution="parallel", execution_options={"max_workers": 2, "executor_type": "process"},
    ).run()  # fmt: skip
    assert [(a.replicate, a.attempt, a.type, a.recorded) for a in result.attempts] == [
        (0, 1, None, {"tokens": 0}),
        (1, 1, "WorkerLost", {}),
        (1, 2, "WorkerLost", {}),
        (2, 1, None, {"tokens": 2}),
    ]
    assert np.isnan(result.attempts[1].seconds)
    assert np.isnan(result.durations["baseline"]).tolist() == [False, True, False]


@pytest.mark.parametrize("keep", ["values", "summary"])
def test_a_store_has_them_and_a_resume_counts_on(tmp_path, keep):
    store = tmp_path / "cells.db"
    first = Experiment(ask, CONDITIONS, replicates=5, seed=1, store=store, keep=keep).run()
    wanted = [row for row in EXPECTED if row[2] == 1]
    assert known(first) == wanted
    assert known(Result.from_store(store, keep=keep)) == wanted
    again = Experiment(
        ask, CONDITIONS, replicates=5, seed=1, store=store, keep=keep, retry_failed=True
    ).run()
    assert known(again) == EXPECTED
    stored = Result.from_store(store, keep=keep)
    assert known(stored) == EXPECTED
    assert stored.duration_summary() == again.duration_summary()
    assert [row["n"] for row in stored.duration_summary()] == [5, 5]
    if keep == "values":
        for condition, seconds in again.durations.items():
            assert stored.durations[condition].tobytes() == seconds.tobytes()


@pytest.mark.faults
def test_attempts_are_kept_before_anyone_knows_what_becomes_of_their_cell(tmp_path):
    def trial(ctx, replicate):
        ctx.record(tokens=1)
        if len(tries := [*tmp_path.glob("try*")]) < 2:
            (tmp_path / f"try{len(tries)}").touch()
            raise ConnectionError
        if len(tries) == 2:
            (tmp_path / "try2").touch()
            signal.raise_signal(signal.SIGINT)
        return 0

    experiment = Experiment(trial, seed=1, retries=5, store=tmp_path / "cells.db")
    with pytest.raises(Interrupted):
        experiment.run()
    result = experiment.run()
    assert [(a.attempt, a.type) for a in result.attempts] == [
        (1, "ConnectionError"),
        (2, "ConnectionError"),
        (3, None),
    ]


def test_what_is_compared_knows_nothing_of_them():
    def trial(ctx, replicate):
        ctx.record(at=time.time())
        return {"x": replicate}

    one, two = (Experiment(trial, replicates=3, seed=1).run() for _ in range(2))
    assert one.text() == two.text()
    parts = [result.to_dict() for result in (one, two)]
    provenances = [part.pop("provenance") for part in parts]
    assert parts[0] == parts[1]
    for provenance in provenances:
        assert provenance["durations"][0]["n"] == 3
        assert [attempt["replicate"] for attempt in provenance["attempts"]] == [0, 1, 2]


def test_files_have_them(tmp_path):
    result = Experiment(
        ask, {**CONDITIONS, "nothing": {"hard": False}}, replicates=5, seed=1, retries=1
    ).run()
    result.save(tmp_path / "result.zip")
    loaded = Result.load(tmp_path / "result.zip")
    assert loaded.attempts == result.attempts
    for condition, seconds in result.durations.items():
        assert loaded.durations[condition].tobytes() == seconds.tobytes()
    json.dumps(result.to_dict(), allow_nan=False)
    result.to_csv(tmp_path / "attempts.csv", rows="attempts")
    with (tmp_path / "attempts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "condition", "replicate", "attempt", "hard", "seconds", "type", "message", "tokens",
        "model",
    ]  # fmt: skip
    assert [row["tokens"] for row in rows if row["condition"] == "hard"] == ["1", "3", "3", "", ""]
    frame = result.to_frame(rows="attempts")
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows) == len(result.attempts)
    with pytest.raises(InvalidValueError, match="rows: expected 'cells' or 'attempts'"):
        result.to_csv(tmp_path / "other.csv", rows="tries")


def test_a_name_that_is_a_column_already_has_recorded_before_it():
    def trial(ctx):
        ctx.record(seconds=1.5, hard=True)
        return 0

    result = Experiment(trial, seed=1).run()
    (row,) = result.to_frame(rows="attempts").to_dict("records")
    assert row["recorded.seconds"] == 1.5
    assert row["hard"] is True


def test_slow_cells_have_their_own_seconds():
    def trial(replicate):
        time.sleep(0.004)
        return 0

    result = Experiment(trial, replicates=12, seed=1).run()
    (seconds,) = result.durations.values()
    assert seconds.dtype == np.float64
    assert (seconds >= 0.004).all()
    (row,) = result.duration_summary()
    assert row["mean"] == pytest.approx(seconds.mean())
    assert row["p95"] == pytest.approx(np.quantile(seconds, 0.95), rel=0.005)
    assert repr(result.durations).startswith("duration of baseline: mean ")
    assert result.duration_lines() == []  # less than a tenth of a second


def test_cheap_cells_take_no_room_for_their_seconds(tmp_path):
    def trial(replicate):
        return 0.5

    sizes = []
    for replicates in (1000, 100_000):
        store = tmp_path / f"{replicates}.db"
        result = Experiment(trial, replicates=replicates, seed=1, store=store).run()
        sizes.append(store.stat().st_size)
        assert (result.durations["baseline"] > 0).all()
    assert sizes[1] - sizes[0] < 10 * 99_000  # of which eight are the value


def test_a_run_without_values_has_means_and_the_first_attempts():
    def trial(ctx, replicate):
        ctx.record(replicate=replicate)
        return 0.5

    result = Experiment(trial, replicates=25_000, seed=1, keep="summary").run()
    assert [attempt.replicate for attempt in result.attempts] == list(range(10_000))
    (row,) = result.duration_summary()
    assert row["n"] == 25_000
    with pytest.raises(ValuesNotKeptError):
        _ = result.durations


def test_stores_that_are_merged_have_those_of_all_and_dropped_cells_have_none(tmp_path):
    for name, parameters in CONDITIONS.items():
        Experiment(
            ask, {name: parameters}, replicates=5, seed=1, retries=1, store=tmp_path / f"{name}.db"
        ).run()
    both = tmp_path / "both.db"
    stores = [str(tmp_path / f"{name}.db") for name in CONDITIONS]
    assert CliRunner().invoke(main, ["merge", *stores, "-o", str(both)]).exit_code == 0
    merged = Result.from_store(both)
    assert known(merged) == EXPECTED
    assert [row["n"] for row in merged.duration_summary()] == [5, 5]
    assert CliRunner().invoke(main, ["drop", str(both), "--failed"]).exit_code == 0
    assert known(Result.from_store(both)) == [row for row in EXPECTED if row[3] is None]


def test_the_command_shows_how_long_slow_cells_took(tmp_path):
    def slow():
        time.sleep(0.11)
        return 1.0

    store = tmp_path / "cells.db"
    Experiment(slow, seed=1, store=store).run()
    shown = CliRunner().invoke(main, ["show", str(store)])
    assert "duration of baseline: mean " in shown.output
    as_data = json.loads(CliRunner().invoke(main, ["show", str(store), "--json"]).output)
    assert as_data["durations"][0]["mean"] >= 0.11
