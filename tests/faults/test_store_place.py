"""One store has one driver, whatever it is called, and what becomes of its file is noticed."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from crystallize import Experiment, StoreError, StoreWarning
from crystallize.store.stored import StoredExperiment

WAITING = """
def trial(rng, replicate):
    if replicate == 5:
        ready()
        while not Path("go").exists():
            time.sleep(0.01)
    return float(replicate)

try:
    result = Experiment(trial, replicates=10, seed=1, store=sys.argv[1]).run()
    print("done", done(result))
except Exception as error:
    print(type(error).__name__, "result", done(error.result), str(error))
"""


def go(folder):
    (folder / "go").touch()


def cells(path):
    (row,) = StoredExperiment(path).counts()
    return row["done"]


def finished(said):
    """How many cells the result had of a run that ended when its store was lost."""
    kind, _, number, _ = said.split(maxsplit=3)
    assert kind == "StoreLostError"
    assert 5 < int(number) <= 10
    return int(number)


def trial(replicate):
    return float(replicate)


@pytest.fixture
def running(program, tmp_path):
    """A run that has half of its cells in the store s.db, and waits for the file go."""
    (tmp_path / "folder").mkdir()
    running = program(WAITING, "folder/s.db")
    running.wait_for("ready")
    return running


@pytest.fixture
def store(tmp_path):
    return tmp_path / "folder" / "s.db"


@pytest.mark.parametrize("by", ["same", "hard link", "symbolic link", "linked folder", "no lock"])
def test_a_second_driver_is_refused_by_whatever_name(running, store, tmp_path, by):
    other = tmp_path / "other.db"
    if by == "hard link":
        other.hardlink_to(store)
    elif by == "symbolic link":
        other.symlink_to(store)
    elif by == "linked folder":
        (tmp_path / "second").symlink_to(store.parent)
        other = tmp_path / "second" / "s.db"
    else:
        other = store
        for beside in store.parent.iterdir():
            if (by == "no lock" and "lock" in beside.name) or "driver" in beside.name:
                beside.unlink()
    with pytest.raises(StoreError, match="another run is using this store"):
        Experiment(trial, replicates=10, seed=1, store=other).run()
    go(tmp_path)
    assert running.ended() == "done 10"
    assert cells(store) == cells(other) == 10


def test_a_store_of_two_names_is_resumed_by_either_but_not_without_its_log(
    running, store, tmp_path
):
    other = tmp_path / "other.db"
    other.hardlink_to(store)
    running.kill()
    with pytest.raises(StoreError, match=r"s.db-wal|has 2 names .hard links."):
        Experiment(trial, replicates=10, seed=1, store=other, accept_changes=True).run()
    with (
        pytest.warns(StoreWarning, match="other.db-wal, which is not there"),
        pytest.raises(StoreError, match="this store is empty"),
    ):
        StoredExperiment(other)
    assert cells(store) > 0
    go(tmp_path)
    subprocess.run([sys.executable, "program.py", store], cwd=tmp_path, check=True, timeout=60)
    assert cells(store) == cells(other) == 10


def test_a_store_that_is_deleted_in_the_middle_of_a_run_is_written_anew(running, store, tmp_path):
    store.unlink()
    go(tmp_path)
    said = running.ended()
    assert "was deleted" in said
    assert cells(store) == finished(said)
    assert store.stat().st_mode & 0o777 == 0o600


def test_a_store_whose_folder_is_deleted_leaves_the_result(running, store, tmp_path):
    shutil.rmtree(store.parent)
    go(tmp_path)
    assert "What finished is in the result alone" in running.ended()


def test_a_store_that_is_renamed_in_the_middle_of_a_run_has_all_cells(running, store, tmp_path):
    moved = store.rename(tmp_path / "moved.db")
    go(tmp_path)
    said = running.ended()
    assert "was renamed" in said
    assert str(moved) in said or sys.platform != "linux"
    assert not store.exists()
    assert cells(moved) == finished(said)


def test_a_store_that_is_replaced_is_left_alone_and_what_finished_is_beside_it(
    running, store, tmp_path
):
    stranger = tmp_path / "stranger.db"
    Experiment(trial, replicates=3, seed=9, store=stranger).run()
    before = stranger.read_bytes()
    os.replace(stranger, store)  # noqa: PTH105
    go(tmp_path)
    said = running.ended()
    assert "s-rescued.db" in said
    assert store.read_bytes() == before
    assert cells(store.with_name("s-rescued.db")) == finished(said)


def test_a_log_that_is_deleted_is_noticed_and_costs_nothing(running, store, tmp_path):
    store.with_name("s.db-wal").unlink()
    go(tmp_path)
    said = running.ended()
    assert "s.db-wal, the log of this store, was deleted" in said
    assert cells(store) == finished(said)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "s.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(StoreError, match="a store is a regular file"):
        Experiment(trial, replicates=2, store=path).run()
    with pytest.raises(StoreError, match="a store is a regular file"):
        StoredExperiment(path)


def test_what_is_made_is_for_its_owners_eyes(running, store, tmp_path):
    assert {path.stat().st_mode & 0o777 for path in store.parent.iterdir()} == {0o600}
    go(tmp_path)
    running.ended()
    assert store.stat().st_mode & 0o777 == 0o600


def test_of_two_drivers_that_start_at_the_same_moment_one_is_refused(tmp_path, start):
    (tmp_path / "program.py").write_text(
        "import sys, time\nfrom crystallize import Experiment, StoreError\n"
        "def trial(replicate):\n    time.sleep(0.02)\n    return float(replicate)\n"
        "if __name__ == '__main__':\n    try:\n"
        "        Experiment(trial, replicates=50, seed=1, store='s.db').run()\n"
        "    except StoreError as error:\n        print(error)\n"
    )
    both = [start(sys.executable, "program.py", cwd=tmp_path) for _ in range(2)]
    said = sorted(one.ended() for one in both)
    assert said[0] == ""
    assert said[1] == "" or "another run is using this store" in said[1]
    assert cells(tmp_path / "s.db") == 50


def test_a_forked_child_that_lives_on_does_not_keep_the_store(tmp_path, program):
    parent = program("""
def trial(replicate):
    if replicate == 3 and os.fork() == 0:
        os.close(1), os.close(2)
        Path("pid").write_text(str(os.getpid()))
        time.sleep(100)
        os._exit(0)
    return float(replicate)

Experiment(trial, replicates=5, seed=1, store="s.db").run()
while not (Path("pid").exists() and Path("pid").read_text()):
    time.sleep(0.01)
""")
    parent.ended()
    try:
        with pytest.raises(StoreError, match="holds another experiment"):
            Experiment(trial, replicates=5, seed=2, store=tmp_path / "s.db").run()
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def copy(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "crystallize", "copy", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_copy_of_a_store_in_use_has_what_was_reported_and_can_be_resumed(
    running, store, tmp_path
):
    reported = cells(store)
    made = copy(store, "copy.db", cwd=tmp_path)
    assert (made.returncode, made.stdout) == (0, f"copy.db: {reported} cells done, 0 failed\n")
    assert {path.name for path in tmp_path.iterdir()} == {"copy.db", "folder", "program.py"}
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    refused = copy(store, "copy.db", cwd=tmp_path)
    assert (refused.returncode, "--overwrite replaces it" in refused.stderr) == (2, True)
    go(tmp_path)
    assert running.ended() == "done 10"
    assert cells(tmp_path / "copy.db") == reported
    again = subprocess.run(
        [sys.executable, "program.py", "copy.db"], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert again.stdout.split()[-2:] == [b"done", b"10"]
    assert copy(store, "copy.db", "--overwrite", cwd=tmp_path).returncode == 0
    assert cells(tmp_path / "copy.db") == 10
    for to in (store, "nowhere/copy.db"):
        assert copy(store, to, "--overwrite", cwd=tmp_path).returncode in (2, 3)
    assert copy("nothing.db", "c.db", cwd=tmp_path).returncode == 2


def test_the_command_says_that_a_store_was_lost_and_prints_what_finished(start, tmp_path):
    (tmp_path / "m.py").write_text(
        "import pathlib, time\n"
        "def trial(replicate):\n"
        "    if replicate == 5:\n"
        "        pathlib.Path('ready').touch()\n"
        "        while not pathlib.Path('go').exists():\n"
        "            time.sleep(0.01)\n"
        "    return float(replicate)\n"
    )
    (tmp_path / "e.toml").write_text(
        "[experiment]\nfunction = 'm:trial'\nreplicates = 10\nseed = 1\n[store]\npath = 's.db'\n"
    )
    run = start(sys.executable, "-m", "crystallize", "run", "e.toml", cwd=tmp_path)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    (tmp_path / "s.db").unlink()
    go(tmp_path)
    printed = run.ended(code=3)
    assert "baseline" in printed
    assert "was deleted" in run.err
    assert 5 < cells(tmp_path / "s.db") <= 10
