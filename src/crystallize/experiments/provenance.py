"""Where a result comes from: enough to run it again, as plain data."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata
import numpy as np

from crystallize.experiments.seeding import RULE
from crystallize.plugins.execution.base import function_name

if TYPE_CHECKING:
    from crystallize.experiments.experiment import Experiment
    from crystallize.plugins.host import Host

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


def source_file(function: Callable[..., Any]) -> Path | None:
    """The file that defines a function, where there is one."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        return None
    return Path(file) if file and Path(file).exists() else None


def source_hash(function: Callable[..., Any]) -> str | None:
    """SHA-256 of a function's source, or of its byte code where the source is not to be had."""
    try:
        source = inspect.getsource(inspect.unwrap(function)).encode()
    except (OSError, TypeError):
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return None
        source = code.co_code + repr(code.co_names).encode()
    return hashlib.sha256(source).hexdigest()


def shown_parameter(value: Any) -> Any:
    """A parameter as data: itself where JSON has it, a digest for arrays, else its ``repr``."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).view(np.uint8).data).hexdigest()
        return {"array": {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": digest}}
    if callable(value):
        return f"{getattr(value, '__module__', '?')}:{function_name(value)}"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value


@cache
def _crystallize_version() -> str:
    return importlib_metadata.version("crystallize-core")


def versions() -> dict[str, str]:
    """The versions that numbers may depend on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "crystallize-core": _crystallize_version(),
    }


def provenance(
    experiment: Experiment,
    host: Host,
    *,
    workers: int,
    git: Mapping[str, Any] | None,
    started: datetime,
    seconds: float,
    found: int,
) -> dict[str, Any]:
    """Gather the provenance of a run.

    Parameters
    ----------
    workers : int
        How many tasks the executor ran at once.
    git : mapping or None
        What :class:`GitState` found.
    started : datetime
        In UTC.
    seconds : float
        From start to end.
    found : int
        How many cells were in the store already.
    """
    function = experiment.function
    return {
        "experiment": experiment.name,
        "function": {
            "name": function_name(function),
            "module": getattr(function, "__module__", None),
            "source_sha256": source_hash(function),
        },
        "conditions": {
            condition: {key: shown_parameter(value) for key, value in parameters.items()}
            for condition, parameters in experiment.conditions.items()
        },
        "baseline": experiment.baseline,
        "replicates": experiment.replicates,
        "seed": {"root": experiment.seed, "rule": RULE},
        "execution": {
            "strategy": host.executor_name,
            "options": {
                key: shown_parameter(value) for key, value in experiment.execution_options.items()
            },
            "workers": workers,
            "blas_threads": experiment.blas_threads,
            "seed_globals": experiment.seed_globals,
            "retries": experiment.retries,
            "timeout": experiment.timeout,
            "on_error": experiment.on_error,
        },
        "plugins": [
            {
                "name": plugin.name,
                "kind": plugin.kind,
                "distribution": plugin.distribution,
                "version": plugin.version,
            }
            for plugin in host.used
        ],
        "versions": versions(),
        "platform": platform.platform(),
        "git": None if git is None else dict(git),
        "started": started.isoformat(),
        "seconds": seconds,
        "store": None
        if experiment.store is None
        else {"path": str(experiment.store), "found": found},
        "plugin_errors": [],
    }
