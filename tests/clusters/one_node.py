"""A Slurm of one node, on loopback and in one folder, for as long as it takes; it needs root."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SECONDS = 60

CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000
MinJobAge=300
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=500 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """What users call of it.

    Parameters
    ----------
    environment : dict of str to str
        With which the commands find it, and jobs run.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def call(self, *command: str, cwd: Path | None = None) -> str:
        """Call one of Slurm's commands; what it prints."""
        done = subprocess.run(
            command, cwd=cwd, env=self._environment, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *arguments: str, cwd: Path) -> str:
        """Submit a job script; the job's number."""
        return self.call("sbatch", "--parsable", *arguments, cwd=cwd).strip()

    def running(self, job: str) -> list[str]:
        """What of a job is running or waits."""
        return self.call("squeue", "-h", "-r", "-o", "%i %T", "-j", job).split("\n")[:-1]

    def wait(self, job: str) -> dict[str, str]:
        """Wait for the end of a job; the exit code of each of its tasks, or ``signal N``."""
        await_(lambda: not [line for line in self.running(job) if "COMPLETED" not in line], job)
        found = {}
        for text in self.call("scontrol", "-o", "show", "job", job).splitlines():
            about = dict(part.split("=", 1) for part in text.split() if "=" in part)
            code, _, signal = about["ExitCode"].partition(":")
            task = about.get("ArrayTaskId", "")
            found[task] = code if signal == "0" else f"signal {signal}"
        return found


def await_(holds: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until something holds, which a scheduler decides on."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it took too long: {what}"
        time.sleep(0.2)


@contextmanager
def slurm(folder: Path, environment: dict[str, str]) -> Iterator[Slurm]:
    """Start munge and Slurm's daemons in a folder; they end with this."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(folder=folder, host=host, ports=_free_ports(2)))
    environment = {**environment, "SLURM_CONF": str(config)}
    with ExitStack() as opened:
        munged = (
            "munged", "--foreground", "--force", f"--socket={folder}/munge.socket",
            f"--key-file={key}", f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        opened.enter_context(_daemon(folder, munged, environment))
        await_((folder / "munge.socket").exists, "munged")
        controller = ("slurmctld", "-D", "-c", "-f", str(config))
        opened.enter_context(_daemon(folder, controller, environment))
        node = ("slurmd", "-D", "-f", str(config), "-N", host)
        opened.enter_context(_daemon(folder, node, environment))
        found = Slurm(environment)
        try:
            await_(lambda: _is_idle(environment), "the node")
            yield found
        finally:
            subprocess.run(["scancel", "--full", "-u", "root"], env=environment, timeout=SECONDS)
            await_(lambda: not found.call("squeue", "-h"), "jobs that are cancelled")


def _is_idle(environment: dict[str, str]) -> bool:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True
    )
    return done.stdout.strip() == "idle"


@contextmanager
def _daemon(folder: Path, command: tuple[str, ...], environment: dict[str, str]) -> Iterator[None]:
    program = shutil.which(command[0], path=f"{environment['PATH']}{os.pathsep}/usr/sbin")
    assert program is not None, f"{command[0]} is missing: Debian's slurm-wlm and munge have it"
    with (folder / f"{command[0]}.out").open("w") as log:
        running = subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
