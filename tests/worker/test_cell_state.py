"""State that one cell changes and another reads is named."""

from __future__ import annotations

import functools
import importlib
import itertools
import warnings

import pytest

from crystallize import Experiment, SharedStateWarning

COUNT = 0
SEEN: list[int] = []
CACHE: dict[int, float] = {}
LOG: list[int] = []
NUMBERS = itertools.count()
ITEMS = iter(range(10**6))


class Model:
    fits = 0

    def __init__(self) -> None:
        self.last = 0.0

    def fit(self, x: float) -> float:
        self.last += x
        return self.last

    @classmethod
    def counted(cls) -> int:
        cls.fits += 1
        return cls.fits

    def predicted(self) -> float:
        return self.last


MODEL = Model()


def counter():
    global COUNT
    COUNT += 1
    return float(COUNT)


def helped():
    return counter()


def growing(replicate):
    SEEN.append(replicate)
    return float(len(SEEN))


def caching(replicate):
    if replicate not in CACHE:
        CACHE[replicate] = float(replicate)
    return CACHE[replicate]


def fitting():
    return MODEL.fit(1.0)


def counting():
    return float(next(NUMBERS))


def taking():
    return float(next(ITEMS))


def class_counter():
    return float(Model.counted())


def attribute():
    attribute.calls += 1  # type: ignore[attr-defined]
    return float(attribute.calls)  # type: ignore[attr-defined]


attribute.calls = 0  # type: ignore[attr-defined]


def default(seen=[]):  # noqa: B006
    seen.append(1)
    return float(len(seen))


def made():
    count = 0

    def closure():
        nonlocal count
        count += 1
        return float(count)

    return closure


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (counter, "global `COUNT`"),
        (helped, "global `COUNT`"),
        (growing, "global `SEEN`"),
        (caching, "global `CACHE`"),
        (fitting, "global `MODEL`"),
        (class_counter, "`Model.fits`"),
        (counting, "global `NUMBERS`"),
        (taking, "global `ITEMS`"),
        (attribute, "`attribute.calls`"),
        (default, "default `seen`"),
        (made(), "closure `count`"),
    ],
)
def test_state_that_cells_change_and_read_is_named(function, name):
    with pytest.warns(SharedStateWarning) as told:
        Experiment(function, replicates=20).run()
    assert len(told) == 1
    assert f" change {name}, and read it" in str(told[0].message)


@functools.cache
def square(x):
    return x * x


def logging(replicate):
    global COUNT
    LOG.append(replicate)
    COUNT += 1
    result = {}
    result["value"] = float(square(replicate))
    return result


LOADED = None


def loading(replicate):
    global LOADED
    if LOADED is None:
        LOADED = {"model": 2.0}
    return LOADED["model"] * replicate


def looking():
    return MODEL.predicted()


@pytest.mark.parametrize("function", [logging, looking, loading])
def test_caches_logs_and_what_nobody_reads_are_no_offence(function):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Experiment(function, replicates=20).run()


def test_state_in_a_worker_process_is_named():
    import sys

    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    options = {"executor_type": "process", "max_workers": 1}
    with pytest.warns(SharedStateWarning, match="global `SEEN`"):
        Experiment(growing, replicates=9, execution="parallel", execution_options=options).run()


def test_state_that_a_resource_makes_in_a_worker_is_named(tmp_path, monkeypatch):
    (tmp_path / "filled_later.py").write_text(
        "class Box:\n"
        "    count = 0\n"
        "    def bump(self):\n"
        "        self.count += 1\n"
        "        return float(self.count)\n"
        "POOL = None\n"
        "def factory():\n"
        "    global POOL\n"
        "    POOL = Box()\n"
        "    return 1\n"
        "def trial(tool):\n"
        "    return POOL.bump()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    filled_later = importlib.import_module("filled_later")
    experiment = Experiment(
        filled_later.trial,
        replicates=40,
        seed=1,
        resources={"tool": filled_later.factory},
        execution="parallel",
        execution_options={"executor_type": "process", "max_workers": 1},
    )
    with pytest.warns(SharedStateWarning, match="POOL"):
        experiment.run()
