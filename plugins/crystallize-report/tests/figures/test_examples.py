"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from crystallize_report import figures

MODULES = [name for _, name, _ in pkgutil.iter_modules(figures.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs(name):
    module = importlib.import_module(f"{figures.__name__}.{name}")
    assert doctest.testmod(module).failed == 0
    for public, value in vars(module).items():
        if getattr(value, "__module__", None) == module.__name__ and not public.startswith("_"):
            assert value.__doc__, public
