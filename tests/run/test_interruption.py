"""Ctrl-C and SIGTERM, however a run is driven and wherever they land."""

import json
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

WAYS = {
    "run serial": "Experiment(plain, replicates=2000, **options).run()",
    "run threads": "Experiment(plain, replicates=2000, execution='parallel', **options).run()",
    "run processes": "Experiment(plain, replicates=2000, **PROCESS, **options).run()",
    "run async": "Experiment(waits, replicates=2000, **ASYNC, **options).run()",
    "run serial coroutines": "Experiment(waits, replicates=2000, **options).run()",
    "arun serial": "asyncio.run(Experiment(plain, replicates=2000, **options).arun())",
    "arun processes": (
        "asyncio.run(Experiment(plain, replicates=2000, **PROCESS, **options).arun())"
    ),
    "arun async": "asyncio.run(Experiment(waits, replicates=2000, **ASYNC, **options).arun())",
    "stream serial": "list(Experiment(plain_long, replicates=2000, **options).stream())",
    "stream async": "list(Experiment(waits_long, replicates=2000, **ASYNC, **options).stream())",
    "a plain loop": "Experiment(plain, replicates=2000, execution=Loop(), **options).run()",
}

PROGRAM = """
class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


def plain(replicate):
    if replicate == 10:
        ready()
    time.sleep(0.01)
    return float(replicate)


async def waits(replicate):
    if replicate == 10:
        ready()
    await asyncio.sleep(0.01)
    return float(replicate)


# A signal is the reader's while that has outcomes of a stream: it has none for a while after these.
def plain_long(replicate):
    if replicate == 10:
        ready()
        for _ in range(30):
            time.sleep(0.01)
    return float(replicate)


async def waits_long(replicate):
    if replicate >= 10:
        await asyncio.sleep(0.2)
        if replicate == 10:
            ready()
        await asyncio.sleep(0.5)
    return float(replicate)


options = {"seed": 1, "store": "cells.db"}
if __name__ == "__main__":
    try:
        try:
            %s
        except Interrupted as error:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            interrupted = error
    except KeyboardInterrupt as error:
        # A second signal, after the run had ended by the first: while the loop was closed, say.
        interrupted = error
        while not isinstance(interrupted, Interrupted):
            interrupted = interrupted.__context__
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    values = interrupted.result.metrics["baseline"]["value"]
    kept = [i for i, value in enumerate(values) if value == i]
    print(len(kept), done(interrupted.result), interrupted.signum, len(interrupted.result.errors))
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
@pytest.mark.parametrize("way", WAYS)
def test_a_signal_ends_the_run_and_result_and_store_agree(program, tmp_path, way, signum):
    running = program(PROGRAM % WAYS[way])
    printed = running.signalled(signum)
    assert running.returncode == 0, running.err
    kept, done, signalled, errors = map(int, printed.split())
    assert running.seconds < 6  # two seconds, and a machine that does other things too
    assert 0 < kept == done < 2000
    assert signalled == signum
    assert errors == 0
    from crystallize.store.stored import StoredExperiment

    (row,) = StoredExperiment(tmp_path / "cells.db").counts()
    assert (row["done"], row["failed"]) == (kept, 0)


GOING_AWAY = """
import weakref

class Slow:
    def __init__(self, how):
        if how == "finalize":
            weakref.finalize(self, goes_away)
        else:
            self.goes_away = goes_away

    def __del__(self):
        if hasattr(self, "goes_away"):
            self.goes_away()

def goes_away():
    ready()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass

def trial(replicate):
    if replicate == 5:
        Slow(%r)
    time.sleep(0.01)
    return replicate

try:
    Experiment(trial, replicates=300).run()
except Interrupted as error:
    print(done(error.result))
"""


@pytest.mark.parametrize("how", ["__del__", "finalize"])
def test_a_signal_while_an_object_goes_away_is_not_lost(program, how):
    running = program(GOING_AWAY % how)
    assert 5 <= int(running.signalled(signal.SIGINT)) < 300
    assert running.err == ""


@pytest.mark.parametrize("way", ["run serial", "run threads", "run processes", "arun async"])
@pytest.mark.parametrize("pause", [0.0, 0.003, 0.02])
def test_two_signals_are_one_interruption(program, tmp_path, way, pause):
    running = program(PROGRAM % WAYS[way])
    kept, done, *_ = map(int, running.signalled(signal.SIGINT, signal.SIGINT, pause=pause).split())
    assert kept == done
    assert running.returncode == 0, running.err
    from crystallize.store.stored import StoredExperiment

    (row,) = StoredExperiment(tmp_path / "cells.db").counts()
    assert row["done"] == kept


HANGING = """
HANG = {
    "sleep": lambda: time.sleep(60),
    "lock": lambda: threading.Event().wait(),
    "program": lambda: subprocess.run(["sleep", "60"]),
    "deaf": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]) or time.sleep(60),
}[sys.argv[1]]


def trial(replicate):
    with open("ran", "ab", buffering=0) as file:
        file.write(b"%%d\\n" %% replicate)  # whole or not at all, where a signal ends the cell
    if replicate == 1000 and not Path("again").exists():
        time.sleep(0.2)  # by then a stream's reader has no batch: what comes is not its signal
        ready()
        HANG()
    return float(replicate)


options = {"seed": 1, "store": "cells.db", "replicates": 2000, **PROCESS}
if __name__ == "__main__":
    try:
        %s
    except Interrupted as error:
        kept = error.result
    Path("again").touch()
    again = Experiment(trial, **options).run()
    ran = [int(line) for line in Path("ran").read_text().splitlines()]
    twice = sorted(replicate for replicate in set(ran) if ran.count(replicate) > 1)
    told = bool(kept.done["baseline"][900:1000].all()), len(kept.errors)
    print(json.dumps([told, done(again), twice]))
"""


@pytest.mark.parametrize("hangs", ["sleep", "lock", "program"])
@pytest.mark.parametrize(
    "way",
    [
        "Experiment(trial, **options).run()",
        "asyncio.run(Experiment(trial, **options).arun())",
        "list(Experiment(trial, **options).stream())",
    ],
    ids=["run", "arun", "stream"],
)
def test_what_finished_in_a_block_beside_a_cell_that_hangs_is_kept(program, way, hangs):
    running = program(HANGING % way, hangs)
    told, done, twice = json.loads(running.signalled(signal.SIGINT))
    assert running.seconds < 10
    assert done == 2000
    assert 1000 in twice
    assert told == [True, 0]
    assert len(twice) <= 2  # another worker may be in the middle of a cell, too


def test_a_cell_that_no_signal_reaches_keeps_nobody_waiting(program):
    running = program(HANGING % "Experiment(trial, **options).run()", "deaf")
    (_, errors), done, _ = json.loads(running.signalled(signal.SIGINT))
    assert running.seconds < 10
    assert (errors, done) == (0, 2000)


@pytest.mark.parametrize("way", ["{}.run()", "asyncio.run({}.arun())"], ids=["run", "arun"])
@pytest.mark.parametrize(
    "threads",
    [
        "execution='parallel', execution_options={'max_workers': 3}",
        "execution='futures', execution_options="
        "{'factory': 'concurrent.futures:ThreadPoolExecutor', 'workers': 3}",
    ],
    ids=["parallel", "futures"],
)
def test_what_finished_in_blocks_of_threads_is_kept_and_no_cell_goes_on(program, threads, way):
    running = program(
        "finished = set()\n"
        "def trial(replicate):\n"
        "    time.sleep(0.002)\n"
        "    finished.add(replicate)\n"
        "    if replicate == 300:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return float(replicate)\n"
        "try:\n"
        f"    {way.format(f'Experiment(trial, replicates=5000, {threads})')}\n"
        "except Interrupted as error:\n"
        "    done, at_the_end = error.result.done['baseline'], set(finished)\n"
        "    time.sleep(0.3)\n"
        "    print({i for i in range(5000) if done[i]} == finished == at_the_end)\n"
    )
    assert running.ended() == "True"


def test_a_cell_that_hangs_in_a_thread_keeps_what_finished_elsewhere_from_nobody(program):
    running = program(
        "def trial(replicate):\n"
        "    if replicate == 300:\n"
        "        ready()\n"
        "        time.sleep(60)\n"
        "    time.sleep(0.002)\n"
        "    return float(replicate)\n"
        "try:\n"
        "    Experiment(trial, replicates=5000, execution='parallel').run()\n"
        "except Interrupted as error:\n"
        "    print(done(error.result) > 250)\n"
    )
    assert running.signalled(signal.SIGINT) == "True"
    assert running.seconds < 4


@pytest.mark.parametrize("hook", ["before_run", "outcomes_completed", "extend_result", "after_run"])
def test_a_signal_in_a_hook_ends_the_run_with_what_had_finished(program, hook):
    running = program(
        "class Slow:\n"
        "    @hookimpl\n"
        f"    def {hook}(self, experiment):\n"
        "        ready()\n"
        "        for _ in range(600):\n"  # one long sleep may begin just after the signal
        "            time.sleep(0.1)\n"
        "try:\n"
        "    Experiment(lambda: 1.0, replicates=20, plugins=[Slow()]).run()\n"
        "except Interrupted as error:\n"
        "    print(done(error.result), error.result.provenance['plugin_errors'])\n"
    )
    done = running.signalled(signal.SIGINT)
    assert running.seconds < 6
    assert done == {"before_run": "0 []", "outcomes_completed": "1 []"}.get(hook, "20 []")


def test_a_signal_while_a_store_is_read_gives_what_it_holds(program):
    running = program(
        "from crystallize.store.archive import Archive\n"
        "def trial():\n"
        "    return 1.0\n"
        "Experiment(trial, replicates=20, seed=1, store='cells.db').run()\n"
        "arrived, wakeup = os.pipe()\n"
        "os.set_blocking(wakeup, False)\n"
        "signal.set_wakeup_fd(wakeup)\n"
        "load = Archive.load\n"
        "def slowly(self):\n"
        "    ready()\n"
        "    os.read(arrived, 1)\n"
        "    return load(self)\n"
        "Archive.load = slowly\n"
        "try:\n"
        "    Experiment(trial, replicates=40, seed=1, store='cells.db').run()\n"
        "except Interrupted as error:\n"
        "    print(done(error.result))\n"
    )
    assert running.signalled(signal.SIGINT) == "20"


STRUCK = {
    "a bare except": (
        "def trial(replicate):\n"
        "    try:\n"
        "        if replicate == 5:\n"
        "            ready()\n"
        "            for _ in range(600):\n"
        "                time.sleep(0.05)\n"
        "        return float(replicate)\n"
        "    except:\n"
        "        return -1.0\n"
    ),
    "a callback of C code": (
        "import ctypes\n"
        "CALLBACK = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)\n"
        "def slow(x):\n"
        "    ready()\n"
        "    for _ in range(600):\n"
        "        time.sleep(0.05)\n"
        "    return x\n"
        "def trial(replicate):\n"
        "    return CALLBACK(slow)(5.0) if replicate == 5 else float(replicate)\n"
    ),
    "a nested experiment": (
        "def inner(replicate):\n"
        "    if replicate == 3:\n"
        "        ready()\n"
        "        for _ in range(600):\n"
        "            time.sleep(0.05)\n"
        "    return 1.0\n"
        "def trial(replicate):\n"
        "    if replicate == 5:\n"
        "        Experiment(inner, replicates=9).run()\n"
        "    return float(replicate)\n"
    ),
    "another exception": (
        "def trial(replicate):\n"
        "    try:\n"
        "        if replicate == 5:\n"
        "            ready()\n"
        "            for _ in range(600):\n"
        "                time.sleep(0.05)\n"
        "        return float(replicate)\n"
        "    except BaseException as error:\n"
        "        raise ValueError('oh') from error\n"
    ),
}


@pytest.mark.parametrize("kind", STRUCK)
def test_a_cell_in_which_the_signal_landed_is_run_again(program, kind):
    running = program(
        STRUCK[kind] + "try:\n"
        "    Experiment(trial, replicates=9, seed=1, store='cells.db').run()\n"
        "except Interrupted as error:\n"
        "    print(done(error.result), error.result.errors)\n"
        "time.sleep = lambda seconds: None  # which is a change of what the function does\n"
        "result = Experiment(\n"
        "    trial, replicates=9, seed=1, store='cells.db', accept_changes=True\n"
        ").run()\n"
        "print(result.metrics['baseline']['value'].tolist(), result.errors)\n"
    )
    first, second = running.signalled(signal.SIGINT).splitlines()
    assert first == "5 []"
    assert second == f"{[float(i) for i in range(9)]} []"


@pytest.mark.parametrize("before", ["pass", "raise KeyboardInterrupt"])
def test_an_executor_that_does_not_answer_is_interrupted_all_the_same(program, before):
    running = program(
        "from crystallize.plugins.execution import Completion, Execution\n"
        "class Deaf(Execution):\n"
        "    @hookimpl\n"
        "    def execute(self, experiment, call, next_task, run):\n"
        "        yield Completion(task := next_task(), call(task))\n"
        "        ready()\n"
        "        for _ in range(1200):\n"
        "            time.sleep(0.05)\n"
        "def run():\n"
        "    try:\n"
        "        Experiment(lambda: 1.0, replicates=20, execution=Deaf()).run()\n"
        "    except Interrupted as error:\n"
        "        print(done(error.result))\n"
        "try:\n"
        f"    {before}\n"
        "except KeyboardInterrupt:\n"  # which the program handles, not the executor
        "    run()\n"
        "else:\n"
        "    run()\n"
    )
    assert running.signalled(signal.SIGINT) == "1"
    assert running.seconds < 6


@pytest.mark.parametrize("goes_on", ["raise", "return [replicate_fn(i) for i in range(3)]"])
def test_an_executor_that_ends_since_a_worker_was_interrupted_ends_in_order(program, goes_on):
    # A terminal interrupts the workers too, and what they raise comes to the executor.
    running = program(
        "class Ending:\n"
        "    @hookimpl\n"
        "    def run_experiment_loop(self, experiment, replicate_fn):\n"
        "        try:\n"
        "            ready()\n"
        "            time.sleep(0.5)\n"
        "            raise KeyboardInterrupt\n"
        "        except KeyboardInterrupt:\n"
        "            for _ in range(40):\n"
        "                time.sleep(0.05)\n"
        "            print('in order')\n"
        f"            {goes_on}\n"
        "try:\n"
        "    Experiment(lambda: 1.0, replicates=3, execution=Ending()).run()\n"
        "except Interrupted as error:\n"
        "    print(done(error.result))\n"
    )
    assert running.signalled(signal.SIGINT).splitlines() == ["in order", "0"]


def test_the_handlers_are_the_callers_before_and_after(program):
    running = program(
        "handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]\n"
        "Experiment(lambda: 1.0, replicates=3).run()\n"
        "asyncio.run(Experiment(lambda: 1.0, replicates=3).arun())\n"
        "for outcome in Experiment(lambda: 1.0, replicates=3).stream():\n"
        "    now = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]\n"
        "    assert now == handlers, now\n"
        "print([signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers)\n"
    )
    assert running.ended() == "True"


def test_a_handler_of_the_users_stays_in_place(program):
    running = program(
        "seen = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: seen.append(1))\n"
        "def trial(replicate):\n"
        "    if replicate == 2:\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    return 1.0\n"
        "print(done(Experiment(trial, replicates=5).run()), seen)\n"
    )
    assert running.ended() == "5 [1]"


def test_ctrl_c_keeps_what_finished(program):
    running = program(
        "def trial(replicate):\n"
        "    if replicate == 30:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    return replicate\n"
        "try:\n"
        "    Experiment(trial, replicates=100).run()\n"
        "except Interrupted as stopped:\n"
        "    print(done(stopped.result), len(stopped.result.errors))\n"
    )
    assert running.ended() == "30 0"
