"""Each distribution as a wheel, in an environment of its own that has nothing else of ours."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT, ROOT / "plugins" / "crystallize-dask", ROOT / "plugins" / "crystallize-ray")
CONFIG = """
[experiment]
function = "trials:drawn"
replicates = 40
seed = 7
"""
STRATEGIES = {
    "serial": "",
    "dask": '[execution]\nstrategy = "dask"\nn_workers = 1\n',
    "ray": '[execution]\nstrategy = "ray"\nworkers = 1\n',
}
LOADED = """
import sys
from crystallize.cli import main
try:
    main({arguments!r}, prog_name="crystallize")
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"ray", "dask", "distributed", "crystallize_dask", "crystallize_ray"}}
print(sorted(heavy & set(sys.modules)))
"""


def run(*command, **options):
    """What a command prints, which is to end well."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lend(python, others):
    """Let an environment find what is installed here and is not ours: pip fetches what is not."""
    others.mkdir()
    with suppress(OSError):  # no links here
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if path.suffix != ".pth" and "crystallize" not in path.name:
                (others / path.name).symlink_to(path)
    where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(where) / "others.pth").write_text(f"{others}\n")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment of its own with the wheels and what they say that they need."""
    folder = tmp_path_factory.mktemp("fresh")
    wheels = folder / "wheels"
    for project in PROJECTS:
        build = "from hatchling.builders.wheel import WheelBuilder; import sys\n"
        build += "next(WheelBuilder('.').build(directory=sys.argv[1], versions=['standard']))"
        run(sys.executable, "-c", build, wheels, cwd=project)
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    lend(python, folder / "others")
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(python, *install, "-c", ROOT / "constraints.txt", *sorted(wheels.iterdir()))
    (folder / "trials.py").write_text("def drawn(rng):\n    return rng.normal()\n")
    for name, execution in STRATEGIES.items():
        (folder / f"{name}.toml").write_text(CONFIG + execution)
    return python, folder


@pytest.mark.faults
def test_wheels_work_in_an_environment_of_their_own(environment):
    python, folder = environment
    values = {}
    for name in STRATEGIES:
        command = (python, "-m", "crystallize", "run", f"{name}.toml", "--json")
        values[name] = json.loads(run(*command, cwd=folder))["metrics"]
    assert values["serial"] == values["dask"] == values["ray"]


@pytest.mark.faults
@pytest.mark.parametrize(
    "arguments", [["plugins"], ["--help"], ["run", "serial.toml"]], ids=" ".join
)
def test_what_is_installed_is_imported_only_where_it_is_named(environment, arguments):
    python, folder = environment
    program = LOADED.format(arguments=arguments)
    assert run(python, "-c", program, cwd=folder).splitlines()[-1] == "[]"


@pytest.mark.faults
def test_wheels_say_that_they_are_typed(environment):
    python, _ = environment
    program = "from importlib.resources import files\n"
    program += "for name in ('crystallize', 'crystallize_dask', 'crystallize_ray'):\n"
    program += "    assert files(name).joinpath('py.typed').is_file(), name"
    run(python, "-c", program)
