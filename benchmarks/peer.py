"""crystallize-ml 0.27.0, which has the same import name: in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / ".venv-crystallize-ml"
REQUIREMENTS = ("crystallize-ml==0.27.0", "numpy")
INSTALL_SECONDS = 600


class PeerUnavailable(Exception):
    """Why it is not among the contenders."""


class Peer:
    """A process of that environment, which runs workloads when asked.

    Parameters
    ----------
    make : bool
        Whether to make the environment where there is none.
    """

    def __init__(self, make: bool) -> None:
        self._make = make
        self._process: subprocess.Popen[str] | None = None
        self._problem: str | None = None

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        folder = "Scripts" if os.name == "nt" else "bin"
        return FOLDER / folder / Path(sys.executable).name

    def install(self) -> None:
        """Make the environment, once.

        Raises
        ------
        PeerUnavailable
            If there is none and none can be made.
        """
        if self._problem is not None:
            raise PeerUnavailable(self._problem)
        done = FOLDER / "complete"
        if done.exists():
            return
        try:
            if not self._make:
                self._problem = (
                    "crystallize-ml is left out: a quick run makes no environment for it; "
                    "one without --quick does, once."
                )
                raise PeerUnavailable(self._problem)
            print("making an environment for crystallize-ml", file=sys.stderr, flush=True)
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", str(FOLDER)],
                check=True,
                capture_output=True,
                text=True,
            )
            subprocess.run(
                [str(self.python), "-m", "pip", "install", "-q", *REQUIREMENTS],
                check=True,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            self._problem = (
                f"crystallize-ml is left out: {' '.join(REQUIREMENTS)} cannot be installed "
                f"({said[-1] if said else type(error).__name__})."
            )
            raise PeerUnavailable(self._problem) from error
        done.touch()

    def environment(self) -> dict[str, str]:
        """Where it finds the workloads, and nothing of the environment around."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "VIRTUAL_ENV": str(FOLDER)}

    def start(self, stack: ExitStack) -> None:
        """Start its process, once.

        Raises
        ------
        PeerUnavailable
            If it cannot be installed.
        """
        if self._process is not None:
            return
        self.install()
        # It writes a folder of data where it runs, and a log to standard error.
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        self._process = subprocess.Popen(
            [str(self.python), "-m", "benchmarks.peer_side"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=scratch,
            env=self.environment(),
        )
        stack.callback(self.stop)

    def stop(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def run(self, workload: str, strategy: str, count: int) -> float:
        """The seconds of one experiment there."""
        assert self._process is not None and self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([workload, strategy, count]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"crystallize-ml ended while it ran {workload} ({strategy}).")
        return float(json.loads(answer))
