"""The ray strategy against real heads and real worker processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
import ray
from crystallize_ray import RayExecution

from crystallize import CrystallizeError, Experiment
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test module
CONDITIONS = {"near": {"shift": 0.0}, "far": {"shift": 3.0}}

pytestmark = pytest.mark.faults  # slow: heads are started, and workers killed


def trial(rng, replicate, shift):
    time.sleep(rng.random() / 500)
    if replicate == 11:
        raise ValueError("eleven")
    return {"x": rng.normal() + shift, "draws": rng.integers(0, 9, size=3)}


@contextmanager
def noted(folder):
    Path(folder, f"opened {os.getpid()}").touch()
    yield 2.0
    Path(folder, f"closed {os.getpid()}").touch()


def rays_processes():
    """What Ray has running for this process."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and _is_rays(child.cmdline())
    ]


def _is_rays(words):
    return any(word.startswith("ray::") or ("/ray/" in word and " " not in word) for word in words)


def listening():
    """Where this process and those that it started listen."""
    found = set()
    for process in (psutil.Process(), *rays_processes()):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(connection.laddr.ip.removeprefix("::ffff:"))
    return found


@pytest.fixture(scope="module")
def head():
    """A head for all tests that do not start their own."""
    with RayExecution(workers=2).connected():
        yield ray.get_runtime_context().gcs_address
    assert not rays_processes()


def test_the_bytes_are_those_of_a_serial_run(head):
    serial = Experiment(trial, CONDITIONS, replicates=60, seed=9).run()
    options = {"workers": 2}
    on_ray = Experiment(
        trial, CONDITIONS, replicates=60, seed=9, execution="ray", execution_options=options
    ).run()
    same_result(serial, on_ray)
    assert len(on_ray.errors) == 2
    assert on_ray.provenance["execution"]["strategy"] == "ray"


def test_nothing_listens_beyond_loopback(head):
    assert listening() == {"127.0.0.1"}


def test_every_replicate_arrives_when_a_worker_is_killed(head):
    def slow(rng):
        time.sleep(0.02)
        return {"x": rng.normal(), "process": os.getpid()}

    experiment = Experiment(slow, replicates=150, seed=4, execution=RayExecution(workers=2))
    outcomes = []
    for outcome in experiment.stream():
        outcomes.append(outcome)
        if len(outcomes) == 20:
            os.kill(int(outcome.metrics["process"]), signal.SIGKILL)
    assert sorted(o.replicate for o in outcomes) == list(range(150))
    by_hand = [np.random.default_rng(s).normal() for s in np.random.SeedSequence(4).spawn(150)]
    assert [o.metrics["x"] for o in sorted(outcomes, key=lambda o: o.replicate)] == by_hand


def test_a_cell_that_kills_every_worker_is_to_blame_alone(head):
    def deadly(replicate):
        if replicate == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(replicate)

    result = Experiment(deadly, replicates=20, seed=1, execution=RayExecution(workers=2)).run()
    assert [(e.replicate, e.type) for e in result.errors] == [(7, "WorkerLost")]
    values = result.metrics["baseline"]["value"]
    assert np.flatnonzero(np.isfinite(values)).tolist() == [i for i in range(20) if i != 7]


def test_a_cell_that_takes_too_long_is_ended_and_no_other(head):
    def hanging(replicate):
        if replicate == 3:
            time.sleep(600)
        return float(replicate)

    execution = RayExecution(workers=2)
    result = Experiment(hanging, replicates=20, seed=1, timeout=2.0, execution=execution).run()
    assert [(e.replicate, e.type) for e in result.errors] == [(3, "TimedOut")]


def test_workers_leave_what_they_opened_when_the_run_ends(head, tmp_path):
    def using(client):
        time.sleep(0.05)
        return client

    result = Experiment(
        using,
        replicates=20,
        seed=1,
        resources={"client": lambda: noted(str(tmp_path))},
        execution=RayExecution(workers=2),
    ).run()
    assert not result.errors
    names = [path.name.split() for path in tmp_path.iterdir()]
    opened = {process for what, process in names if what == "opened"}
    assert opened and opened == {process for what, process in names if what == "closed"}


def test_a_function_that_workers_cannot_import_ends_the_run(head, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(
        f"import os\nif os.getpid() != {os.getpid()}:\n    raise ModuleNotFoundError('elsewhere')\n"
        "def trial(): return 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_here

    experiment = Experiment(only_here.trial, execution=RayExecution(workers=2))
    with pytest.raises(CrystallizeError, match="ModuleNotFoundError"):
        experiment.run()


def test_another_head_beside_one_is_refused(head):
    with pytest.raises(CrystallizeError, match="Ray allows it one connection"):
        Experiment(trial, CONDITIONS, execution=RayExecution(workers=1)).run()


ELSEWHERE = """
import json, sys, ray
from ray._private import ray_constants
from crystallize import CrystallizeError, Experiment
from crystallize_ray import RayExecution

def refused(**options):
    try:
        Experiment(lambda: 1.0, execution="ray", execution_options=options)
    except CrystallizeError as error:
        return str(error)

address = sys.argv[1]
values = Experiment(
    lambda rng: rng.normal(), replicates=40, seed=3,
    execution="ray", execution_options={"address": address},
).run().metrics["baseline"]["value"].tolist()
found = {
    "values": values,
    "workers": RayExecution(address).capabilities.workers,
    "halves": RayExecution(address, num_cpus=0.5).capabilities.workers,
    "too large": refused(address=address, num_cpus=3),
    "unknown": refused(address=address, resources={"licence": 1}),
    "connected": ray.is_initialized(),
}
ray_constants.ENABLE_RAY_CLUSTER = False  # or else Ray takes 127.0.0.1 for another address
ray.init(address=address, log_to_driver=False)
found["auto"] = RayExecution("auto").capabilities.workers
found["another"] = refused(address="192.0.2.1:6379")
try:
    Experiment(lambda: 1.0, execution=RayExecution(workers=1)).run()
except CrystallizeError as error:
    found["own head"] = str(error)
found["still"] = ray.is_initialized()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def elsewhere(head):
    """What another program came to that was given the head's address."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token"}  # the head asks for its own
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, head],
        capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_head_at_an_address_gives_the_same_values(elsewhere):
    serial = Experiment(lambda rng: rng.normal(), replicates=40, seed=3).run()
    assert elsewhere["values"] == serial.metrics["baseline"]["value"].tolist()


def test_workers_are_what_the_cluster_has_room_for(elsewhere):
    assert (elsewhere["workers"], elsewhere["halves"]) == (2, 4)


def test_a_cell_that_fits_on_no_node_is_refused_before_anything_runs(elsewhere):
    assert "has no room for one cell, which needs CPU: 3; there is CPU: 2" in elsewhere["too large"]
    assert "needs CPU: 1, licence: 1" in elsewhere["unknown"]


def test_a_connection_of_the_programs_own_is_used_and_left(elsewhere):
    assert (elsewhere["connected"], elsewhere["still"], elsewhere["auto"]) == (False, True, 2)
    assert "is connected to the Ray at" in elsewhere["another"]
    assert "Say address = 'auto'" in elsewhere["own head"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"no Ray to be reached at '127\.0\.0\.1:1'.*refused"),
        ("nonsense", "no Ray to be reached at 'nonsense'"),
        ("ray://127.0.0.1:10001", "Ray Client.*address of the head itself"),
    ],
)
def test_no_head_at_the_address_is_said_before_anything_runs(address, message):
    program = (
        "import sys; from crystallize import Experiment\n"
        "options = {'address': sys.argv[1]}\n"
        "try:\n    Experiment(lambda: 1.0, execution='ray', execution_options=options)\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("CrystallizeError"), done.stdout + done.stderr
    assert re.search(message, done.stdout), done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: expected a whole number, 1 or more"),
        ({"num_cpus": -1}, "num_cpus: expected a number, 0 or more"),
        ({"num_gpus": 1.5}, "num_gpus: expected a number, 0 or more, and whole above 1"),
        ({"resources": {"CPU": 1}}, "num_cpus to be said for that"),
        ({"resources": {"licence": "one"}}, "resources.licence: expected a number"),
        ({"adress": "10.0.0.1:6379"}, "Did you mean 'address'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(CrystallizeError, match=message):
        Experiment(trial, CONDITIONS, execution="ray", execution_options=options)


def test_nothing_imports_ray_until_it_is_named():
    program = (
        "import sys; from crystallize import Experiment\n"
        "Experiment(lambda: 1.0, replicates=2).run()\n"
        "from crystallize.installed.catalog import Catalog\n"
        "assert 'ray' in [info.name for info in Catalog.installed().entries]\n"
        "print(sorted({'ray', 'crystallize_ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
