"""The command, as a user calls it."""

import subprocess
import sys

import pytest


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
