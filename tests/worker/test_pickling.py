"""How a function travels to worker processes."""

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
threading.Thread(target=threading.Event().wait, daemon=True).start()
factor = 3
def trial(replicate):
    return factor * replicate
result = Experiment(trial, replicates=20, **PROCESS).run()
print(sum(values(result)), len(result.errors))
print(values(Experiment(lambda replicate: factor + replicate, replicates=5, **PROCESS).run())[3])
"""


def test_a_script_needs_no_guard_and_may_have_threads(program):
    running = program(SCRIPT)
    assert running.ended().split() == ["570", "0", "6"]
    assert running.err == ""


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


FUNCTIONS = {
    "a cached helper": (
        "import functools\n"
        "@functools.lru_cache(maxsize=8)\n"
        "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "def trial(replicate):\n    return float(fib(replicate))\n"
    ),
    "a dispatching helper": (
        "import functools\n"
        "@functools.singledispatch\n"
        "def fib(n):\n    return 0\n"
        "@fib.register(int)\n"
        "def _(n):\n    return n\n"
        "def trial(replicate):\n    return float(fib(replicate) + fib('text'))\n"
    ),
    "a module loaded by hand": (
        "import importlib.util\n"
        "Path('hidden').mkdir(exist_ok=True)\n"
        "Path('hidden/tools.py').write_text('def one(replicate):\\n    return two(replicate)\\n'\n"
        "    'def two(x):\\n    return float(x)\\n')\n"
        "spec = importlib.util.spec_from_file_location('tools_by_hand', 'hidden/tools.py')\n"
        "tools = importlib.util.module_from_spec(spec)\n"
        "sys.modules['tools_by_hand'] = tools\n"
        "spec.loader.exec_module(tools)\n"
        "trial = tools.one\n"
    ),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_scripts_function_travels(program, kind):
    printed = program(
        FUNCTIONS[kind] + "if __name__ == '__main__':\n"
        "    result = Experiment(trial, replicates=3, **PROCESS).run()\n"
        "    print([v for v in values(result)] == values(Experiment(trial, replicates=3).run()))\n"
    ).ended()
    assert printed == "True"


def test_a_function_of_a_spawned_scripts_file_travels(program):
    printed = program(
        "import multiprocessing\n"
        "def helper(x):\n    return x + 1\n"
        "def trial(replicate):\n    return float(helper(replicate))\n"
        "def work():\n"
        "    result = Experiment(trial, replicates=2, **PROCESS).run()\n"
        "    print(trial.__module__, values(result), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start()\n    child.join()\n"
    ).ended()
    assert printed == "__mp_main__ [1.0, 2.0]"
