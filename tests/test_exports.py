"""What is public is the same to a program, to a type checker and to an editor.

The names load on first use, which static tools cannot follow; so they are declared a second
time, for those, and this holds the two against each other.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import jedi
import pytest
from hatchling.builders.wheel import WheelBuilder
from mypy import build
from mypy.modulefinder import BuildSource
from mypy.nodes import MypyFile
from mypy.options import Options

import crystallize
from crystallize import CrystallizeError, CrystallizeWarning, Interrupted

pytestmark = pytest.mark.faults  # it takes long

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "crystallize",
    "crystallize.experiments",
    "crystallize.plugins",
    "crystallize.plugins.execution",
    "crystallize.testing",
)
package = pytest.mark.parametrize("name", PACKAGES)


def public(module: ModuleType) -> set[str]:
    """What a program finds in a package, but for its submodules and ``from __future__``."""
    names = {name for name in dir(module) if not name.startswith("_") or name == "__version__"}
    hidden = {n for n in names if inspect.ismodule(getattr(module, n))} | {"annotations"}
    return names - hidden


@pytest.fixture(scope="module")
def checked() -> dict[str, MypyFile]:
    """The packages as mypy sees them."""
    options = Options()
    options.mypy_path = [str(ROOT / "src")]
    options.namespace_packages = options.explicit_package_bases = True
    options.implicit_reexport = False
    options.incremental = False
    options.semantic_analysis_only = True  # names, not what is right about them
    options.follow_imports = "silent"
    options.ignore_missing_imports = True
    sources = [
        BuildSource(str(importlib.import_module(name).__file__), name, None) for name in PACKAGES
    ]
    return build.build(sources, options).files


@package
def test_all_names_are_there_and_no_others(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert set(module.__all__) == public(module)
    for exported in module.__all__:
        assert getattr(module, exported) is not None


@package
def test_a_type_checker_sees_the_same_names(name: str, checked: dict[str, MypyFile]) -> None:
    module = importlib.import_module(name)
    names = {
        public
        for public, symbol in checked[name].names.items()
        if symbol.module_public and not symbol.module_hidden and symbol.node is not None
        and not isinstance(symbol.node, MypyFile)
        and (public == "__version__" or not public.startswith("_"))
    }  # fmt: skip
    assert names == set(module.__all__)
    # Where it sees a `__getattr__`, it takes a misspelt name for a good one.
    assert "__getattr__" not in checked[name].names


@package
def test_an_editor_completes_the_same_names_and_finds_them(name: str) -> None:
    module = importlib.import_module(name)
    source = f"import {name} as package\npackage."
    offered = {completion.name for completion in jedi.Script(source).complete(2, len("package."))}
    assert set(module.__all__) <= offered
    for exported in module.__all__:
        script = jedi.Script(source + exported)
        (found,) = script.goto(2, len("package."), follow_imports=True)
        value = getattr(module, exported)
        if inspect.isclass(value):
            assert found.module_name == value.__module__, exported


def test_every_exception_and_warning_is_in_one_place() -> None:
    """Those that can reach a user; what a worker tells the driver with stays among themselves."""
    for info in pkgutil.walk_packages(crystallize.__path__, "crystallize."):
        if info.name == "crystallize.__main__":
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            ours = inspect.isclass(value) and value.__module__ == info.name
            if ours and issubclass(value, (CrystallizeError, CrystallizeWarning, Interrupted)):
                assert name in crystallize.__all__, f"{info.name}.{name}"
                assert getattr(crystallize, name) is value


def test_the_version_is_the_distributions_and_costs_nothing_until_asked_for() -> None:
    assert crystallize.__version__ == metadata.version("crystallize-core")
    program = "import sys, json, crystallize; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "crystallize._version" not in json.loads(done.stdout)


@pytest.mark.parametrize(
    "project", [ROOT, *(p.parent for p in (ROOT / "plugins").glob("*/pyproject.toml"))],
    ids=lambda path: path.name if path != ROOT else "crystallize-core",
)  # fmt: skip
def test_the_wheel_says_that_it_has_types(project: Path, tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(project)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("/py.typed") for name in names)
    assert not [name for name in names if not name.startswith("crystallize")]
