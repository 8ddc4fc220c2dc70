"""The command, as a user calls it."""

import inspect
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from crystallize.cli import main


@pytest.fixture(scope="session")
def crystallize():
    def call(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "crystallize", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )

    return call


@pytest.fixture(scope="session")
def in_process():
    """The same without a process of its own, which is quicker."""
    # click before 8.2 keeps standard error apart only where it is told to.
    is_old = "mix_stderr" in inspect.signature(CliRunner).parameters
    options: dict[str, Any] = {"mix_stderr": False} if is_old else {}
    runner = CliRunner(**options)

    def call(*arguments):
        return runner.invoke(main, [*map(str, arguments)])

    return call
