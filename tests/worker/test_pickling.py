"""How a function travels to worker processes."""

import subprocess
import sys
import threading
import time

import pytest

from crystallize import CrystallizeError, Experiment
from crystallize.plugins.execution import ParallelExecution

PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def test_the_function_travels_to_a_worker_once():
    class Counted:
        pickled = 0

        def __reduce__(self):
            Counted.pickled += 1
            return (int, ())

    conditions = {"a": {"x": Counted()}}

    def trial(x):
        time.sleep(0.001)
        return 1.0

    result = Experiment(trial, conditions, replicates=300, **PROCESS).run()
    assert len(result.errors) == 0
    assert Counted.pickled == 1


SCRIPT = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from crystallize import Experiment
factor = 3
def trial(replicate):
    return factor * replicate
result = Experiment(trial, replicates=20, execution="parallel",
                    execution_options={"executor_type": "process", "max_workers": 2}).run()
print(int(result.metrics["baseline"]["value"].sum()), len(result.errors))
print((lambda r: int(r.metrics["baseline"]["value"][3]))(
    Experiment(lambda replicate: factor + replicate, replicates=5, execution="parallel",
               execution_options={"executor_type": "process"}).run()))
"""


def test_a_script_needs_no_guard_and_may_have_threads(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["570", "0", "6"]
    assert done.stderr == ""


def test_workers_see_an_edited_module(tmp_path, monkeypatch):
    module = tmp_path / "edited_module.py"
    module.write_text("def trial(): return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib

    import edited_module

    def value():
        result = Experiment(edited_module.trial, replicates=2, **PROCESS).run()
        return result.metrics["baseline"]["value"][0]

    assert value() == 1.0
    module.write_text("def trial(): return 2.0\n# longer\n")
    importlib.reload(edited_module)
    assert value() == 2.0


def test_a_function_that_cannot_travel_is_refused_with_a_way_out():
    lock = threading.Lock()

    def trial():
        with lock:
            return 1.0

    experiment = Experiment(trial, execution=ParallelExecution(2, "process"))
    with pytest.raises(CrystallizeError, match=r"cannot be sent to another process.*lock"):
        experiment.run()
