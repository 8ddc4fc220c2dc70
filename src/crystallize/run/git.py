"""The state of the repository that a function is in."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

GIT_SECONDS = 2.0
"""How long a repository may take to say its state."""


class GitState:
    """Asks git for commit and cleanliness beside the run, not before or after it.

    Parameters
    ----------
    folder : path
        Where to ask.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = False
        self._git: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        """Start git, unless that was done before."""
        if self._asked:
            return
        self._asked = True
        command = ["git", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"]
        with suppress(OSError):  # no git on this machine: the provenance says so with None
            self._git = subprocess.Popen(
                [*command, "--untracked-files=no"],
                cwd=self._folder,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

    def result(self) -> dict[str, Any] | None:
        """``{"commit": …, "dirty": …}``, or ``None`` outside a repository."""
        self.ask()
        if self._git is None:
            return None
        try:
            lines = self._git.communicate(timeout=GIT_SECONDS)[0].splitlines()
        except subprocess.TimeoutExpired:
            self._git.kill()
            self._git.communicate()
            return None
        if self._git.returncode != 0:
            return None
        commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
        return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}
