"""Surroundings of the driver that are not as they should be."""

import signal
import tempfile
import time
from pathlib import Path

import pytest

GONE = """
import os, tempfile

def trial(rng, replicate):
    return rng.normal()

async def coroutine(rng, replicate):
    return rng.normal()

if __name__ == "__main__":
    gone = tempfile.mkdtemp()
    os.chdir(gone)
    os.rmdir(gone)
    options = {
        "serial": {}, "async": ASYNC, "process": PROCESS,
        "thread": {"execution": "parallel", "execution_options": {"max_workers": 2}},
        "futures": {
            "execution": "futures",
            "execution_options": {"factory": "concurrent.futures:ThreadPoolExecutor", "workers": 2},
        },
    }[sys.argv[1]]
    function = coroutine if sys.argv[1] == "async" else trial
    print(done(Experiment(function, replicates=20, seed=1, **options).run()))
"""


@pytest.mark.parametrize("how", ["serial", "thread", "process", "async", "futures"])
def test_a_working_directory_that_is_gone_costs_nothing(program, how):
    running = program(GONE, how)
    assert running.ended() == "20"
    assert running.err == ""


def test_a_function_without_a_file_needs_no_working_directory(program):
    running = program("""
gone = Path.cwd() / "gone"
gone.mkdir()
os.chdir(gone)
gone.rmdir()
print(done(Experiment(eval("lambda replicate: 1.0"), replicates=5, seed=1).run()))
""")
    assert running.ended() == "5"


SHARING = """
import numpy as np

def trial(replicate, data):
    if sys.argv[1] == "wait" and replicate == 3:
        Path("go").touch()
        time.sleep(100)
    return float(data[replicate])

if __name__ == "__main__":
    data = np.arange(500_000, dtype=float)
    experiment = Experiment(trial, {"a": {"data": data}}, replicates=20, seed=1, **PROCESS)
    if sys.argv[1] == "wait":
        print(flush=True)
    print(done(experiment.run()))
"""


def shared(folder):
    return {path for path in folder.iterdir() if path.name.startswith("crystallize-")}


def test_shared_arrays_of_a_group_that_was_killed_are_deleted_by_the_next_run(program, tmp_path):
    folder = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
    before = shared(folder)
    killed = program(SHARING, "wait", start_new_session=True)
    while not (tmp_path / "go").exists():
        assert killed.returncode is None
        time.sleep(0.01)
    beside = program(SHARING, "run")
    assert beside.ended() == "20"
    (left,) = shared(folder) - before  # a run that goes on keeps its own
    killed.send(signal.SIGKILL, group=True)
    killed.ended(code=-signal.SIGKILL)
    assert left.exists()
    assert program(SHARING, "run").ended() == "20"
    assert not left.exists()


STARTING = """
def trial(replicate):
    time.sleep(0.05)
    return 1.0

if __name__ == "__main__":
    ready()
    try:
        Experiment(trial, replicates=10_000, seed=1, **PROCESS).run()
    except Interrupted:
        print("interrupted")
"""


@pytest.mark.parametrize("after", [0.3, 0.5, 0.7, 0.9])
def test_an_interruption_while_workers_start_prints_no_tracebacks_of_theirs(program, after):
    running = program(STARTING, start_new_session=True)
    running.wait_for("ready")
    time.sleep(after)
    running.send(signal.SIGINT, group=True)
    assert running.ended() == "interrupted"
    assert running.err == ""


LATE = """
import threading

from crystallize import Experiment


async def awaited(rng):
    return rng.random()


def called(rng):
    return rng.random()


def run_late():
    threading.main_thread().join()
    for execution, function, options in (
        ("serial", called, {}),
        ("parallel", called, {"max_workers": 2}),
        ("parallel", called, {"max_workers": 2, "executor_type": "process"}),
        ("async", awaited, {}),
    ):
        experiment = Experiment(
            function, replicates=5, seed=1, execution=execution, execution_options=options
        )
        try:
            print(float(experiment.run().metrics["baseline"]["value"].sum()))
        except Exception as error:
            print(f"{type(error).__name__}: {error}")


threading.Thread(target=run_late).start()
"""


def test_what_cannot_start_after_the_main_thread_says_so(program):
    printed = program(LATE).ended().splitlines()
    assert printed[0] == printed[1]
    for line in printed[2:]:
        assert line.startswith("ExecutorError: The main thread of this program has ended")
    assert len(printed) == 4
