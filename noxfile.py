"""Every check by name: ``nox -l`` lists them, ``nox -s types`` runs one.

Versions of Python that are not installed are passed over.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13")
PLUGINS = (
    "plugins/crystallize-dask[test]",
    "plugins/crystallize-ray",
    "plugins/crystallize-stats",
    "plugins/crystallize-report",
)

SLURM = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "mpiexec": "openmpi-bin",
}
"""What `nox -s slurm` needs, and the package of Debian that has it."""
PROGRAMS = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False

# nox takes the first `python3.12` on the path, which may be a shim of pyenv's that runs nothing.
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join(
    [*(str(path) for path in sorted(pyenv.glob("versions/3.*/bin"))), os.environ["PATH"]]
)


def install(session: nox.Session, constraints: str | Path = "constraints.txt") -> None:
    plugins = [argument for plugin in PLUGINS for argument in ("-e", plugin)]
    session.install("-q", "-c", str(constraints), "-e", ".[test]", *plugins)


def pytest(
    session: nox.Session, *arguments: str, env: Mapping[str, str | None] | None = None
) -> None:
    """What follows ``--`` on nox's command line goes to pytest, as in ``-- -n 2 -k store``."""
    session.run("pytest", "-q", *arguments, *session.posargs, env=env)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Everything but the faults."""
    install(session)
    pytest(session, "-m", "not faults")


@nox.session(python=PYTHONS)
def faults(session: nox.Session) -> None:
    """Workers and drivers that are killed, hang or are interrupted; full disks."""
    install(session)
    pytest(session, "-m", "faults and not matrix and not mpi and not browser")


@nox.session(python=PYTHONS)
def mpi(session: nox.Session) -> None:
    """Experiments on real ranks; needs Open MPI or MPICH (Debian's openmpi-bin)."""
    install(session)
    pytest(session, "-m", "mpi", "tests/execution")


@nox.session(python=PYTHONS[0])
def slurm(session: nox.Session) -> None:
    """The job scripts of docs/clusters.md on a Slurm of one node; installs Debian's, as root."""
    missing = [name for name in SLURM if shutil.which(name, path=PROGRAMS) is None]
    if missing:
        apt = {"external": True, "env": {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}}
        session.run("apt-get", "update", "-q", **apt)
        wanted = sorted({SLURM[name] for name in missing})
        session.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *wanted, **apt)
    install(session)
    pytest(session, "tests/clusters/job_scripts.py")


@nox.session(python=PYTHONS[0])
def fuzz(session: nox.Session) -> None:
    """An hour of what CI does for a minute: damaged files, any values, signals at any time."""
    install(session)
    pytest(session, "tests/fuzz", env={"CRYSTALLIZE_FUZZ_TIMES": "60"})


@nox.session(python=PYTHONS[0])
def matrix(session: nox.Session) -> None:
    """What takes too long for CI: every broken plugin under its suite; writes the page of it."""
    install(session)
    pytest(session, "-m", "matrix")
    session.run("python", "tests/testing/broken_matrix.py")


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """Every snippet of every page, every example in a docstring, every link."""
    install(session)
    pytest(session, "tests/docs", "tests/examples")


@nox.session(python=PYTHONS[0])
def site(session: nox.Session) -> None:
    """The site of the documentation, with the examples in full, in build/site/html."""
    install(session)
    session.install("-q", "-c", "constraints.txt", "-e", ".[docs]")
    session.run("python", "docs/site/build_site.py", *session.posargs)


@nox.session(python=PYTHONS[0])
def browser(session: nox.Session) -> None:
    """Reports and the site in Chromium (Debian's chromium); pictures in build/screenshots."""
    install(session)
    session.install("-q", "-c", "constraints.txt", "-e", ".[browser]")
    pytest(session, "-m", "browser", "tests/browser")


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Style, and that every file is formatted."""
    session.install("-q", "-c", "constraints.txt", "ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """mypy over sources, plugins, tests and what builds the site."""
    install(session)
    session.install("-q", "-c", "constraints.txt", "-e", ".[docs]")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def coverage(session: nox.Session) -> None:
    """Which lines the tests reach, those that run in worker processes and commands too."""
    install(session)
    session.install("-q", "-c", "constraints.txt", "coverage")
    session.run("coverage", "erase")
    # The first looks at what a process loads, and coverage loads the same itself; the workers of
    # other engines do not start where each of their processes is traced.
    ignored = ("--ignore=tests/cli/test_startup.py", "--ignore=plugins")
    try:
        pytest = ("-m", "pytest", "-q", "-m", "not matrix and not mpi and not browser", *ignored)
        session.run("coverage", "run", *pytest, *session.posargs)
    finally:
        session.run("coverage", "combine", "-q")
        session.run("coverage", "report")


OF_THEN = "pyparsing<3.3"
"""The oldest Matplotlib imports by names that a later one warns of, which is an error in tests."""


@nox.session(python=PYTHONS[0])
def minimum(session: nox.Session) -> None:
    """The tests with the oldest version of every dependency that we claim to work with."""
    # Not in a folder for temporary files of nox's: tests would have theirs there, in the project.
    constraints = Path(session.virtualenv.location) / "minimum.txt"
    lines = sorted(
        oldest(
            ROOT / "pyproject.toml",
            *(ROOT / p.partition("[")[0] / "pyproject.toml" for p in PLUGINS),
        )
    )
    lines.append(OF_THEN)
    constraints.write_text("\n".join(lines) + "\n", encoding="utf-8")
    install(session, constraints)
    session.run("python", "-m", "pip", "list")
    pytest(session, "-m", "not matrix and not mpi and not browser")


def oldest(*projects: Path) -> set[str]:
    """``name==version`` for each lower bound that projects declare."""
    found = set()
    for path in projects:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        for text in chain(project.get("dependencies", []), *extras):
            requirement = Requirement(text)
            bounds = [s.version for s in requirement.specifier if s.operator == ">="]
            if bounds and not requirement.name.startswith("crystallize"):
                found.add(f"{requirement.name}=={bounds[0]}")
    return found
