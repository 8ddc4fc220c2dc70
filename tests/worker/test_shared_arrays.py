"""Large arrays among the parameters: one copy for all worker processes, the same bits."""

import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any

import numpy as np
import psutil
import pytest

from crystallize import Experiment
from crystallize.testing import same_result
from crystallize.worker import shared_arrays as mapped
from crystallize.worker.shared_arrays import LARGE_BYTES

pytestmark = pytest.mark.faults  # it takes long

PROCESS: dict[str, Any] = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """What is in the folder for mapped arrays, which nobody else uses meanwhile."""
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setattr(mapped, "SHARED_MEMORY", folder)
    return lambda: set(folder.iterdir())


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize(
    "data",
    [
        rng().random((300, 700)),
        np.asfortranarray(rng().random((300, 700))),
        rng().random((700, 900))[::2, ::3],
        rng().integers(0, 9, 2 * LARGE_BYTES, dtype=np.int8),
        rng().random(LARGE_BYTES).astype(np.float32)[::-1],
        np.array(["long enough" * 9] * 9000),
        [rng().random(LARGE_BYTES // 8), {"inner": (rng().random(LARGE_BYTES // 4), 1)}],
    ],
    ids=["C", "Fortran", "strided", "int8", "backwards", "text", "nested"],
)
def test_the_numbers_are_those_of_a_serial_run(data):
    def trial(data, replicate):
        arrays = [data] if isinstance(data, np.ndarray) else [data[0], data[1]["inner"][0]]
        metrics: dict[str, Any] = {"type": str({type(array).__name__ for array in arrays})}
        for number, array in enumerate(arrays):
            metrics[f"order {number}"] = f"{array.flags.c_contiguous}{array.flags.f_contiguous}"
            metrics[f"writeable {number}"] = array.flags.writeable
            metrics[f"part {number}"] = array[replicate:][:3]
            if array.dtype.kind != "U":
                metrics[f"sum {number}"] = array.sum(axis=0)
        return metrics

    serial = Experiment(trial, {"c": {"data": data}}, replicates=4, seed=1).run()
    assert serial.errors == []
    same_result(
        serial, Experiment(trial, {"c": {"data": data}}, replicates=4, seed=1, **PROCESS).run()
    )


def held(size):
    """Bytes of driver and workers, shared pages once, while two conditions share an array."""
    conditions = {"a": {"data": np.ones(size // 8)}}
    conditions["b"] = conditions["a"]
    experiment = Experiment(lambda data: float(data.sum()), conditions, replicates=50, **PROCESS)
    del conditions
    most = 0
    for _ in experiment.stream():
        now = 0
        for process in (psutil.Process(), *psutil.Process().children()):
            with suppress(psutil.NoSuchProcess):  # git, which says what the commit is
                now += process.memory_full_info().pss
        most = max(most, now)
    return most


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere shared pages are counted twice")
def test_there_is_one_copy_for_driver_and_workers():
    size = 64 * 2**20
    without = held(8)
    assert size * 0.9 < held(size) - without < size * 1.2


def test_the_file_goes_with_the_experiment(files):
    before = files()
    experiment = Experiment(
        lambda data: float(data[0]), {"c": {"data": np.ones(LARGE_BYTES)}}, **PROCESS
    )
    assert experiment.run().metrics["c"]["value"].tolist() == [1.0]
    assert experiment.run().metrics["c"]["value"].tolist() == [1.0]
    assert len(files() - before) == 1
    del experiment
    assert files() == before


def test_a_mapped_file_of_the_users_is_not_copied(tmp_path, files):
    np.save(tmp_path / "data.npy", rng().random(LARGE_BYTES // 8))
    data = np.load(tmp_path / "data.npy", mmap_mode="r")
    before = files()
    trial = lambda data: {"sum": data.sum(), "type": type(data).__name__}  # noqa: E731
    experiment = Experiment(trial, {"c": {"data": data}}, replicates=2, seed=1, **PROCESS)
    result = experiment.run()
    assert files() == before
    same_result(Experiment(trial, {"c": {"data": data}}, replicates=2, seed=1).run(), result)
    assert result.metrics["c"]["type"].tolist() == ["ndarray"] * 2
    # Changes of this process that are in no file are copied with it.
    data = np.load(tmp_path / "data.npy", mmap_mode="c")
    data[0] = 1e9
    changed = Experiment(trial, {"c": {"data": data}}, **PROCESS).run()
    assert changed.metrics["c"]["sum"][0] == data.sum()
    del experiment
    assert (tmp_path / "data.npy").exists()


@pytest.mark.parametrize("what", ["without a name", "deleted", "replaced"])
def test_a_mapped_file_that_is_no_longer_there_is_copied(tmp_path, what):
    path, other = tmp_path / "data.npy", tmp_path / "other.npy"
    np.save(path, np.ones(LARGE_BYTES // 8))
    np.save(other, np.full(LARGE_BYTES // 8, 7.0))
    data = np.load(path, mmap_mode="r")
    if what == "without a name":
        with tempfile.TemporaryFile() as file:
            data = np.memmap(file, dtype=float, mode="w+", shape=LARGE_BYTES // 8)
            data[:] = 1.0
    elif what == "deleted":
        path.unlink()
    else:
        other.replace(path)
    result = Experiment(lambda data: data.sum(), {"c": {"data": data}}, **PROCESS).run()
    assert result.metrics["c"]["value"].tolist() == [LARGE_BYTES / 8]


@pytest.mark.parametrize("first", [{}, PROCESS], ids=["serial", "process"])
def test_a_store_goes_on_under_another_strategy(tmp_path, first):
    second = {} if first else PROCESS
    conditions = {"c": {"data": [np.arange(LARGE_BYTES / 8)], "more": np.ones(LARGE_BYTES)}}

    def trial(data, more, replicate):
        return data[0].sum() + more.sum() + replicate

    for replicates, options in ((2, first), (5, second)):
        parameters = {name: dict(values) for name, values in conditions.items()}
        options = {"replicates": replicates, "seed": 1, "store": tmp_path / "s.db", **options}
        result = Experiment(trial, parameters, **options).run()
    assert result.provenance["store"]["found"] == 2
    assert np.isfinite(result.metrics["c"]["value"]).sum() == 5


def test_what_is_cut_from_a_mapped_array_is_pickled_as_it_is():
    experiment = Experiment(
        lambda data: 1.0, {"c": {"data": rng().random(LARGE_BYTES // 8)}}, **PROCESS
    )
    experiment.run()
    data = experiment.conditions["c"]["data"]
    assert len(pickle.dumps(data)) < 1000
    for part in (data[5:9], data[::2], data + 1):
        assert (pickle.loads(pickle.dumps(part)) == part).all()
    assert (pickle.loads(pickle.dumps(data)) == data).all()


KILLED = """
import numpy as np
from crystallize.worker import shared_arrays as mapped

mapped.SHARED_MEMORY = Path(sys.argv[1])

def trial(data):
    ready()
    time.sleep(60)

Experiment(trial, {"c": {"data": np.ones(2**20)}}, **PROCESS).run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_file_goes_with_a_driver_that_is_killed(program, files):
    before = files()
    driver = program(KILLED, mapped.SHARED_MEMORY)
    driver.wait_for("ready")
    assert files() - before
    others = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    psutil.wait_procs(others, 10)
    assert files() <= before


NO_ROOM = """
import resource, sys
from pathlib import Path
import numpy as np
from crystallize import Experiment
from crystallize.errors import ExecutorError
from crystallize.worker import shared_arrays as mapped

mapped.SHARED_MEMORY = Path(sys.argv[1])

resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, 2**19))
experiment = Experiment(
    lambda data: float("never"), {"c": {"data": np.ones(2**20)}}, execution="parallel",
    execution_options={"executor_type": "process"},
)
try:
    experiment.run()
except ExecutorError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_no_room_is_an_error_before_the_first_replicate(files):
    before = files()
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, mapped.SHARED_MEMORY],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "There is no room in" in done.stdout, done.stderr
    assert "8,388,608 bytes" in done.stdout
    assert "TMPDIR" in done.stdout
    assert done.stderr == ""
    assert files() <= before


def test_a_run_replaces_no_array_of_an_experiment():
    def total(data):
        return data.sum()

    experiment = Experiment(total, {"a": {"data": np.ones(2**18)}}, **PROCESS)
    before = experiment.conditions["a"]["data"]
    experiment.run()
    assert experiment.conditions["a"]["data"] is before
