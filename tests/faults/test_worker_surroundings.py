"""Worker processes and what is around them: a program's own code, its children, its state."""

import json
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and forks")


def test_idle_workers_that_are_killed_at_once_cost_nothing(program):
    printed = program(
        "import psutil\n"
        "def trial(replicate):\n    time.sleep(0.02)\n    return float(replicate)\n"
        "PROCESS['execution_options']['max_workers'] = 3\n"
        "Experiment(trial, replicates=12, **PROCESS).run()\n"
        "for child in psutil.Process().children(recursive=True):\n"
        "    if 'resource_tracker' not in ' '.join(child.cmdline()):\n"
        "        child.kill()\n"
        "result = Experiment(trial, replicates=12, **PROCESS).run()\n"
        "print(len(result.errors), values(result))\n"
    ).ended()
    assert printed == f"0 {[float(i) for i in range(12)]}"


def test_a_child_of_multiprocessing_that_used_workers_ends_at_once(program):
    began = time.monotonic()
    printed = program(
        "import multiprocessing\n"
        "def trial(replicate):\n    return float(replicate)\n"
        "def work():\n"
        "    print(values(Experiment(trial, replicates=4, **PROCESS).run()), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    child.start()\n    child.join()\n    print(child.exitcode)\n"
    ).ended()
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
def test_a_cell_may_have_processes_of_its_own(program, kind):
    printed = program(
        f"def trial(replicate):\n{CHILDREN[kind]}"
        "if __name__ == '__main__':\n"
        "    result = Experiment(trial, replicates=3, **PROCESS).run()\n"
        "    print(values(result) if not result.errors else result.errors[0].traceback)\n"
    ).ended()
    assert printed == "[0.0, 1.0, 2.0]"


@pytest.mark.parametrize("closing", ["sys.stdout = None; sys.stderr = None", "sys.stdout.close()"])
def test_a_program_without_streams_has_workers(program, tmp_path, closing):
    program(
        "def trial(replicate):\n    return float(replicate)\n"
        f"{closing}\n"
        "result = Experiment(trial, replicates=3, **PROCESS).run()\n"
        "Path('values').write_text(str(values(result)))\n"
        "os._exit(0)\n"
    ).ended()
    assert (tmp_path / "values").read_text() == "[0.0, 1.0, 2.0]"


def test_a_fault_of_c_code_leaves_its_traceback_in_the_error(program):
    printed = program(
        "import json\n"
        "def deep():\n    import ctypes\n    ctypes.string_at(0)\n"
        "def trial(replicate):\n    if replicate == 2:\n        deep()\n    return 1.0\n"
        "(error,) = Experiment(trial, replicates=4, **PROCESS).run().errors\n"
        "print(json.dumps([error.type, error.message, error.traceback]))\n"
    ).ended()
    kind, message, trace = json.loads(printed)
    assert kind == "WorkerLost"
    assert "SIGSEGV" in message
    assert "Segmentation fault" in trace
    assert "in deep" in trace


@pytest.mark.parametrize("name", ["queue", "types", "struct", "random"])
def test_a_file_beside_the_program_is_not_taken_for_the_standard_library(program, tmp_path, name):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / f"{name}.py").write_text("raise RuntimeError('not the standard library')\n")
    printed = program(
        "def trial(replicate):\n    return float(replicate)\n"
        "result = Experiment(trial, replicates=3, **PROCESS).run()\n"
        "print(values(result), os.environ.get('PYTHONSAFEPATH'))\n",
        cwd=folder,
    ).ended()
    assert printed == "[0.0, 1.0, 2.0] None"


def test_a_cell_can_interrupt_a_program_that_it_started(program):
    printed = program(
        "def trial(replicate):\n"
        # Not one long sleep: Python misses a signal that comes just before it.
        "    code = 'import time; print(1, flush=True); [time.sleep(0.05) for _ in range(1200)]'\n"
        "    child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE,\n"
        "        stderr=subprocess.DEVNULL)\n"
        "    child.stdout.readline()\n"
        "    child.send_signal(signal.SIGINT)\n"
        "    return float(child.wait(20))\n"
        "print(values(Experiment(trial, replicates=2, **PROCESS).run()))\n"
    ).ended()
    assert printed in ("[-2.0, -2.0]", "[1.0, 1.0]")


def test_what_a_cell_changes_in_its_process_does_not_reach_the_next_run(program):
    printed = program(
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
        "fresh = Experiment(look, replicates=6, **PROCESS).run().metrics['baseline']\n"
        "Experiment(spoil, replicates=6, **PROCESS).run()\n"
        "after = Experiment(look, replicates=6, **PROCESS).run().metrics['baseline']\n"
        "for name in fresh:\n"
        "    print(name, set(fresh[name]) == set(after[name]))\n"
    ).ended()
    assert set(printed.splitlines()) == {
        f"{name} True" for name in ("pid", "cwd", "env", "filters", "locale", "term")
    }


def test_two_runs_at_once_on_one_executor_are_independent(program):
    printed = program(
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
        "    print(found)\n"
    ).ended()
    assert printed == "{'fine': [], 'hangs': [(3, 'TimedOut')]}" or printed == (
        "{'hangs': [(3, 'TimedOut')], 'fine': []}"
    )


def test_a_finished_run_leaves_nothing_heavy_on_its_executor(program):
    printed = program(
        "import gc, weakref\n"
        "from crystallize.plugins.execution import ParallelExecution\n"
        "class Heavy:\n    pass\n"
        "for executor in (ParallelExecution(2), ParallelExecution(2, 'process')):\n"
        "    heavy = Heavy()\n"
        "    gone = threading.Event()\n"
        "    weakref.finalize(heavy, gone.set)\n"
        "    def trial(heavy=heavy):\n        return 1.0\n"
        "    Experiment(trial, replicates=3, execution=executor).run()\n"
        "    del heavy, trial\n"
        "    until = time.monotonic() + 5\n"
        "    while not gone.wait(0.05) and time.monotonic() < until:\n"
        "        gc.collect()\n"
        "    print(gone.is_set())\n"
    ).ended()
    assert printed.splitlines() == ["True", "True"]
