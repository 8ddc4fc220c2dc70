"""Whatever happens to the driver or its store: what was reported is kept, the rest is run once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cloudpickle
import driven
import psutil
import pytest

from crystallize.errors import CrystallizeError, StoreWarning
from crystallize.store import Store
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(driven)

SCRIPT = Path(driven.__file__)
CELLS = 2 * driven.REPLICATES


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("CELL_LOG", str(tmp_path / "log"))
    return tmp_path / "store.db", tmp_path / "log"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    os.environ["CELL_LOG"] = os.devnull
    return driven.experiment("serial").run()


def drive(store, strategy="serial", what="none", number=0):
    return subprocess.run(
        [sys.executable, SCRIPT, store, strategy, what, str(number)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def template():
    """The program of :func:`drive` with its imports done, which forks for each order."""
    command = [sys.executable, SCRIPT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        yield program


@pytest.fixture
def forked(paths, template):
    """Drives as :func:`drive` does, where what is imported at the start is not looked at."""
    store, log = paths
    streams = store.with_name("out"), store.with_name("err")

    def drive(store, strategy="serial", what="none", number=0):
        order = [*map(str, (log, *streams, store, strategy, what, number))]
        print(json.dumps(order), file=template.stdin, flush=True)
        code = int(template.stdout.readline())
        return subprocess.CompletedProcess(order, code, *(path.read_text() for path in streams))

    return drive


def reported(done):
    return {tuple(json.loads(line)) for line in done.stdout.splitlines() if line.endswith("]")}


def finished(store):
    """The cells in a store, if there is one yet."""
    try:
        stored = StoredExperiment(store)
    except CrystallizeError:
        return set()
    return {
        (condition, replicate)
        for condition, table in stored.tables.items()
        for replicate in range(table.size)
        if table.done[replicate]
    }


def assert_resumes(store, log, clean, strategy="serial"):
    """A resume runs exactly what is missing, and its bytes are those of an undisturbed run."""
    kept = finished(store)
    log.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELL_SECONDS", "0")
        result = driven.experiment(strategy, store=store).run()
    assert Counter(log.read_text().split()).total() == CELLS - len(kept)
    assert result.provenance["store"]["found"] == len(kept)
    same_result(clean, result)


@pytest.mark.parametrize("strategy", driven.STRATEGIES)
@pytest.mark.parametrize("number", [1, 2])
def test_killed_between_a_results_arrival_and_its_commit(paths, clean, strategy, number):
    store, log = paths
    done = drive(store, strategy, "after", number)
    assert done.returncode == -signal.SIGKILL
    assert reported(done) <= finished(store)
    assert_resumes(store, log, clean, strategy)


@pytest.mark.parametrize("part", range(4))
def test_killed_at_every_store_operation(paths, clean, forked, part):
    store, log = paths
    number = part + 1
    while True:
        done = forked(store, "serial", "kill", number)
        assert reported(done) <= finished(store)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        assert_resumes(store, log, clean)
        for leftover in store.parent.glob("store.db*"):
            leftover.unlink()
        number += 4
    assert number > 20
    assert finished(store) == reported(done)


@pytest.mark.filterwarnings("ignore:.*was left in its middle")  # where even closing failed
@pytest.mark.parametrize("part", range(4))
def test_every_store_operation_failing_once_and_for_good(paths, clean, forked, part):
    store, log = paths
    number = part + 1
    while True:
        for what in ("fail", "always-fail"):
            done = forked(store, "serial", what, number)
            assert reported(done) <= finished(store)
            assert "Traceback" not in done.stderr
            assert (done.returncode == 3) == bool(done.stderr)
            if done.returncode:
                assert "disk I/O error" in done.stderr
            assert_resumes(store, log, clean)
            for leftover in store.parent.glob("store.db*"):
                leftover.unlink()
        if done.returncode == 0:
            break
        number += 4
    assert number > 20


@pytest.mark.parametrize(("what", "number"), [("pages", 20), ("bytes", 60_000)])
def test_a_full_disk_is_said_and_nothing_reported_is_lost(paths, clean, what, number):
    store, log = paths
    done = drive(store, "serial", what, number)
    assert done.returncode == 3
    assert "resume" in done.stderr
    assert str(store) in done.stderr
    assert reported(done) <= finished(store)
    assert len(finished(store)) < CELLS
    assert_resumes(store, log, clean)


@pytest.mark.parametrize("strategy", ["serial", "thread", "process", "async"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("group", [False, True])
def test_a_signal_leaves_in_time_with_what_finished(start, tmp_path, strategy, signum, code, group):
    (tmp_path / "slow.py").write_text(
        "import asyncio, time\n"
        "def trial(replicate):\n"
        "    if replicate == 3:\n"
        "        print('sleeping', flush=True)\n"
        "        for _ in range(1200):\n"
        "            time.sleep(0.05)\n"
        "    return replicate\n"
        "async def atrial(replicate):\n"
        "    if replicate == 3:\n"
        "        print('sleeping', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "    return replicate\n"
    )
    name, options = driven.STRATEGIES[strategy]
    function = "slow:atrial" if strategy == "async" else "slow:trial"
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
             for key, value in options.items()]  # fmt: skip
    config = tmp_path / "e.toml"
    config.write_text(
        f'[experiment]\nfunction = "{function}"\nreplicates = 8\nseed = 1\n'
        f'[store]\npath = "s.db"\n[execution]\nstrategy = "{name}"\n' + "\n".join(lines)
    )
    command = [sys.executable, "-m", "crystallize", "run", config, "--json"]
    running = start(*command, start_new_session=True)
    running.wait_for("sleeping")
    children = psutil.Process(running.pid).children(recursive=True)
    running.send(signum, group=group)
    out = running.ended(code=code, timeout=20)
    assert running.seconds < 5  # two seconds on a machine that does nothing else
    assert "run the same command again to resume" in running.err
    values = json.loads(out)["metrics"]["baseline"]["value"]
    kept = finished(tmp_path / "s.db")
    assert {i for i, v in enumerate(values) if v is not None} == {i for _, i in kept}
    _, alive = psutil.wait_procs(children, 5)
    assert alive == []


INTERRUPTED = """
import random
import numpy as np

def trial(replicate):
    return float(replicate) if replicate % 2 else {"value": float(replicate)}

def interrupt():
    time.sleep(delays.uniform(0.01, 0.04))
    os.kill(os.getpid(), signal.SIGINT)

delays, until, interruptions = random.Random(1), time.monotonic() + 6, 0
while time.monotonic() < until:
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        Experiment(trial, replicates=400_000, seed=1).run()
    except Interrupted as interrupted:
        values = interrupted.result.metrics["baseline"].get("value", np.array([]))
        done = np.flatnonzero(np.isfinite(values))
        assert (values[done] == done).all(), values[done]
        interruptions += 1
    except KeyboardInterrupt:  # between two runs
        pass
    thread.join()
print(interruptions)
"""


def test_wherever_ctrl_c_strikes_every_value_is_in_its_place(program):
    assert int(program(INTERRUPTED).ended()) > 10


def test_a_second_ctrl_c_leaves_at_once(program):
    running = program(
        "def trial(replicate):\n"
        "    try:\n"
        "        print('in', flush=True)\n"
        "        for _ in range(1200):\n"
        "            time.sleep(0.05)\n"
        "    finally:\n"
        "        print('stuck', flush=True)\n"
        "        for _ in range(1200):\n"
        "            time.sleep(0.05)\n"
        "Experiment(trial).run()\n"
    )
    running.wait_for("in")
    running.send(signal.SIGINT)
    running.wait_for("stuck")
    running.send(signal.SIGINT)
    running.ended(code=None, timeout=5)
    assert running.returncode


def test_no_worker_outlives_a_driver_that_is_killed(start, paths, monkeypatch):
    store, _ = paths
    monkeypatch.setenv("CELL_SECONDS", "0.1")
    running = start(sys.executable, SCRIPT, store, "process", "none", 0)
    running.wait_for("]")
    workers = psutil.Process(running.pid).children(recursive=True)
    assert len(workers) >= 2
    running.kill()
    _, alive = psutil.wait_procs(workers, 5)
    assert alive == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a pipe's end")
def test_no_worker_that_holds_the_gil_outlives_a_driver_that_is_killed(program):
    running = program(
        "import ctypes\n"
        "def trial():\n"
        "    ready()\n"
        "    ctypes.PyDLL(None).sleep(60)\n"
        "    return 1.0\n"
        "Experiment(trial, replicates=2, **PROCESS).run()\n"
    )
    running.wait_for("ready")
    workers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    _, alive = psutil.wait_procs(workers, 5)
    assert alive == []


def test_two_drivers_on_one_store(start, paths, clean, tmp_path, monkeypatch):
    store, log = paths
    log.touch()
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("CELL_GATE", str(gate))
    first = start(sys.executable, SCRIPT, store, "serial", "none", 0)
    first.wait_for("]")
    second = drive(store)
    assert second.returncode == 3
    assert "another run is using this store" in second.stderr
    gate.unlink()
    first.ended(timeout=30)
    assert Counter(log.read_text().split()).total() == CELLS
    assert_resumes(store, log, clean)


def test_a_store_that_is_locked_for_a_while_is_waited_for(program, paths, clean, forked):
    store, log = paths
    forked(store)
    other = program(
        "import sqlite3\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\nready()\ntime.sleep(3)\n"  # this while
        "c.execute('COMMIT')",
        store,
    )
    other.wait_for("ready")
    assert_resumes(store, log, clean)
    other.ended()


@pytest.mark.parametrize("place", ["payload", "checksum", "start"])
def test_a_damaged_block_is_named_set_aside_and_run_again(paths, clean, forked, place):
    store, log = paths
    forked(store)
    connection = sqlite3.connect(store)
    # Which condition comes last depends on the durations that were measured.
    number, condition = connection.execute("SELECT max(id), condition FROM blocks").fetchone()
    if place == "start":
        connection.execute("UPDATE blocks SET start = start + 1 WHERE id = ?", (number,))
    else:
        (blob,) = connection.execute(
            f"SELECT {place} FROM blocks WHERE id = ?", (number,)
        ).fetchone()
        damaged = blob[:-3] + bytes([blob[-3] ^ 1]) + blob[-2:]
        connection.execute(f"UPDATE blocks SET {place} = ? WHERE id = ?", (damaged, number))
    connection.commit()
    connection.close()
    assert len(StoredExperiment(store).damaged) == 1
    assert 0 < len(finished(store)) < CELLS
    kept = len(finished(store))
    log.write_text("")
    # Of a block of one cell, the end is before the start then, and its cells are not known.
    said = rf"(replicates \d+ to \d+ of condition '{condition}'|block \d+) are damaged"
    with pytest.warns(StoreWarning, match=said):
        result = driven.experiment("serial", store=store).run()
    assert Counter(log.read_text().split()).total() == CELLS - kept
    same_result(clean, result)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b"X" * 100 + b[100:], "not a store, or its structure is damaged"),
        (lambda b: b[: len(b) // 2], "damaged"),
        (lambda b: b"no database at all" * 100, "not a store"),
    ],
)
def test_a_damaged_file_is_refused(paths, forked, damage, message):
    store, _ = paths
    forked(store)
    store.write_bytes(damage(store.read_bytes()))
    done = forked(store)
    assert done.returncode == 3
    assert message in done.stderr


def test_a_foreign_database_and_a_newer_store_are_refused(tmp_path, paths, forked):
    store, _ = paths
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    assert "not a store of Crystallize" in forked(foreign).stderr
    forked(store)
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "format 99" in forked(store).stderr


def test_a_folder_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("CELL_LOG", os.devnull)
    done = drive(tmp_path / "nowhere" / "store.db")
    assert done.returncode == 3
    assert "its folder is not there" in done.stderr
    assert done.stdout == ""


def test_no_network_socket_is_opened(program):
    printed = program(
        "opened = []\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.bind', 'socket.connect', 'socket.getaddrinfo'):\n"
        "        opened.append((event, arguments[1:]))\n"
        "sys.addaudithook(hook)\n"
        "async def coroutine(): return 1.0\n"
        "for how in ({}, {'execution': 'parallel'}, PROCESS):\n"
        "    Experiment(lambda: 1.0, replicates=50, **how).run()\n"
        "Experiment(coroutine, replicates=50, **ASYNC).run()\n"
        "print(opened)\n"
    ).ended()
    assert printed == "[]"


def test_a_store_is_closed_and_whole_after_a_run(paths):
    store, _ = paths
    driven.experiment("serial", store=store).run()
    assert not list(store.parent.glob("store.db-wal"))
    with Store(store) as opened:
        assert len(list(opened.records())) >= 2
