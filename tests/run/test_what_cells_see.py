"""What a cell sees of its process is the same wherever it runs, and no other cell's doing."""

from __future__ import annotations

import asyncio
import decimal
import json
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from crystallize import Experiment

cloudpickle.register_pickle_by_value(sys.modules[__name__])

STRATEGIES: dict[str, dict[str, Any]] = {
    "serial": {},
    "thread": {"execution": "parallel", "execution_options": {"max_workers": 2}},
    "process": {
        "execution": "parallel",
        "execution_options": {"executor_type": "process", "max_workers": 2},
    },
    "serial coroutines": {"is_async": True},
    "async": {"is_async": True, "execution": "async", "execution_options": {"max_concurrency": 3}},
}


def run(name: str, function: Any, replicates: int = 60) -> Any:
    chosen = dict(STRATEGIES[name])
    if chosen.pop("is_async", False):
        chosen_function = function

        async def function(replicate: int) -> Any:
            await asyncio.sleep(0)
            found = chosen_function(replicate)
            await asyncio.sleep(0)
            return found

    return Experiment(function, replicates=replicates, seed=1, **chosen).run()


# --- what one cell changes reaches no other -------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_cells_context_reaches_no_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library_with_a_variable.py").write_text(
        "from contextvars import ContextVar\nrequest = ContextVar('request', default=-1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    # Before, print options are the process' own.
    has_print_contexts = np.lib.NumpyVersion(np.__version__) >= "2.2.0"

    def trial(replicate: int) -> dict[str, Any]:
        request = import_module("library_with_a_variable").request
        seen = {
            "request": request.get(),
            "precision": decimal.getcontext().prec,
            "divide": np.geterr()["divide"],
            "digits": np.get_printoptions()["precision"],
        }
        if replicate % 7 == 3:
            request.set(replicate)
            decimal.getcontext().prec = 6
            np.seterr(divide="raise")
            if has_print_contexts:
                np.set_printoptions(precision=2)
        if replicate % 7 == 5:
            decimal.getcontext().prec = 5
            raise ValueError(replicate)
        return seen

    result = run(name, trial)

    found = result.metrics["baseline"]
    done = result.done["baseline"]
    assert {key: set(values[done].tolist()) for key, values in found.items()} == {
        "request": {-1},
        "precision": {28},
        "divide": {"warn"},
        "digits": {8},
    }
    assert decimal.getcontext().prec == 28


# --- what the program had set reaches every cell --------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_programs_context_reaches_every_cell(name: str) -> None:
    def trial(replicate: int) -> dict[str, Any]:
        seen = {"third": str(decimal.Decimal(1) / 3), "array": str(np.array([1 / 3]))}
        decimal.getcontext().prec = 20
        if replicate % 5 == 0:
            np.float64(1) / np.float64(0)
        return seen

    with (
        np.errstate(divide="raise"),
        np.printoptions(precision=3),
        decimal.localcontext(decimal.Context(prec=4)),
    ):
        result = run(name, trial, replicates=20)
        assert decimal.getcontext().prec == 4

    assert [error.type for error in result.errors] == ["FloatingPointError"] * 4
    found = result.metrics["baseline"]
    assert set(found["third"][result.done["baseline"]]) == {"0.3333"}
    assert set(found["array"][result.done["baseline"]]) == {"[0.333]"}


SEES = """
import decimal, locale, logging, warnings
import numpy as np
def look():
    log = logging.getLogger("study.part")
    return {"value": json.dumps({
        "filters": [str(f) for f in warnings.filters if "InCell" not in str(f)],
        "recursion": sys.getrecursionlimit(),
        "digits": sys.get_int_max_str_digits(),
        "locale": locale.setlocale(locale.LC_ALL),
        "numpy": [np.geterr(), str(np.get_printoptions())],
        "decimal": str(decimal.getcontext()),
        "folder": os.getcwd(),
        "environment": sorted(os.environ.items()),
        "path": sys.path,
        "level": [log.getEffectiveLevel(), log.isEnabledFor(logging.DEBUG)],
        "flags": str(sys.flags).replace("safe_path=True", "safe_path=False"),
        "options": [sys.warnoptions, sys._xoptions],
        "asserts": __debug__,
        "hash": hash("text") if os.environ.get("PYTHONHASHSEED") else None,
    })}
def see():
    found = [
        set(Experiment(look, replicates=4, **o).run().metrics["baseline"]["value"])
        for o in ({}, PROCESS)
    ]
    if found[0] != found[1]:
        (one,), (other,) = found
        one, other = json.loads(one), json.loads(other)
        print("differs:", {k: (one[k], other[k]) for k in one if one[k] != other[k]})
    else:
        print("the same")
"""
SETS = """
os.environ["ADDED"] = "1"
os.mkdir("below")
os.chdir("below")
sys.path.insert(0, "/nowhere")
sys.path.append("")
warnings.filterwarnings("error", "that .*", FutureWarning, "some.module", 3)
warnings.simplefilter("once", ResourceWarning)
sys.setrecursionlimit(1234)
sys.set_int_max_str_digits(5000)
locale.setlocale(locale.LC_ALL, "C.UTF-8")
np.seterr(all="raise")
np.set_printoptions(precision=3, suppress=True)
decimal.getcontext().prec = 9
decimal.getcontext().rounding = decimal.ROUND_DOWN
logging.getLogger("study").setLevel(logging.INFO)
logging.disable(logging.DEBUG)
"""
FLAGS = [
    [],
    ["-O"],
    ["-OO"],
    ["-W", "error::RuntimeWarning", "-W", "ignore:that:UserWarning"],
    ["-X", "utf8"],
    ["-X", "dev"],
    ["-X", "int_max_str_digits=700", "-X", "own=1"],
    ["-I"],
    ["-bb"],
]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_interpreter_flags_are_those_of_the_program(start: Any, tmp_path: Path, flags: Any) -> None:
    from tests.conftest import HEAD

    (tmp_path / "program.py").write_text(HEAD + SEES + "see()\n")
    assert start(sys.executable, *flags, tmp_path / "program.py").ended() == "the same"


def test_all_that_a_program_can_set_is_there_in_workers(program: Any) -> None:
    assert program(SEES + "see()\n" + SETS + "see()\n").ended() == "the same\nthe same"


def test_a_fixed_hash_seed_is_the_workers_too(program: Any) -> None:
    for seed in ("0", "42"):
        shown = program(
            SEES + "see()\nprint(Experiment(look).run().provenance['hash_seed'])\n",
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).ended()
        assert shown == f"the same\n{seed}"


def test_a_random_hash_seed_is_recorded_as_that(program: Any) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    source = (
        "os.environ['PYTHONHASHSEED'] = '0'  # too late\n"
        "print(Experiment(lambda: 1.0).run().provenance['hash_seed'])\n"
    )
    assert program(source, env=environment).ended() == "random"


def test_filters_that_change_between_runs_hold_in_workers_that_are_used_again() -> None:
    def trial(replicate: int) -> float:
        warnings.warn("careful", FutureWarning, stacklevel=1)
        return 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert len(run("process", trial, 4).errors) == 4
        warnings.simplefilter("ignore", FutureWarning)
        result = run("process", trial, 4)
        assert (result.errors, result.warnings) == ([], [])
        warnings.resetwarnings()
        with pytest.warns(FutureWarning, match="careful"):
            result = run("process", trial, 4)
        assert [w.count for w in result.warnings] == [4]
        assert json.loads(json.dumps(result.to_dict()["warnings"]))[0]["count"] == 4


def test_filters_hold_whose_category_is_in_a_folder_that_the_path_has_by_now(
    program: Any, tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "far_category.py").write_text("class FarWarning(UserWarning): pass\n")
    running = program(
        "import warnings\n"
        "def first(replicate):\n"
        "    return float(os.getpid())\n"
        "def trial(replicate):\n"
        "    import far_category\n"
        "    warnings.warn('x', far_category.FarWarning)\n"
        "    return 1.0\n"
        "if __name__ == '__main__':\n"
        "    Experiment(first, replicates=4, **PROCESS).run()\n"
        "    sys.path.insert(0, str(Path('far').resolve()))\n"
        "    import far_category\n"
        "    warnings.filterwarnings('error', category=far_category.FarWarning)\n"
        "    result = Experiment(trial, replicates=4, **PROCESS).run()\n"
        "    print([error.type for error in result.errors])\n"
    )
    assert running.ended() == str(["FarWarning"] * 4)
