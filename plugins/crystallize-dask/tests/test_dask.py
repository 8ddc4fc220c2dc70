"""The dask strategy against a real scheduler and real worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import cloudpickle
import dask
import numpy as np
import psutil
import pytest
from crystallize_dask import DaskExecution
from distributed import Client, LocalCluster

from crystallize import CrystallizeError, Experiment
from crystallize.testing import ExecutorSuite, same_result
from crystallize.testing.watching import until

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test module
CONDITIONS = {"near": {"shift": 0.0}, "far": {"shift": 3.0}}


def trial(rng, replicate, shift):
    time.sleep(rng.random() / 500)
    if replicate == 11:
        raise ValueError("eleven")
    return {"x": rng.normal() + shift, "draws": rng.integers(0, 9, size=3)}


def die_once(rng, replicate, flag):
    if replicate == 7 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rng.normal()


@pytest.fixture(scope="module")
def cluster():
    # One lost worker is enough for a task: Dask is slow to start others, and does not always.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        ) as cluster,
    ):
        yield cluster


def test_an_existing_scheduler_gives_the_same_bytes_as_serial(cluster):
    serial = Experiment(trial, CONDITIONS, replicates=60, seed=9).run()
    dask = Experiment(
        trial,
        CONDITIONS,
        replicates=60,
        seed=9,
        execution="dask",
        execution_options={"address": cluster.scheduler_address},
    ).run()
    same_result(serial, dask)
    assert len(dask.errors) == 2
    assert dask.provenance["execution"]["strategy"] == "dask"


def test_a_local_cluster_is_started_for_the_run_alone():
    serial = Experiment(trial, CONDITIONS, replicates=20, seed=9).run()
    execution = DaskExecution(n_workers=2)
    dask = Experiment(trial, CONDITIONS, replicates=20, seed=9, execution=execution).run()
    same_result(serial, dask)


def test_every_replicate_arrives_when_a_worker_is_killed(cluster):
    def slow(rng):
        time.sleep(0.02)
        return rng.normal()

    experiment = Experiment(
        slow, replicates=150, seed=4, execution=DaskExecution(cluster.scheduler_address)
    )
    outcomes = []
    with Client(cluster, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    for outcome in experiment.stream():
        outcomes.append(outcome)
        if len(outcomes) == 20:
            os.kill(pids[0], signal.SIGKILL)
    assert sorted(o.replicate for o in outcomes) == list(range(150))
    by_hand = [np.random.default_rng(s).normal() for s in np.random.SeedSequence(4).spawn(150)]
    assert [o.metrics["value"] for o in sorted(outcomes, key=lambda o: o.replicate)] == by_hand


def test_a_cell_that_kills_its_worker_once_is_run_again(cluster, tmp_path):
    conditions = {"only": {"flag": str(tmp_path / "flag")}}
    result = Experiment(
        die_once,
        conditions,
        replicates=20,
        seed=1,
        execution=DaskExecution(cluster.scheduler_address),
    ).run()
    assert not result.errors
    assert np.isfinite(result.metrics["only"]["value"]).all()


def test_a_function_that_workers_cannot_import_ends_the_run(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(
        f"import os\nif os.getpid() != {os.getpid()}:\n    raise ModuleNotFoundError('elsewhere')\n"
        "def trial(): return 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_here

    experiment = Experiment(only_here.trial, execution=DaskExecution(cluster.scheduler_address))
    with pytest.raises(CrystallizeError, match=r"(?s)not load the function.*ModuleNotFoundError"):
        experiment.run()


@pytest.mark.faults
class TestConformance(ExecutorSuite):
    patience = 120.0  # Dask takes its time to give up on workers that die

    replicates = 20
    processes = True  # of this machine here, though Dask does not know

    @pytest.fixture(autouse=True)
    def _on(self, cluster):
        if not until(lambda: len(cluster.scheduler.workers) == 2, 20):
            cluster.scale(0)
            cluster.scale(2)
            cluster.wait_for_workers(2, timeout=60)
        self.address = cluster.scheduler_address

    # The scheduler is in this process, and its connections to workers come and go: see below.
    test_nothing_is_open_after_closing = None

    def make(self):
        return DaskExecution(self.address)

    def example(self):
        return DaskExecution(n_workers=2)


def test_runs_that_are_left_in_their_middle_leave_no_more_and_more_open(cluster):
    def slow(rng):
        time.sleep(0.02)
        return rng.normal()

    execution, opened = DaskExecution(cluster.scheduler_address), []
    for _ in range(12):
        with closing(Experiment(slow, replicates=150, execution=execution).stream()) as outcomes:
            next(outcomes)
        opened.append(psutil.Process().num_fds())
    # The scheduler is in this process, whose connections to workers may become some more.
    assert min(opened[6:]) < max(opened[:2]) + 6, opened


def test_the_loop_works_alone(cluster):
    class Loop:
        replicates = 5

    loop = DaskExecution(cluster.scheduler_address)
    assert loop.run_experiment_loop(Loop, lambda i: i * i) == [0, 1, 4, 9, 16]


def test_no_scheduler_at_the_address_is_said_before_anything_runs():
    with pytest.raises(
        CrystallizeError, match=r"no Dask scheduler to be reached at 'tcp://127\.0\.0\.1:1'"
    ):
        Experiment(
            trial, CONDITIONS, execution="dask", execution_options={"address": "tcp://127.0.0.1:1"}
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_workers": 0}, "n_workers"),
        ({"threads_per_worker": 2.5}, "threads_per_worker"),
        ({"address": "tcp://127.0.0.1:1", "n_workers": 2}, "describe a cluster that is opened"),
        ({"adress": "tcp://127.0.0.1:1"}, "Did you mean 'address'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(CrystallizeError, match=message):
        Experiment(trial, CONDITIONS, execution="dask", execution_options=options)


def test_seed_globals_is_refused_where_dask_itself_draws():
    with pytest.raises(CrystallizeError, match="seed_globals"):
        Experiment(
            trial,
            CONDITIONS,
            seed_globals=True,
            execution=DaskExecution(n_workers=1),
        )


def test_nothing_imports_dask_until_it_is_named():
    program = (
        "import sys; from crystallize import Experiment\n"
        "Experiment(lambda: 1.0, replicates=2).run()\n"
        "from crystallize.installed.catalog import Catalog\n"
        "assert 'dask' in [info.name for info in Catalog.installed().entries]\n"
        "print(sorted({'dask', 'distributed', 'crystallize_dask'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_workers_leave_what_they_opened_when_the_run_ends(cluster, tmp_path):
    @contextmanager
    def opened(folder):
        Path(folder, f"opened {os.getpid()}").touch()
        yield 2.0
        Path(folder, f"closed {os.getpid()}").touch()

    def using(client):
        time.sleep(0.05)
        return client

    folder = str(tmp_path)
    result = Experiment(
        using,
        replicates=20,
        seed=1,
        resources={"client": lambda: opened(folder)},
        execution=DaskExecution(cluster.scheduler_address),
    ).run()
    assert not result.errors
    names = [path.name.split() for path in tmp_path.iterdir()]
    holders = {process for what, process in names if what == "opened"}
    assert holders and holders == {process for what, process in names if what == "closed"}
