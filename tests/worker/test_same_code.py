"""A worker process has the code and the values of its driver, or says what it has not."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from crystallize import Experiment, WorkerDiffersError

PROCESS = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}
HELPER = """
ORDER = 5
CACHE = {}

def scale(x):
    if x not in CACHE:
        CACHE[x] = x * ORDER
    return CACHE[x]

class Model:
    power = 1
    def fit(self, x):
        self.fitted = x ** self.power
        return self.fitted

model = Model()

def trial(replicate):
    return float(scale(replicate) + model.fit(replicate))
"""


@pytest.fixture
def helper(tmp_path, monkeypatch):
    (tmp_path / "same_code_helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("same_code_helper")
    sys.modules.pop("same_code_helper")


def test_a_value_that_the_program_changed_is_named(helper: Any):
    helper.ORDER = 2
    with pytest.raises(WorkerDiffersError) as refusal:
        Experiment(helper.trial, replicates=4, **PROCESS).run()
    assert "`ORDER` is 2 in your program and 5 in a worker process" in str(refusal.value).replace(
        "global ", ""
    )


def test_a_value_behind_a_program_s_own_function_is_named(helper: Any):
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    helper.ORDER = 2
    with pytest.raises(WorkerDiffersError) as refusal:
        Experiment(lambda replicate: helper.scale(replicate), replicates=4, **PROCESS).run()
    assert "`same_code_helper.ORDER` is 2 in your program and 5 in a worker process" in str(
        refusal.value
    )


def test_an_edited_file_is_named(helper: Any, tmp_path):
    (tmp_path / "same_code_helper.py").write_text(HELPER.replace("x * ORDER", "x + ORDER"))
    with pytest.raises(WorkerDiffersError, match="`scale` is not the same in your program"):
        Experiment(helper.trial, replicates=4, **PROCESS).run()


def test_a_comment_in_a_file_changes_nothing(helper: Any, tmp_path):
    (tmp_path / "same_code_helper.py").write_text('"""Edited."""\n\n' + HELPER + "# more\n")
    with pytest.warns(match=" change global `CACHE`, and"):
        assert not Experiment(helper.trial, replicates=4, **PROCESS).run().errors


def test_what_a_run_here_left_behind_is_no_difference(helper: Any):
    with pytest.warns(match=" change global `CACHE`, and"):
        here = Experiment(helper.trial, replicates=4, seed=1).run()
    assert helper.CACHE
    with pytest.warns(match=" change global `CACHE`, and"):
        there = Experiment(helper.trial, replicates=4, seed=1, **PROCESS).run()
    assert here.metrics["baseline"]["value"].tolist() == there.metrics["baseline"]["value"].tolist()


def test_a_class_among_the_parameters_is_compared_too(helper: Any):
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    helper.Model.power = 3

    def trial(model, replicate):
        return float(model.fit(replicate))

    with pytest.raises(WorkerDiffersError, match=r"Model.power` is 3 in your program and 1"):
        Experiment(trial, {"a": {"model": helper.Model()}}, replicates=4, **PROCESS).run()
