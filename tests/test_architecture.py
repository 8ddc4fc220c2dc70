"""The arrows of the design, held."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import crystallize
from crystallize import hookspecs
from crystallize.plugins.host import HOOKS

SOURCE = Path(crystallize.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
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
STRATEGIES = (
    "serial",
    "parallel",
    "asynchronous",
    "futures",
    "threads",
    "processes",
    "worker_process",
    "messages",
)


def loaded_by(program):
    """The modules that a program leaves loaded."""
    program += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def imports(path, *, at_run_time=True):
    """The crystallize modules that a file imports, type-checking imports left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return {name for name in found if name.split(".")[0] == "crystallize"}


def in_room(room):
    return [path for path in MODULES if path.is_relative_to(SOURCE / room)]


def test_importing_the_package_loads_nothing_heavy():
    bare = loaded_by("pass")
    assert not (loaded_by("import crystallize") - bare) & HEAVY


def test_importing_the_strategies_package_loads_no_strategy():
    loaded = loaded_by("import crystallize.plugins.execution")
    assert not {f"crystallize.plugins.execution.{name}" for name in STRATEGIES} & loaded


@pytest.mark.parametrize(
    ("strategy", "module"),
    [("serial", "serial"), ("parallel", "parallel"), ("async", "asynchronous")],
)
def test_naming_a_strategy_imports_no_other(strategy, module):
    function = "async def f(): return 1.0" if strategy == "async" else "def f(): return 1.0"
    loaded = loaded_by(
        f"from crystallize import Experiment\n{function}\n"
        f"Experiment(f, replicates=3, execution={strategy!r}).run()"
    )
    prefix = "crystallize.plugins.execution."
    used = {name for name in STRATEGIES if prefix + name in loaded}
    assert used == {module} | ({"futures", "threads"} if strategy == "parallel" else set())


@pytest.mark.parametrize("path", in_room("plugins/execution"), ids=lambda p: p.stem)
def test_strategies_import_neither_experiments_nor_store(path):
    rooms = ("crystallize.experiments", "crystallize.store", "crystallize.config")
    assert not [name for name in imports(path) if name.startswith((*rooms, "crystallize.cli"))]


@pytest.mark.parametrize("path", in_room("experiments"), ids=lambda p: p.stem)
def test_the_core_names_no_strategy(path):
    names = {f"crystallize.plugins.execution.{name}" for name in STRATEGIES}
    assert not imports(path) & names
    assert not [name for name in imports(path) if name.startswith("crystallize.cli")]


def test_hook_specifications_import_pluggy_only():
    tree = ast.parse((SOURCE / "hookspecs.py").read_text(encoding="utf-8"))
    modules = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    modules |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "typing", "pluggy"}


@pytest.mark.parametrize("path", in_room("plugins"), ids=lambda p: p.stem)
def test_plugins_do_not_import_experiments(path):
    assert not [n for n in imports(path) if n.startswith(("crystallize.experiments.", "click"))]


def test_only_the_testing_room_imports_pytest():
    for path in MODULES:
        uses_pytest = "import pytest" in path.read_text(encoding="utf-8")
        assert uses_pytest == (path == SOURCE / "testing" / "executors.py"), path


def test_every_hook_says_what_it_is_for():
    for hook in HOOKS:
        assert (getattr(hookspecs, hook).__doc__ or "").strip(), hook


def test_the_public_names_are_there():
    from crystallize import CrystallizeError, Experiment, Result, grid, hookimpl
    from crystallize.experiments.aggregation import ResultAggregator
    from crystallize.plugins.execution import (
        VALID_EXECUTOR_TYPES,
        AsyncExecution,
        ParallelExecution,
        SerialExecution,
    )

    assert {"thread", "process"} == VALID_EXECUTOR_TYPES
    for name in (
        CrystallizeError,
        Experiment,
        Result,
        grid,
        hookimpl,
        ResultAggregator,
        AsyncExecution,
        ParallelExecution,
        SerialExecution,
    ):
        assert callable(name)


def test_unknown_names_of_the_package_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'Experimnt'"):
        crystallize.Experimnt  # noqa: B018
    assert "Experiment" in dir(crystallize)
