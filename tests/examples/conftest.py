"""Examples, run the way a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def examples():
    return Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def python():
    def call(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="session")
def run_json(python):
    def call(config, *arguments, **environment):
        printed = python("-m", "crystallize", "run", config, "--json", *arguments, **environment)
        return json.loads(printed)

    return call
