"""Time counts while a cell can run: not while it imports, nor while nobody runs."""

import signal
import sys
import time

import numpy as np
import pytest

from crystallize import Experiment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and forks")
PROCESS = ("parallel", {"executor_type": "process", "max_workers": 2})


def test_the_first_import_in_a_worker_is_no_time_of_its_cell(program, tmp_path):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(2.5)\nVALUE = 1.0\n")
    printed = program(
        "def trial(replicate):\n"
        "    import slow_library\n"
        "    return slow_library.VALUE\n"
        "result = Experiment(trial, replicates=6, timeout=1, **PROCESS).run()\n"
        "print(result.errors, values(result))\n"
    ).ended()
    assert printed == f"[] {[1.0] * 6}"


def test_a_cell_that_hangs_after_an_import_is_late_all_the_same(program, tmp_path):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(1.5)\n")
    printed = program(
        "def trial(replicate):\n"
        "    import slow_library\n"
        "    if replicate == 1:\n        time.sleep(30)\n"
        "    return 1.0\n"
        "result = Experiment(trial, replicates=4, timeout=1, **PROCESS).run()\n"
        "print([(e.replicate, e.type) for e in result.errors])\n"
    ).ended()
    assert printed == "[(1, 'TimedOut')]"


@pytest.mark.parametrize("strategy", ["process", "async"])
@pytest.mark.parametrize("whom", ["program", "group"])
def test_a_program_that_was_stopped_and_continued_has_no_late_cells(program, strategy, whom):
    running = program(
        "def trial(replicate):\n"
        "    ready()\n    time.sleep(0.5)\n    return float(replicate)\n"
        "async def atrial(replicate):\n"
        # Once it waits: a stop in the middle of a step is not told from one that takes long.
        "    asyncio.get_running_loop().call_soon(ready)\n"
        "    await asyncio.sleep(0.5)\n    return float(replicate)\n"
        "if __name__ == '__main__':\n"
        "    how = (trial, PROCESS) if sys.argv[1] == 'process' else (atrial, ASYNC)\n"
        "    result = Experiment(how[0], replicates=6, timeout=2, **how[1]).run()\n"
        "    print(values(result), result.errors)\n",
        strategy,
        start_new_session=True,
    )
    running.wait_for("ready")
    running.send(signal.SIGSTOP, group=whom == "group")
    time.sleep(3)  # longer than a cell may take: this is what is tested
    running.send(signal.SIGCONT, group=whom == "group")
    assert running.ended() == f"{[float(i) for i in range(6)]} []"


def test_a_slow_reader_makes_no_cell_late():
    def trial(replicate):
        return {"large": np.full(2**20, replicate)}

    name, options = PROCESS
    experiment = Experiment(
        trial, replicates=6, timeout=0.5, execution=name, execution_options=options
    )
    outcomes = []
    for outcome in experiment.stream():
        outcomes.append(outcome)
        if len(outcomes) < 3:
            time.sleep(1)  # meanwhile blocks that are done wait in the pipes
    assert [outcome.error for outcome in outcomes] == [None] * 6
