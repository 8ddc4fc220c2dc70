"""``module:attribute`` is looked up beside the config first."""

import sys

import pytest

from crystallize import Experiment
from crystallize.description.lookup import find_function
from crystallize.errors import FunctionLookupError


@pytest.fixture(autouse=True)
def _clean_modules():
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("trials", "helper", "package_here")):
            del sys.modules[name]
    sys.path[:] = path


def test_two_folders_may_have_a_module_of_one_name(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trials.py").write_text(f"def trial(): return {name!r}\n")
        found.append(find_function("trials:trial", tmp_path / name))
    assert [function() for function in found] == ["one", "two"]
    process = {"execution": "parallel", "execution_options": {"executor_type": "process"}}
    values = (
        [
            Experiment(function, **process).run().metrics["baseline"]["value"][0]
            for function in found
        ]
        if False
        else [
            Experiment(lambda f=function: {"name": f()}, **process)
            .run()
            .metrics["baseline"]["name"][0]
            for function in found
        ]
    )
    assert values == ["one", "two"]


def test_an_installed_module_does_not_win_and_keeps_its_place(tmp_path):
    import json

    (tmp_path / "json.py").write_text("def trial(): return 'beside'\n")
    assert find_function("json:trial", tmp_path)() == "beside"
    assert sys.modules["json"] is json


def test_an_edited_file_is_read_again(tmp_path):
    module = tmp_path / "trials.py"
    module.write_text("def trial(): return 1\n")
    assert find_function("trials:trial", tmp_path)() == 1
    assert find_function("trials:trial", tmp_path) is find_function("trials:trial", tmp_path)
    module.write_text("def trial(): return 2\n")
    assert find_function("trials:trial", tmp_path)() == 2


def test_siblings_packages_and_nested_attributes(tmp_path):
    (tmp_path / "helper_module.py").write_text("VALUE = 5\n")
    (tmp_path / "package_here").mkdir()
    (tmp_path / "package_here" / "__init__.py").write_text("")
    (tmp_path / "package_here" / "inner.py").write_text(
        "import helper_module\nclass Holder:\n    @staticmethod\n    def trial():\n"
        "        return helper_module.VALUE\n"
    )
    function = find_function("package_here.inner:Holder.trial", tmp_path)
    assert function() == 5
    result = Experiment(
        function, execution="parallel", execution_options={"executor_type": "process"}
    ).run()
    assert result.errors == []


def test_an_installed_module_is_found_where_none_is_beside(tmp_path):
    import os.path

    assert find_function("os.path:join", tmp_path) is os.path.join


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def trial(:\n", r"trials\.py, line 1: importing it failed with SyntaxError"),
        ("x = 1\n1/0\n", r"trials\.py, line 2: importing it failed with ZeroDivisionError"),
        ("import no_such_module_x\n", r"line 1: .*ModuleNotFoundError: No module named 'no_such"),
    ],
)
def test_a_module_that_raises_names_file_and_line(tmp_path, source, message):
    (tmp_path / "trials.py").write_text(source)
    with pytest.raises(FunctionLookupError, match=message) as caught:
        find_function("trials:trial", tmp_path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("spec", ["trials", "trials:", ":trial", "a b:c", "../up:trial", "a:b:c"])
def test_a_malformed_name_is_refused(tmp_path, spec):
    with pytest.raises(FunctionLookupError, match="is not of the form 'module:attribute'"):
        find_function(spec, tmp_path)
