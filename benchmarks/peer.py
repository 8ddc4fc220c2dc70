"""crystallize-ml 0.27.0, which has the same import name: in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.side import Side

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / ".venv-crystallize-ml"
REQUIREMENTS = ("crystallize-ml==0.27.0", "numpy")
INSTALL_SECONDS = 600
NAME = "crystallize-ml "
MOST = {NAME + "serial": 2_000, NAME + "thread": 500, NAME + "process": 500}
"""How many replicates each of its strategies runs at the most: it takes long."""


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
        self._side: Side | None = None
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
            # pip's own words may name places, and what is left out is published.
            print(getattr(error, "stderr", None) or error, file=sys.stderr)
            self._problem = (
                f"crystallize-ml is left out: {' '.join(REQUIREMENTS)} cannot be installed here."
            )
            raise PeerUnavailable(self._problem) from error
        done.touch()

    def start(self, stack: ExitStack) -> Side:
        """Its process, started once.

        Raises
        ------
        PeerUnavailable
            If it cannot be installed.
        """
        if self._side is None:
            self.install()
            # It writes a folder of data where it runs, and a log to standard error.
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            self._side = Side(
                "crystallize-ml",
                [str(self.python), "-m", "benchmarks.peer_side"],
                Path(scratch),
                # The workloads are found there, but no other crystallize.
                {**os.environ, "PYTHONPATH": str(ROOT)},
                quiet=True,
            )
            stack.callback(self._stop)
        return self._side

    def _stop(self) -> None:
        if self._side is not None:
            self._side.stop()
            self._side = None
