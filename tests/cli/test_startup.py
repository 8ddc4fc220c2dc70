"""The command starts quickly: each subcommand loads what it needs and no more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cloudpickle",
    "concurrent.futures",
    "crystallize.description",
    "crystallize.experiments",
    "crystallize.plugins.execution",
    "crystallize.run",
    "dask",
    "distributed",
    "executorlib",
    "loky",
    "mpi4py",
    "multiprocessing",
    "numpy",
    "pandas",
    "pluggy",
    "ray",
    "sqlite3",
    "tqdm",
    "yaml",
}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command leaves loaded, in an interpreter of its own."""
    program = (
        "import json, sys\n"
        "from crystallize.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='crystallize')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["plugins"], ["plugins", "--json"]], ids=" ".join
)
def test_what_needs_no_experiment_loads_none_of_its_libraries(arguments: list[str]) -> None:
    loaded = loaded_by(*arguments)

    assert "click" in loaded
    assert not loaded & HEAVY
    assert not [name for name in loaded if name.startswith("crystallize_")]
