"""Dask's cluster classes by name, real ones, and what listens where."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import psutil
import pytest
from crystallize_dask import DaskExecution
from distributed import LocalCluster, Security

from crystallize import CrystallizeError, Experiment, hookimpl
from crystallize.testing import same_result

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test module
CONDITIONS = {"near": {"shift": 0.0}, "far": {"shift": 3.0}}
LOOPBACK = "127.0.0.1"


def trial(rng, replicate, shift):
    time.sleep(rng.random() / 500)
    if replicate == 11:
        raise ValueError("eleven")
    return {"x": rng.normal() + shift, "draws": rng.integers(0, 9, size=3)}


def children():
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    ]


def listening():
    """Where this process and those that it started listen."""
    return {
        connection.laddr.ip
        for process in (psutil.Process(), *children())
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


class Listening:
    """Notes where this process and its children listen while a run is under way."""

    def __init__(self):
        self.places = set()

    @hookimpl
    def outcomes_completed(self, outcomes):
        self.places = self.places or listening()


def run_on(**options):
    """Run on a cluster, and give also where anything listened while it was there."""
    noted = Listening()
    result = Experiment(
        trial,
        CONDITIONS,
        replicates=20,
        seed=9,
        execution="dask",
        execution_options=options,
        plugins=[noted],
    ).run()
    return result, noted.places


@pytest.fixture(scope="module")
def serial():
    return Experiment(trial, CONDITIONS, replicates=20, seed=9).run()


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = {child.pid for child in children()}
    yield
    left = [child for child in children() if child.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=10)
    # What multiprocessing keeps for the whole program is no cluster's.
    assert not [p for p in alive if "resource_tracker" not in " ".join(p.cmdline())]


def test_the_cluster_of_its_own_listens_on_loopback_alone(serial):
    result, places = run_on(n_workers=2)
    same_result(serial, result)
    assert places == {LOOPBACK}


def test_a_local_cluster_by_name_listens_on_loopback_alone(serial):
    options = {"memory_limit": "1GB"}
    result, places = run_on(
        cluster="dask.distributed:LocalCluster", n_workers=2, cluster_options=options
    )
    same_result(serial, result)
    assert places == {LOOPBACK}


# dask-jobqueue leaves the pipes of its commands open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_of_a_batch_system_are_workers(serial, tmp_path):
    # Its jobs are shell scripts that are run here; Slurm's and others' are submitted instead.
    folder = str(tmp_path)
    result, places = run_on(
        cluster="dask_jobqueue.local:LocalCluster",
        n_workers=2,
        cluster_options={
            "cores": 1,
            "memory": "1GB",
            "log_directory": folder,
            "local_directory": folder,
            "shared_temp_directory": folder,
            "worker_extra_args": ["--host", LOOPBACK, "--dashboard-address", f"{LOOPBACK}:0"],
            "scheduler_options": {"host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"},
        },
    )
    same_result(serial, result)
    assert places == {LOOPBACK}


@pytest.fixture
def ssh_port():
    """A server for SSH on loopback, which runs commands here."""
    program = [sys.executable, Path(__file__).with_name("ssh_server.py")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        yield int(server.stdout.readline())
        server.terminate()


def test_machines_that_are_reached_through_ssh_are_workers(serial, ssh_port):
    login = {"port": ssh_port, "username": "any", "password": "secret", "known_hosts": None}
    http = {"dashboard_address": f"{LOOPBACK}:0"}
    result, places = run_on(
        cluster="dask.distributed:SSHCluster",
        n_workers=2,
        cluster_options={
            "hosts": [LOOPBACK, LOOPBACK, LOOPBACK],
            "connect_options": login,
            "worker_options": {"nthreads": 1, "host": LOOPBACK, **http},
            "scheduler_options": {"host": LOOPBACK, "port": 0, **http},
            "remote_python": sys.executable,
        },
    )
    same_result(serial, result)
    assert places == {LOOPBACK}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate that signs itself, in files."""
    folder = tmp_path_factory.mktemp("tls")
    security = Security.temporary()
    files = {}
    for option in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        files[option] = folder / f"{option}.pem"
        files[option].write_text(getattr(security, option))
    return files


@pytest.fixture(scope="module")
def secure(certificates):
    """A scheduler that speaks TLS alone."""
    given = {name: str(path) for name, path in certificates.items()}
    for role in ("scheduler", "worker"):
        given[f"tls_{role}_cert"] = given["tls_client_cert"]
        given[f"tls_{role}_key"] = given["tls_client_key"]
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host=f"tls://{LOOPBACK}",
        security=Security(require_encryption=True, **given),
        dashboard_address=f"{LOOPBACK}:0",
    ) as cluster:
        yield cluster.scheduler_address


def test_a_scheduler_that_speaks_tls_is_reached_with_certificates(serial, secure, certificates):
    assert secure.startswith("tls://")
    result = Experiment(
        trial, CONDITIONS, replicates=20, seed=9, execution=DaskExecution(secure, **certificates)
    ).run()
    same_result(serial, result)


def test_certificates_are_looked_for_beside_the_config(secure, certificates, tmp_path):
    folder = certificates["tls_ca_file"].parent
    (folder / "coverage.py").write_text("def trial(rng):\n    return rng.normal()\n")
    config = folder / "experiment.toml"
    lines = "\n".join(f'{name} = "{path.name}"' for name, path in certificates.items())
    config.write_text(
        '[experiment]\nfunction = "coverage:trial"\nreplicates = 10\nseed = 1\n'
        f'[execution]\nstrategy = "dask"\naddress = "{secure}"\n{lines}\n'
    )
    result = Experiment.from_config(config).run()
    assert not result.errors


def test_a_scheduler_that_speaks_tls_lets_nobody_else_in(secure, certificates):
    with pytest.raises(CrystallizeError, match="no Dask scheduler to be reached at 'tls://"):
        Experiment(trial, CONDITIONS, execution=DaskExecution(secure))
    stranger = Security.temporary()
    for name, path in certificates.items():
        Path(f"{path}.other").write_text(getattr(stranger, name))
    others = {name: Path(f"{path}.other") for name, path in certificates.items()}
    with pytest.raises(CrystallizeError, match="no Dask scheduler to be reached at 'tls://"):
        Experiment(trial, CONDITIONS, execution=DaskExecution(secure, **others))


SLURM = {"cluster": "dask_jobqueue:SLURMCluster", "n_workers": 2}
LOCAL = {"cluster": "dask.distributed:LocalCluster", "n_workers": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cluster": "SLURMCluster"}, "expected module:attribute, as in 'dask_jobqueue:SLURM"),
        ({**SLURM, "cluster": "no_such:Cluster"}, "'no_such:Cluster' cannot be imported"),
        ({**SLURM, "cluster": "dask_jobqueue:SlurmCluster"}, "Did you mean 'SLURMCluster'"),
        ({**SLURM, "cluster": "dask:__version__"}, "is a str, not a class"),
        (SLURM, "submits jobs with 'sbatch', which is not on this machine"),
        ({**LOCAL, "n_workers": None}, "n_workers: say how many workers"),
        ({**LOCAL, "cluster_options": ["one"]}, "cluster_options: expected a mapping"),
        ({**LOCAL, "dashboard": True}, "say so in cluster_options"),
        ({"cluster_options": {"cores": 1}}, "say cluster = …"),
        ({**LOCAL, "address": "tcp://127.0.0.1:1"}, "Leave them out, or the address"),
        ({"tls_ca_file": "ca.pem"}, "for an address that begins with tls://"),
        ({"address": "tls://127.0.0.1:1", "tls_ca_file": "ca.pem"}, "there is no file"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_runs(options, message, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # also where Slurm is installed
    with pytest.raises(CrystallizeError, match=message):
        Experiment(trial, CONDITIONS, execution="dask", execution_options=options)


def test_a_cluster_that_refuses_its_options_ends_the_run_before_its_first_replicate(tmp_path):
    def noted(folder):
        Path(folder, str(os.getpid())).touch()
        return 1.0

    options = {**LOCAL, "cluster_options": {"host": "no.such.host.invalid"}}
    experiment = Experiment(
        noted,
        {"only": {"folder": str(tmp_path)}},
        execution="dask",
        execution_options=options,
    )
    with pytest.raises(CrystallizeError, match="LocalCluster' could not be opened: "):
        experiment.run()
    assert not list(tmp_path.iterdir())
