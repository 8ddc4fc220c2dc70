"""``module:attribute``: what is found, carried to workers, missing, broken."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from crystallize import Experiment
from crystallize.description.lookup import find_function
from crystallize.description.seeding import Seeding
from crystallize.errors import CrystallizeError, FunctionLookupError
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.cell_options import CellOptions

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _restored_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test adds to the path and to the loaded modules is gone after it."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        """Write a file below the test's folder; return the folder that it is in."""
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path.parent

    return write


def refusal(spec: str, beside: Path) -> FunctionLookupError:
    with pytest.raises(FunctionLookupError) as refused:
        find_function(spec, beside)
    assert isinstance(refused.value, CrystallizeError)
    return refused.value


def in_a_worker(function: Callable[..., Any]) -> dict[str, Any]:
    """The metrics of one cell that runs in another process."""
    options = {"executor_type": "process", "max_workers": 1}
    result = Experiment(function, execution="parallel", execution_options=options).run()
    assert result.errors == []
    return {name: column[0] for name, column in result.metrics["baseline"].items()}


# --- found ----------------------------------------------------------------------------------


def test_a_function_of_a_module_beside_the_file(write: Write) -> None:
    folder = write("trial.py", "def run():\n    return 'beside'\n")

    assert find_function("trial:run", folder)() == "beside"


def test_the_attribute_may_be_dotted(write: Write) -> None:
    folder = write(
        "model.py", "class Model:\n    @staticmethod\n    def run():\n        return 1\n"
    )

    assert find_function("model:Model.run", folder)() == 1


@pytest.mark.parametrize("spec", ["study:run", "study.trial:run"])
def test_a_package_beside_the_file(write: Write, tmp_path: Path, spec: str) -> None:
    write("study/__init__.py", "from .trial import run\n")
    write("study/trial.py", "from . import constants\n\ndef run():\n    return constants.N\n")
    write("study/constants.py", "N = 7\n")

    assert find_function(spec, tmp_path)() == 7


def test_a_folder_without_init_is_a_package_too(write: Write, tmp_path: Path) -> None:
    write("loose/trial.py", "def run():\n    return 1\n")

    assert find_function("loose.trial:run", tmp_path)() == 1


def test_an_installed_function(tmp_path: Path) -> None:
    assert find_function("json:dumps", tmp_path) is json.dumps
    assert find_function("os.path:join", tmp_path) is os.path.join


def test_a_module_beside_the_file_wins_over_an_installed_one_which_keeps_its_place(
    write: Write,
) -> None:
    folder = write("json.py", "def run():\n    return 'beside'\n")

    assert find_function("json:run", folder)() == "beside"
    assert sys.modules["json"] is json


def test_a_module_beside_the_file_imports_its_siblings(write: Write) -> None:
    write("constants.py", "N = 3\n")
    folder = write("trial.py", "import constants\n\ndef run():\n    return constants.N\n")

    assert find_function("trial:run", folder)() == 3
    find_function("trial:run", folder)
    assert sys.path.count(str(folder)) == 1


def test_a_module_beside_the_file_comes_before_one_elsewhere_on_the_path(write: Write) -> None:
    elsewhere = write("elsewhere/trial.py", "def run():\n    return 'elsewhere'\n")
    sys.path.insert(0, str(elsewhere))
    folder = write("here/trial.py", "def run():\n    return 'here'\n")

    assert find_function("trial:run", folder)() == "here"


def test_two_folders_may_each_have_a_module_of_one_name(write: Write) -> None:
    first = write("first/trial.py", "def run():\n    return 1\n")
    second = write("second/trial.py", "def run():\n    return 2\n")

    found = [find_function("trial:run", folder) for folder in (first, second, first)]

    assert [function() for function in found] == [1, 2, 1]


def test_two_folders_may_each_have_a_sibling_of_one_name(write: Write) -> None:
    """Or else the second experiment would quietly run the first one's code."""
    results = []
    for name, value in (("first", 1), ("second", 2)):
        write(f"{name}/constants.py", f"N = {value}\n")
        folder = write(
            f"{name}/trial.py", "import constants\n\ndef run():\n    return constants.N\n"
        )
        results.append(find_function("trial:run", folder)())

    assert results == [1, 2]


def test_the_same_file_is_executed_once(write: Write) -> None:
    folder = write("trial.py", "def run():\n    return 1\n")

    assert find_function("trial:run", folder) is find_function("trial:run", folder)


def test_an_edited_file_is_read_again_even_within_the_second(write: Write) -> None:
    for value in (1, 2, 3):
        folder = write("trial.py", f"def run():\n    return {value}\n")
        assert find_function("trial:run", folder)() == value


def test_a_file_is_fixed_after_it_failed(write: Write) -> None:
    folder = write("trial.py", "1 / 0\n")
    refusal("trial:run", folder)
    write("trial.py", "def run():\n    return 1\n")

    assert find_function("trial:run", folder)() == 1


def test_a_file_means_what_it_means_to_python(write: Write) -> None:
    """The importer's own ``from __future__`` is not the file's."""
    folder = write("trial.py", "def run(n: int) -> float: ...\n")

    assert find_function("trial:run", folder).__annotations__ == {"n": int, "return": float}


def test_a_file_may_declare_its_encoding(tmp_path: Path) -> None:
    text = "# coding: latin-1\ndef run():\n    return 'é'\n"
    (tmp_path / "trial.py").write_bytes(text.encode("latin-1"))

    assert find_function("trial:run", tmp_path)() == "é"


# --- carried to other processes -------------------------------------------------------------


@pytest.mark.parametrize("name", ["trial", "json"])
def test_a_process_that_cannot_see_the_file_runs_the_function(
    write: Write, tmp_path: Path, name: str
) -> None:
    folder = write(f"study/{name}.py", "N = 3\n\ndef run():\n    return N + 1\n")
    function = find_function(f"{name}:run", folder)
    call = BlockCall(function, {"a": {}}, Seeding(1), (), CellOptions())
    pickled = tmp_path / "call.pickle"
    pickled.write_bytes(pickle.dumps(call))
    (folder / f"{name}.py").unlink()
    program = (
        "import pickle, sys; call = pickle.load(open(sys.argv[1], 'rb'))\n"
        "from crystallize.contracts import Task; print(*call(Task(0, 0, 1)).columns[0].values)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, str(pickled)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (ended.stdout.strip(), ended.stderr) == ("4", "")


def test_an_installed_function_is_not_carried_along(tmp_path: Path) -> None:
    function = find_function("json:dumps", tmp_path)

    assert len(cloudpickle.dumps(function)) <= len(pickle.dumps(function)) + 20


def test_worker_processes_run_an_edited_file_and_its_siblings(write: Write) -> None:
    write("study/constants.py", "N = 10\n")
    values = []
    for value in (1, 2):
        folder = write(
            "study/trial.py",
            f"import constants\n\ndef run():\n    return float(constants.N + {value})\n",
        )
        values.append(in_a_worker(find_function("trial:run", folder))["value"])

    assert values == [11.0, 12.0]


def test_worker_processes_tell_two_modules_of_one_name_apart(write: Write) -> None:
    found = []
    for name in ("first", "second"):
        folder = write(f"{name}/trial.py", f"def run():\n    return {{'name': {name!r}}}\n")
        found.append(find_function("trial:run", folder))

    assert [in_a_worker(function)["name"] for function in found] == ["first", "second"]


def test_worker_processes_run_a_part_of_a_package_with_a_sibling(
    write: Write, tmp_path: Path
) -> None:
    write("constants.py", "N = 5\n")
    write("study/__init__.py", "")
    write(
        "study/inner.py",
        "import constants\n\nclass Model:\n    @staticmethod\n    def run():\n"
        "        return constants.N\n",
    )

    assert in_a_worker(find_function("study.inner:Model.run", tmp_path)) == {"value": 5}


# --- not found ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nosuchmodule", "nosuchmodule.inner", "json.nosuchmodule"])
def test_a_module_that_is_nowhere(tmp_path: Path, name: str) -> None:
    message = str(refusal(f"{name}:run", tmp_path))

    assert f"There is no module {name!r}" in message
    assert str(tmp_path) in message


def test_a_missing_attribute_lists_the_functions(write: Write) -> None:
    folder = write("trial.py", "N = 1\ndef trial(): ...\ndef other(): ...\ndef _hidden(): ...\n")

    message = str(refusal("trial:trail", folder))

    assert "Did you mean 'trial'?" in message
    assert "trial, other" in message
    assert "_hidden" not in message
    assert str(folder / "trial.py") in message


def test_a_missing_attribute_of_an_attribute(write: Write) -> None:
    folder = write("trial.py", "class Model:\n    def trial(self): ...\n")

    assert "Model.trail" in str(refusal("trial:Model.trail", folder))


def test_an_attribute_that_is_no_function(write: Write) -> None:
    folder = write("trial.py", "N = 1\n")

    message = str(refusal("trial:N", folder))

    assert "int" in message
    assert "'trial:N'" in message


@pytest.mark.parametrize("spec", ["trial", "trial:", ":run", "a b:c", "../up:run", "a:b:c"])
def test_a_name_that_is_no_module_and_attribute(tmp_path: Path, spec: str) -> None:
    assert "is not of the form 'module:attribute'" in str(refusal(spec, tmp_path))


# --- broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nosuchmodule", "ModuleNotFoundError"),
        ("from json import nosuchname", "ImportError"),
        ("(", "SyntaxError"),
        ("import json; json.loads('{')", "JSONDecodeError"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_module_that_fails_is_named_with_line_and_cause(
    write: Write, body: str, kind: str
) -> None:
    folder = write("trial.py", f"\n\n{body}\n")

    error = refusal("trial:run", folder)

    assert f"{folder / 'trial.py'}, line 3" in str(error)
    assert kind in str(error)
    assert "no module 'trial'" not in str(error)
    assert type(error.__cause__).__name__ == kind


@pytest.mark.parametrize(("body", "kind"), [("1 / 0", "ZeroDivisionError"), ("(", "SyntaxError")])
def test_a_sibling_that_fails_is_where_the_message_points(
    write: Write, body: str, kind: str
) -> None:
    write("sibling.py", f"\n\n\n\n{body}\n")
    folder = write("trial.py", "\nimport sibling\n")

    message = str(refusal("trial:run", folder))

    assert kind in message
    assert f"{folder / 'trial.py'}, line 5" not in message
    assert f"{folder / 'trial.py'}, line 2" in message or (
        f"{folder / 'sibling.py'}, line 5" in message
    )


def test_an_installed_package_that_fails_is_not_called_missing(
    write: Write, tmp_path: Path
) -> None:
    write("site/package/__init__.py", "import nosuchdependency\n")
    write("site/package/trial.py", "def run(): ...\n")
    sys.path.insert(0, str(tmp_path / "site"))

    error = refusal("package.trial:run", tmp_path)

    assert "nosuchdependency" in str(error)
    assert "There is no module" not in str(error)
    assert isinstance(error.__cause__, ModuleNotFoundError)


def test_an_error_that_cannot_be_shown(write: Write) -> None:
    folder = write(
        "trial.py",
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n\nraise Mute\n",
    )

    assert "Mute" in str(refusal("trial:run", folder))


def test_a_module_that_removes_itself(write: Write) -> None:
    folder = write("trial.py", "import sys\ndel sys.modules['trial']\n1 / 0\n")

    assert "ZeroDivisionError" in str(refusal("trial:run", folder))


def test_an_interrupted_import_leaves_no_half_of_a_module(write: Write) -> None:
    folder = write(
        "trial.py",
        "import os\nif os.environ.pop('INTERRUPT_ONCE', None):\n    raise KeyboardInterrupt\n"
        "def run():\n    return 1\n",
    )
    os.environ["INTERRUPT_ONCE"] = "1"

    with pytest.raises(KeyboardInterrupt):
        find_function("trial:run", folder)

    assert find_function("trial:run", folder)() == 1
