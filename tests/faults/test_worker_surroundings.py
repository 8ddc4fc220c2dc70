"""Worker processes and what is around them: a program's own code, its children, its state."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and forks")

HEAD = """
import os, signal, subprocess, sys, time
from pathlib import Path
from crystallize import Experiment
P = {"execution": "parallel", "execution_options": {"executor_type": "process", "max_workers": 2}}


def values(result):
    return result.metrics["baseline"]["value"].tolist()

"""


@pytest.fixture
def script(tmp_path):
    """Runs a script in a folder of its own; what it printed."""

    def run(source, *, timeout=60, **options):
        path = tmp_path / "study.py"
        path.write_text(HEAD + source)
        done = subprocess.run(
            [sys.executable, str(path)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_idle_workers_that_are_killed_at_once_cost_nothing(script):
    printed = script(
        "import psutil\n"
        "def trial(replicate):\n    time.sleep(0.02)\n    return float(replicate)\n"
        "P['execution_options']['max_workers'] = 3\n"
        "Experiment(trial, replicates=12, **P).run()\n"
        "for child in psutil.Process().children(recursive=True):\n"
        "    if 'resource_tracker' not in ' '.join(child.cmdline()):\n"
        "        child.kill()\n"
        "result = Experiment(trial, replicates=12, **P).run()\n"
        "print(len(result.errors), values(result))\n"
    )
    assert printed == f"0 {[float(i) for i in range(12)]}"


def test_a_child_of_multiprocessing_that_used_workers_ends_at_once(script):
    began = time.monotonic()
    printed = script(
        "import multiprocessing\n"
        "def trial(replicate):\n    return float(replicate)\n"
        "def work():\n"
        "    print(values(Experiment(trial, replicates=4, **P).run()), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start()\n    child.join()\n    print(child.exitcode)\n"
    )
    assert printed.splitlines() == ["[0.0, 1.0, 2.0, 3.0]", "0"]
    assert time.monotonic() - began < 30


CHILDREN = {
    "Process": (
        "    import multiprocessing\n"
        "    queue = multiprocessing.SimpleQueue()\n"
        "    process = multiprocessing.Process(target=queue.put, args=(replicate,))\n"
        "    process.start(); process.join()\n"
        "    return float(queue.get())\n"
    ),
    "Pool": (
        "    import multiprocessing\n"
        "    with multiprocessing.Pool(1) as pool:\n"
        "        return float(pool.apply(abs, (-replicate,)))\n"
    ),
    "spawned Pool": (
        "    import multiprocessing\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        return float(pool.apply(abs, (-replicate,)))\n"
    ),
    "ProcessPoolExecutor": (
        "    from concurrent.futures import ProcessPoolExecutor\n"
        "    with ProcessPoolExecutor(1) as pool:\n"
        "        return float(pool.submit(abs, -replicate).result())\n"
    ),
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_cell_may_have_processes_of_its_own(script, kind):
    printed = script(
        f"def trial(replicate):\n{CHILDREN[kind]}"
        "if __name__ == '__main__':\n"
        "    result = Experiment(trial, replicates=3, **P).run()\n"
        "    print(values(result) if not result.errors else result.errors[0].traceback)\n"
    )
    assert printed == "[0.0, 1.0, 2.0]"


@pytest.mark.parametrize("closing", ["sys.stdout = None; sys.stderr = None", "sys.stdout.close()"])
def test_a_program_without_streams_has_workers(script, tmp_path, closing):
    script(
        "def trial(replicate):\n    return float(replicate)\n"
        f"{closing}\n"
        "result = Experiment(trial, replicates=3, **P).run()\n"
        "Path('values').write_text(str(values(result)))\n"
        "os._exit(0)\n"
    )
    assert (tmp_path / "values").read_text() == "[0.0, 1.0, 2.0]"


def test_a_fault_of_c_code_leaves_its_traceback_in_the_error(script):
    printed = script(
        "import json\n"
        "def deep():\n    import ctypes\n    ctypes.string_at(0)\n"
        "def trial(replicate):\n    if replicate == 2:\n        deep()\n    return 1.0\n"
        "(error,) = Experiment(trial, replicates=4, **P).run().errors\n"
        "print(json.dumps([error.type, error.message, error.traceback]))\n"
    )
    kind, message, trace = json.loads(printed)
    assert kind == "WorkerLost"
    assert "SIGSEGV" in message
    assert "Segmentation fault" in trace
    assert "in deep" in trace


@pytest.mark.parametrize("name", ["queue", "types", "struct", "random"])
def test_a_file_beside_the_program_is_not_taken_for_the_standard_library(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("raise RuntimeError('not the standard library')\n")
    (tmp_path / "elsewhere").mkdir()
    study = tmp_path / "elsewhere" / "study.py"
    study.write_text(
        HEAD + "def trial(replicate):\n    return float(replicate)\n"
        "result = Experiment(trial, replicates=3, **P).run()\n"
        "print(values(result), os.environ.get('PYTHONSAFEPATH'))\n"
    )
    done = subprocess.run(
        [sys.executable, str(study)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[0.0, 1.0, 2.0] None", done.stderr


def test_a_cell_can_interrupt_a_program_that_it_started(script):
    printed = script(
        "def trial(replicate):\n"
        "    code = 'import time; print(1, flush=True); time.sleep(60)'\n"
        "    child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE,\n"
        "        stderr=subprocess.DEVNULL)\n"
        "    child.stdout.readline()\n"
        "    child.send_signal(signal.SIGINT)\n"
        "    return float(child.wait(20))\n"
        "print(values(Experiment(trial, replicates=2, **P).run()))\n"
    )
    assert printed in ("[-2.0, -2.0]", "[1.0, 1.0]")


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
def test_a_scripts_function_travels(script, kind):
    printed = script(
        FUNCTIONS[kind] + "if __name__ == '__main__':\n"
        "    result = Experiment(trial, replicates=3, **P).run()\n"
        "    print([v for v in values(result)] == values(Experiment(trial, replicates=3).run()))\n"
    )
    assert printed == "True"


def test_a_function_of_a_spawned_scripts_file_travels(script):
    printed = script(
        "import multiprocessing\n"
        "def helper(x):\n    return x + 1\n"
        "def trial(replicate):\n    return float(helper(replicate))\n"
        "def work():\n"
        "    result = Experiment(trial, replicates=2, **P).run()\n"
        "    print(trial.__module__, values(result), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start()\n    child.join()\n"
    )
    assert printed == "__mp_main__ [1.0, 2.0]"


def test_what_a_cell_changes_in_its_process_does_not_reach_the_next_run(script):
    printed = script(
        "def spoil():\n"
        "    import locale, warnings\n"
        "    os.chdir('/')\n"
        "    os.environ['SPOILT'] = '1'\n"
        "    warnings.simplefilter('error')\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    locale.setlocale(locale.LC_ALL, 'C.UTF-8')\n"
        "    time.sleep(0.05)\n"
        "    return float(os.getpid())\n"
        "def look():\n"
        "    import locale, warnings\n"
        "    time.sleep(0.05)\n"
        "    return {\n"
        "        'pid': os.getpid(), 'cwd': os.getcwd(), 'env': os.environ.get('SPOILT', 'no'),\n"
        "        'filters': str(warnings.filters), 'locale': locale.setlocale(locale.LC_ALL),\n"
        "        'term': str(signal.getsignal(signal.SIGTERM)),\n"
        "    }\n"
        "fresh = Experiment(look, replicates=6, **P).run().metrics['baseline']\n"
        "Experiment(spoil, replicates=6, **P).run()\n"
        "after = Experiment(look, replicates=6, **P).run().metrics['baseline']\n"
        "for name in fresh:\n"
        "    print(name, set(fresh[name]) == set(after[name]))\n"
    )
    assert set(printed.splitlines()) == {
        f"{name} True" for name in ("pid", "cwd", "env", "filters", "locale", "term")
    }


def test_the_first_import_in_a_worker_is_no_time_of_its_cell(script, tmp_path):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(2.5)\nVALUE = 1.0\n")
    printed = script(
        "def trial(replicate):\n"
        "    import slow_library\n"
        "    return slow_library.VALUE\n"
        "result = Experiment(trial, replicates=6, timeout=1, **P).run()\n"
        "print(result.errors, values(result))\n"
    )
    assert printed == f"[] {[1.0] * 6}"


def test_a_cell_that_hangs_after_an_import_is_late_all_the_same(script, tmp_path):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(1.5)\n")
    printed = script(
        "def trial(replicate):\n"
        "    import slow_library\n"
        "    if replicate == 1:\n        time.sleep(30)\n"
        "    return 1.0\n"
        "result = Experiment(trial, replicates=4, timeout=1, **P).run()\n"
        "print([(e.replicate, e.type) for e in result.errors])\n"
    )
    assert printed == "[(1, 'TimedOut')]"


@pytest.mark.parametrize("strategy", ["process", "async"])
@pytest.mark.parametrize("whom", ["program", "group"])
def test_a_program_that_was_stopped_and_continued_has_no_late_cells(tmp_path, strategy, whom):
    path = tmp_path / "study.py"
    path.write_text(
        HEAD + "import asyncio\n"
        "def trial(replicate):\n"
        "    print('in', flush=True)\n    time.sleep(0.5)\n    return float(replicate)\n"
        "async def atrial(replicate):\n"
        "    print('in', flush=True)\n    await asyncio.sleep(0.5)\n    return float(replicate)\n"
        "if __name__ == '__main__':\n"
        "    how = (trial, P) if sys.argv[1] == 'process' else (atrial, {'execution': 'async'})\n"
        "    result = Experiment(how[0], replicates=6, timeout=2, **how[1]).run()\n"
        "    print('done', values(result), result.errors)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(path), strategy],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    send = os.killpg if whom == "group" else os.kill
    send(process.pid, signal.SIGSTOP)
    time.sleep(3)  # longer than a cell may take: this is what is tested
    send(process.pid, signal.SIGCONT)
    out = process.communicate(timeout=60)[0].splitlines()[-1]
    assert out == f"done {[float(i) for i in range(6)]} []"


def test_two_runs_at_once_on_one_executor_are_independent(script):
    printed = script(
        "import threading\n"
        "from crystallize.plugins.execution import ParallelExecution\n"
        "def hangs(replicate):\n"
        "    if replicate == 3:\n        time.sleep(60)\n"
        "    return 1.0\n"
        "def fine(replicate):\n    time.sleep(0.05)\n    return 1.0\n"
        "if __name__ == '__main__':\n"
        "    executor = ParallelExecution(2, 'process')\n"
        "    found = {}\n"
        "    def go(function, replicates):\n"
        "        result = Experiment(\n"
        "            function, replicates=replicates, timeout=1, execution=executor\n"
        "        ).run()\n"
        "        found[function.__name__] = [(e.replicate, e.type) for e in result.errors]\n"
        "    thread = threading.Thread(target=go, args=(hangs, 8))\n"
        "    thread.start()\n"
        "    go(fine, 40)\n"
        "    thread.join()\n"
        "    print(found)\n",
        timeout=50,
    )
    assert printed == "{'fine': [], 'hangs': [(3, 'TimedOut')]}" or printed == (
        "{'hangs': [(3, 'TimedOut')], 'fine': []}"
    )


def test_a_finished_run_leaves_nothing_heavy_on_its_executor(script):
    printed = script(
        "import gc, numpy as np, weakref\n"
        "from crystallize.plugins.execution import AsyncExecution, ParallelExecution\n"
        "class Heavy:\n    pass\n"
        "for executor in (ParallelExecution(2), ParallelExecution(2, 'process')):\n"
        "    heavy = Heavy()\n"
        "    gone = weakref.ref(heavy)\n"
        "    def trial(heavy=heavy):\n        return 1.0\n"
        "    Experiment(trial, replicates=3, execution=executor).run()\n"
        "    del heavy, trial\n"
        "    for _ in range(100):\n"
        "        gc.collect()\n"
        "        if gone() is None:\n            break\n"
        "        time.sleep(0.05)\n"
        "    print(gone() is None)\n"
    )
    assert printed.splitlines() == ["True", "True"]
