"""Functions that fork: a child is no second driver, and answers nobody."""

import os
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

STRATEGIES = {
    "serial": "{}",
    "thread": "{'execution': 'parallel'}",
    "process": "PROCESS",
}
ENDS = {
    "os._exit": "os._exit(0)",
    "sys.exit": "sys.exit(0)",
    "raise": "raise ValueError('in the child')",
    "return": "return -1.0",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_forked_child_runs_no_further_cell_and_keeps_nothing(program, tmp_path, strategy, end):
    running = program(
        "def trial(replicate):\n"
        "    with open('calls', 'a') as calls:\n"
        "        print(replicate, os.getpid(), file=calls)\n"
        "    if replicate == 2 and os.fork() == 0:\n"
        f"        {ENDS[end]}\n"
        "    return float(replicate)\n"
        "if __name__ == '__main__':\n"
        "    me = os.getpid()\n"
        "    result = Experiment(\n"
        f"        trial, replicates=30, seed=1, store='cells.db', **{STRATEGIES[strategy]}\n"
        "    ).run()\n"
        "    values = result.metrics['baseline']['value'].tolist()\n"
        "    print(me == os.getpid(), values, result.errors)\n"
    )
    assert running.ended() == f"True {[float(i) for i in range(30)]} []"
    calls = [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]
    assert sorted(map(int, calls)) == list(range(30))
    if end == "raise":
        assert "ValueError: in the child" in running.err


def test_a_forked_child_has_the_programs_own_signal_handlers(program):
    running = program(
        "import multiprocessing\n"
        "def trial(replicate):\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        return float(sum(pool.map(abs, range(-3, 0))))\n"
        "if __name__ == '__main__':\n"
        "    print(Experiment(trial, replicates=8).run().metrics['baseline']['value'].tolist())\n"
    )
    assert running.ended() == str([6.0] * 8)
    assert running.err == ""


def test_a_child_that_is_ended_as_soon_as_it_is_there_ends(program):
    running = program(
        "def trial():\n"
        "    if (child := os.fork()) == 0:\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "    os.kill(child, signal.SIGTERM)\n"
        "    return os.waitpid(child, 0)[1]\n"
        "if __name__ == '__main__':\n"
        "    print(values(Experiment(trial, replicates=30).run()))\n"
    )
    assert running.ended() == str([15] * 30)


def test_a_signal_that_comes_during_a_fork_ends_the_run(start):
    running = start(
        sys.executable,
        "-c",
        "import os, signal, time\n"
        "cell = None\n"
        # Before the library's own hooks, so that this is the last thing before the fork.
        "def interrupt():\n"
        "    if cell == 5:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "os.register_at_fork(before=interrupt)\n"
        "from crystallize import Experiment, Interrupted\n"
        "def trial(replicate):\n"
        "    global cell\n"
        "    cell = replicate\n"
        "    if os.fork() == 0:\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    if cell == 5:\n"
        "        time.sleep(60)\n"
        "    return replicate\n"
        "try:\n"
        "    Experiment(trial, replicates=30).run()\n"
        "except Interrupted as interrupted:\n"
        "    print(interrupted.result.done['baseline'].sum())\n",
    )
    assert running.ended() == "5"
    assert "Exception ignored" not in running.err


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_forked_child_logs_is_of_the_cell_that_forked_it(program, tmp_path, strategy):
    running = program(
        "import logging\n"
        "class Notes(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        with open('notes', 'a') as notes:\n"
        "            print(record.getMessage(), record.replicate, file=notes)\n"
        "def trial(replicate):\n"
        "    if os.fork() == 0:\n"
        "        log = logging.getLogger(f'child-{replicate}')\n"
        "        log.addHandler(Notes())\n"
        "        log.warning('%d', replicate)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    return float(replicate)\n"
        "if __name__ == '__main__':\n"
        f"    Experiment(trial, replicates=8, **{STRATEGIES[strategy]}).run()\n"
    )
    running.ended()
    notes = (tmp_path / "notes").read_text().splitlines()
    assert sorted(notes) == [f"{replicate} {replicate}" for replicate in range(8)]
