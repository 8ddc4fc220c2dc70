"""The arrows of the design, held.

Every import counts, those for annotations and those inside functions too: a circle behind
``TYPE_CHECKING`` is a circle for whoever reads.
"""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import crystallize
from crystallize import hookspecs
from crystallize.plugins.validation import HOOKS

ROOT = Path(__file__).parents[1]
SOURCE = Path(crystallize.__file__).parent
# Each imports from those before it and from itself.
ROOMS = (
    "_lazy",
    "_version",
    "spelling",
    "printable",
    "errors",
    "checks",
    "located",
    "contracts",
    "callables",
    "sequences",
    "cells",
    "description",
    "worker",
    "installed",
    "store",
    "results",
    "hookspecs",
    "plugins",
    "run",
    "verification",
    "planning",
    "experiments",
    "scaffold",
    "cli",
    "__main__",
    "testing",
)
# What plugins outside of this distribution may import.
PUBLIC = {
    "crystallize",
    "crystallize.experiments",
    "crystallize.experiments.aggregation",
    "crystallize.plugins",
    "crystallize.plugins.execution",
    "crystallize.sequences",
    "crystallize.testing",
}
EXECUTION = "crystallize.plugins.execution"
HEAVY = {
    "numpy",
    "asyncio",
    "multiprocessing",
    "concurrent.futures",
    "tqdm",
    "click",
    "sqlite3",
    "pandas",
    "loky",
    "cloudpickle",
    "threadpoolctl",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def is_call_of(node: ast.AST, *functions: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in functions


def imported(tree: ast.AST, module: str, *, package: bool) -> Iterator[tuple[str, str | None]]:
    """Each import in a file: the module, and the name taken from it, if one is."""
    inside = module if package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = inside.split(".")[: len(inside.split(".")) - node.level + 1]
            origin = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield from ((origin, alias.name) for alias in node.names)
        elif is_call_of(node, "import_module", "__import__"):
            assert isinstance(node, ast.Call)
            if node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), None


def lazily(module: str) -> dict[str, str]:
    """Where the public names of a package that only re-exports are defined, if it is one."""
    tree = TREES[module]
    if not any(is_call_of(node, "lazy_names") for node in ast.walk(tree)):
        return {}
    return {
        name: origin
        for origin, name in imported(tree, module, package=True)
        if name is not None and origin.startswith("crystallize.") and name != "lazy_names"
    }


LAZY = {module: names for module in TREES if (names := lazily(module))}


def targets(module: str, name: str | None) -> set[str]:
    """The modules that one import depends on; through a lazy package, those that define it."""
    if f"{module}.{name}" in TREES:
        return {f"{module}.{name}"}
    if module not in LAZY:
        return {module}
    names = LAZY[module]
    return {names[name]} if name in names else {module, *names.values()}


def dependencies(module: str) -> set[str]:
    """The modules of the library that a module imports."""
    package = FILES[module].name == "__init__.py"
    return {
        target
        for origin, name in imported(TREES[module], module, package=package)
        if origin.split(".")[0] == "crystallize"
        for target in targets(origin, name)
    } - {module}


GRAPH = {module: dependencies(module) for module in TREES if module not in LAZY}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "crystallize"


def loaded_by(program: str) -> set[str]:
    """The modules that a program leaves loaded."""
    program += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def strategies() -> dict[str, str]:
    """The strategies in the box and their modules, as the distribution declares them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"]["crystallize.executors"]
    return {name: value.partition(":")[0] for name, value in declared.items()}


def test_every_module_is_in_a_room() -> None:
    assert {room(module) for module in TREES} - {"crystallize"} == set(ROOMS)


@pytest.mark.parametrize("module", GRAPH)
def test_imports_go_to_earlier_rooms(module: str) -> None:
    allowed = ROOMS[: ROOMS.index(room(module)) + 1]
    assert not {target for target in GRAPH[module] if room(target) not in allowed}


def test_no_imports_go_round_in_a_circle() -> None:
    circle: list[str] = []
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1][::-1]
    assert not circle, " imports ".join(circle)


def test_a_run_loads_no_library_that_is_optional() -> None:
    program = "from crystallize import Experiment\n"
    program += "print(Experiment(lambda: 1.0, replicates=2).run())"
    loaded = loaded_by(program)
    assert not loaded & {"pandas", "yaml", "pytest", "psutil", "dask", "distributed", "ray"}
    assert not [name for name in loaded if name.startswith("crystallize_")]


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import crystallize, crystallize.plugins, crystallize.plugins.execution\n"
    program += "import crystallize.experiments, crystallize.testing"
    loaded = loaded_by(program) - loaded_by("pass")
    assert not loaded & HEAVY
    # Nor anything else of the library: names load on first use.
    ours = {name for name in loaded if name.split(".")[0] == "crystallize"}
    assert ours == {"crystallize._lazy", *LAZY}
    assert "typing" not in loaded_by("import crystallize") - loaded_by("pass")


@pytest.mark.parametrize("strategy", strategies())
def test_naming_a_strategy_imports_no_other(strategy: str) -> None:
    function = "async def f(): return 1.0" if strategy == "async" else "def f(): return 1.0"
    options = {"factory": "concurrent.futures:ThreadPoolExecutor"} if strategy == "futures" else {}
    loaded = loaded_by(
        f"from crystallize import Experiment\n{function}\n"
        f"execution = {{'execution': {strategy!r}, 'execution_options': {options}}}\n"
        "Experiment(f, replicates=3, **execution).run()"
    )
    assert not loaded & {"executorlib", "mpi4py", "distributed", "dask"}
    used = {name for name, module in strategies().items() if module in loaded}
    assert used == {strategy}
    # Threads do without what processes need, though both are called `parallel`.
    assert not [name for name in loaded if name.startswith(f"{EXECUTION}.processes")]


@pytest.mark.parametrize("module", [m for m in GRAPH if not m.startswith(f"{EXECUTION}.")])
def test_the_core_names_no_strategy(module: str) -> None:
    named = {target for target in GRAPH[module] if target.startswith(f"{EXECUTION}.")}
    assert named <= {f"{EXECUTION}.base", f"{EXECUTION}.futures"}


def test_hook_specifications_import_pluggy_only() -> None:
    tree = TREES["crystallize.hookspecs"]
    modules = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    modules |= {str(n.module) for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert modules == {"__future__", "typing", "pluggy"}


def test_only_the_testing_room_imports_pytest() -> None:
    for module, tree in TREES.items():
        origins = {origin.split(".")[0] for origin, _ in imported(tree, module, package=False)}
        assert "pytest" not in origins or room(module) == "testing", module


@pytest.mark.parametrize(
    "path",
    [p for p in (ROOT / "plugins").glob("*/src/**/*.py") if ".venv" not in p.parts],
    ids=lambda path: str(path.parent.name),
)
def test_plugins_outside_use_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for origin, name in imported(tree, path.stem, package=path.name == "__init__.py"):
        if origin.split(".")[0] == "crystallize":
            assert origin in PUBLIC, f"{path.name} imports {name} from {origin}"


def test_what_suites_run_in_workers_needs_no_pytest() -> None:
    program = "import crystallize.testing.trials, crystallize.testing.noted\n"
    program += "import crystallize.testing.elsewhere"
    assert not {"pytest", "_pytest"} & loaded_by(program)


def test_every_hook_says_what_it_is_for() -> None:
    for hook in HOOKS:
        assert (getattr(hookspecs, hook).__doc__ or "").strip(), hook


def test_unknown_names_of_the_package_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Experimnt'"):
        crystallize.Experimnt  # type: ignore[attr-defined] # noqa: B018
