"""The page of what a plugin imports says of each name what there is, and of nothing else."""

import inspect
import re
from enum import Enum
from pathlib import Path

import pytest

from crystallize import plugins
from crystallize.installed.catalog import GROUPS

PAGE = (Path(__file__).parents[2] / "docs" / "authoring.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
INHERITED = ("Execution", "FuturesExecution", "Page")
ANY = "ExperimentSpec"  # which has what Experiment has


def attributes(value):
    """What a class of ours has for others, but for what it inherits."""
    names = {*vars(value), *getattr(value, "__annotations__", {})}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", plugins.__all__)
def test_each_name_has_a_paragraph(name):
    assert name in SECTIONS
    assert set(SECTIONS) == set(plugins.__all__)


@pytest.mark.parametrize("name", plugins.__all__)
def test_what_is_called_has_its_exact_signature(name):
    value = getattr(plugins, name)
    is_called = inspect.isfunction(value) or (
        inspect.isclass(value)
        and not getattr(value, "_is_protocol", False)
        and name not in ("Outcomes", "Page", ANY)  # plugins make none
    )
    shown = re.match(r"`(\w+\(.*\))`\n", SECTIONS[name])
    if name == "hookimpl":  # pluggy's own, with the options that have a use here
        assert shown
    elif not is_called:
        assert shown is None
    else:
        parameters = [
            parameter.replace(annotation=parameter.empty)
            for parameter in inspect.signature(value).parameters.values()
        ]
        assert shown is not None and shown[1] == f"{name}{inspect.Signature(parameters)}"


@pytest.mark.parametrize("name", [name for name in plugins.__all__ if name != ANY])
def test_each_attribute_is_there(name):
    value = getattr(plugins, name)
    if not inspect.isclass(value) or issubclass(value, Enum):
        return
    missing = {
        attribute
        for attribute in attributes(value) - set(dir(object))
        if not re.search(rf"\b{attribute}\b", SECTIONS[name])
    }
    own = {"add_done_callback", "result"} if name == "FutureLike" else set()
    assert missing - own == set()


def test_each_word_in_a_heading_of_kinds_is_a_group():
    groups = set(re.findall(r"`(crystallize\.\w+)`", PAGE.partition("## Of every kind")[0]))
    assert groups - {"crystallize.plugins"} == set(GROUPS) - {"crystallize.plugins"}
