"""``show --watch``: a run that goes on, seen by another process."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from crystallize import Experiment
from crystallize.cli import main
from crystallize.store import Store
from crystallize.store.dropping import drop

pytestmark = pytest.mark.faults  # programs are killed and interrupted

TRIALS = """
import time
from pathlib import Path
def trial(replicate, n):
    if replicate == 3 or (replicate == 5 and n == 2):
        raise ValueError(f"no convergence after {replicate} steps\\x1b[31m")
    if replicate == 150 and n == 2:
        print("ready", flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
    time.sleep(0.005)  # so that blocks are short
    return {"x": replicate % 2}
"""
DRIVER = """
from crystallize import Experiment, Until
from trials import trial
Experiment(
    trial, {"one": {"n": 1}, "two": {"n": 2}}, replicates=REPLICATES, seed=1, name="watched",
    store="s.db", execution="parallel", execution_options={"max_workers": 2},
).run()
"""
WATCH = [sys.executable, "-m", "crystallize", "show", "s.db", "--watch", "--interval", "0.05"]


@pytest.fixture
def driver(program, tmp_path):
    """A run, one cell of which waits for a file that is called "go"."""

    def begin(replicates="200"):
        (tmp_path / "trials.py").write_text(TRIALS)
        running = program(DRIVER.replace("REPLICATES", replicates))
        running.wait_for("ready")
        return running

    return begin


def test_a_live_run_is_seen_and_its_end_is_the_end(driver, start, tmp_path):
    running = driver()
    lines = start(*WATCH, cwd=tmp_path)
    data = start(*WATCH, "--json", cwd=tmp_path)
    lines.wait_for("failed, ")
    data.wait_for("driver_lives")
    (tmp_path / "go").touch()
    running.ended()
    *earlier, head, counts, failed = lines.ended(code=1).splitlines()
    of_a_run = (
        r"\S+ \d+ of 400 cells done, \d+ failed, [\d.]+ cells/\w+,.* running, process "
        rf"{running.pid} on .+ lives, as of \d:\d\d:\d\d ago"
    )
    assert earlier
    assert all(re.fullmatch(of_a_run, line) for line in earlier)
    assert head.endswith("watched, strategy parallel: ended")
    assert counts.endswith("397 of 400 cells done, 3 failed")
    assert re.search(
        r"failed 3 times: ValueError: no convergence after 3 steps\\x1b\[31m \(first: condition "
        r"'(one|two)', replicate 3, seed \d+\)$",
        failed,
    )
    *earlier, last = map(json.loads, data.ended(code=1).splitlines())
    assert all(look["driver_lives"] and not look["over"] for look in earlier)
    assert (last["done"], last["failed"], last["missing"], last["over"]) == (397, 3, 0, True)
    assert [(kind["cells"], kind["type"]) for kind in last["kinds"]] == [(3, "ValueError")]


def test_a_driver_that_was_killed_is_gone_and_ctrl_c_ends_watching(driver, start, tmp_path):
    running = driver("Until('x', half_width=0.01, at_least=50, at_most=1000)")
    watching, left = start(*WATCH, cwd=tmp_path), start(*WATCH, "--json", cwd=tmp_path)
    left.wait_for('"half_width"')
    left.send(signal.SIGINT)
    assert '"metric": "x"' in left.ended(code=130)
    assert left.err == ""
    watching.wait_for("lives")
    running.send(signal.SIGKILL)
    shown = watching.ended(code=1)
    assert f"its driver is gone, process {running.pid} on " in shown
    assert "0 of 2 conditions have replicates enough" in shown
    assert re.search(r"two: mean of x ±0\.\d+ of 0\.01, from \d+", shown)


def test_a_terminal_is_drawn_anew(driver, tmp_path):
    pty = pytest.importorskip("pty")
    running = driver()
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(WATCH, stdout=theirs, stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    shown = b""
    until = time.monotonic() + 60
    while time.monotonic() < until and select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 2**16)
        except OSError:  # the other end is closed
            break
        if b"F\x1b[J" in shown:
            (tmp_path / "go").touch()
    os.close(ours)
    assert watching.wait(60) == 1
    running.ended()
    assert b"\x1b[31m" not in shown
    first, *_, last = shown.decode().split("F\x1b[J")
    assert "running" in first
    assert "strategy parallel: ended" in last


def test_what_cannot_be_watched_is_refused(tmp_path):
    store = tmp_path / "s.db"

    def show(*arguments):
        done = CliRunner().invoke(main, ["show", *map(str, arguments)])
        return done.exit_code, done.output

    assert show("--watch", store) == (2, f"Error: {store}: there is no such store.\n")
    Experiment(lambda replicate: replicate, replicates=3, store=store).run()
    assert show("--watch", store)[0] == 0
    for options in (["--by", "n"], ["--interval", "0"]):
        assert show("--watch", store, *options)[0] == 2
    assert "--interval goes with --watch" in show(store, "--interval", 1)[1]
    with Store(store) as opened:  # as one has it that comes from elsewhere
        opened.set_status({**opened.status, "host": "elsewhere", "name": "red\x1b[31m"})
    code, said = show("--watch", store)
    assert (code, "elsewhere" in said) == (0, False)
    assert r"red\x1b[31m, strategy serial: ended" in said
    with Store(store) as opened:
        opened.set_status({"name": 1})
    code, said = show("--watch", store)
    assert code == 2
    assert "the store is damaged where it says how far its run is" in said
    drop(store, failed=False, replicates=range(1))
    code, said = show("--watch", store)
    assert code == 2
    assert "nothing is known of how far its run is" in said
