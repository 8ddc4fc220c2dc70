"""Many conditions of few replicates: what is done for them grows with their number alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from crystallize import Experiment, Result, hookimpl

FEW, MORE = 120, 4


def half(n: int) -> float:
    return n / 2


def failing(n: int) -> float:
    raise ValueError(f"no {n}")


def experiment(conditions: int, function: Callable[..., Any] = half, **options: Any) -> Experiment:
    params = {f"c{n}": {"n": n} for n in range(conditions)}
    return Experiment(function, params, seed=1, name="many", **options)


def work(action: Callable[[], Any]) -> int:
    """How many functions are entered, loops and comprehensions counted by what they call."""
    count = 0

    def noticed(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):  # a generator that goes on is a call as well
            count += 1

    sys.setprofile(noticed)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def check_linear(action_of: Callable[[int], Callable[[], Any]]) -> None:
    action_of(8)()  # what is imported at the first use
    few, many = work(action_of(FEW)), work(action_of(FEW * MORE))
    assert many < few * MORE * 1.3, f"{few} calls for {FEW} conditions, {many} for {MORE} times"


@pytest.mark.parametrize("function", [half, failing])
def test_a_run_grows_with_the_number_of_conditions(function: Callable[..., Any]) -> None:
    check_linear(lambda n: experiment(n, function).run)


@pytest.mark.parametrize("function", [half, failing])
def test_a_resume_and_a_look_grow_with_the_number_of_conditions(
    function: Callable[..., Any], tmp_path: Path
) -> None:
    def stored(n: int) -> Path:
        path = tmp_path / f"{n}.db"
        if not path.exists():
            experiment(n, function, store=path).run()
        return path

    check_linear(lambda n: experiment(n, function, store=stored(n)).run)
    check_linear(lambda n: partial(Result.from_store, stored(n)))


@pytest.mark.parametrize("function", [half, failing])
def test_what_is_read_of_a_result_grows_with_the_number_of_conditions(
    function: Callable[..., Any], tmp_path: Path
) -> None:
    def looked(n: int) -> Callable[[], Any]:
        result = experiment(n, function).run()

        def look() -> None:
            result.summary()
            result.text()
            result.to_json(tmp_path / f"{n}.json")
            result.save(tmp_path / f"{n}.result")
            Result.load(tmp_path / f"{n}.result")

        return look

    check_linear(looked)


def test_pages_of_many_conditions_grow_with_their_number() -> None:
    class Reader:
        @hookimpl
        def page_completed(self, page: Any) -> None:
            assert len(page) == len(page.tables)

    check_linear(lambda n: experiment(n, plugins=[Reader()]).run)
