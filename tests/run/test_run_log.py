"""The log of a run: lines at the end of a file."""

import re
import subprocess
import sys
import warnings

import pytest

from crystallize import Experiment, ExportError
from crystallize.results.errors import Interrupted, TooManyFailuresError

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d \S+: ")


def fragile(replicate, limit):
    if replicate % 10 == limit:
        raise ValueError(f"no convergence after {replicate} steps")
    return replicate


def warns(replicate, limit):
    if replicate == 2:
        warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)
    return fragile(replicate, limit)


SETS = {"one": {"limit": 3}, "other": {"limit": 4}}


def lines(path):
    """What a log says, without its times and names."""
    text = path.read_text()
    assert text.endswith("\n")
    assert all(STAMP.match(line) for line in text.splitlines())
    return [STAMP.sub("", line, count=1) for line in text.splitlines()]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.log"


def test_a_log_says_what_happened(log, monkeypatch):
    monkeypatch.setenv("CRYSTALLIZE_PROGRESS_SECONDS", "1e-6")
    with pytest.warns(RuntimeWarning, match="two"):
        Experiment(warns, SETS, replicates=20, seed=5, name="logged", log=log).run()
    first, *between, last = lines(log)
    assert re.fullmatch(
        r"begun: seed 5, 40 cells of 2 conditions, strategy serial, process \d+", first
    )
    assert r"warning: RuntimeWarning: two\nlines" in between
    failed = [line for line in between if line.startswith("failed")]
    assert len(failed) == 1  # alike, but for the numbers in them
    assert re.fullmatch(
        r"failed: condition 'one', replicate 3, seed \d+: "
        "ValueError: no convergence after 3 steps",
        failed[0],
    )
    assert any(line.startswith("progress: ") for line in between)
    assert re.match("finished: 36 of 40 cells done, 4 failed, .*, in 0:00:00", last)


def test_lines_are_added_and_a_resume_says_what_was_found(log, tmp_path):
    for replicates in (10, 12):
        Experiment(
            fragile, {"one": {"limit": 5}}, replicates=replicates, seed=5, log=log,
            store=tmp_path / "s.db",
        ).run()  # fmt: skip
    words = [line.split(":")[0] for line in lines(log)]
    assert words == ["begun", "failed", "finished", "begun", "found", "finished"]
    assert "found: 9 cells done and 1 failed in the store" in lines(log)


def test_a_log_says_how_a_run_ended(log):
    def stops(replicate):
        if replicate == 2:
            import signal

            signal.raise_signal(signal.SIGINT)
        return replicate

    with pytest.raises(Interrupted):
        Experiment(stops, replicates=5, log=log).run()
    with pytest.raises(TooManyFailuresError):
        Experiment(fragile, {"a": {"limit": 0}}, replicates=5, max_failures=0, log=log).run()
    for _ in (stream := Experiment(stops, replicates=2, log=log).stream()):
        stream.close()
    ends = [line for line in lines(log) if not line.startswith(("begun", "failed: condition"))]
    assert [end.split(":")[0] for end in ends] == ["interrupted", "failed", "left"]
    assert "TooManyFailuresError: 1 cells failed" in ends[1]


@pytest.mark.parametrize("place", ["no/such/folder.log", ".", "other.txt"])
def test_what_is_no_place_for_a_log_is_refused_before_the_first_replicate(tmp_path, place):
    (tmp_path / "other.txt").write_text("somebody's notes\n")
    called = []

    def notes(replicate):
        called.append(replicate)

    with pytest.raises(ExportError, match="log"):
        Experiment(notes, log=tmp_path / place).run()
    assert called == []
    assert (tmp_path / "other.txt").read_text() == "somebody's notes\n"


FULL = """
import resource, signal, sys
from crystallize import Experiment
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fails(replicate):
    raise ValueError("x" * 400)
log, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
result = Experiment(fails, replicates=3, log=log).run()
print(len(result.errors))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
def test_a_full_disk_costs_lines_and_no_cells_and_is_refused_where_it_is_full_before(log):
    def run(limit):
        command = [sys.executable, "-c", FULL, str(log), str(limit)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    torn = run(300)
    assert torn.stdout == "3\n"
    assert torn.stderr.count("the log takes no more lines (there is no room)") == 1
    assert "The run goes on, and loses none of its cells." in torn.stderr
    full = run(10)
    assert "ExportError" in full.stderr
    assert "the log takes no line" in full.stderr
    whole = run(10_000)
    assert whole.stderr == ""
    # What was torn ends where the next begins.
    assert all(STAMP.match(line) for line in log.read_text().splitlines())
