"""Runs a suite without pytest, and says which of its tests fail."""

import itertools
from pathlib import Path

import pytest


def checks_of(suite):
    """Each test of a suite with its parameters, by the name that pytest gives it."""
    found = {}
    for name in dir(suite):
        test = getattr(suite, name)
        if not name.startswith("test_") or test is None:
            continue
        marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
        for values in itertools.product(*[m.args[1] for m in marks]):
            ids = [
                str((m.kwargs.get("ids") or m.args[1])[m.args[1].index(value)])
                for m, value in zip(marks, values, strict=True)
            ]
            label = f"{name}[{'-'.join(ids)}]" if ids else name
            found[label] = name, dict(zip((m.args[0] for m in marks), values, strict=True))
    return found


def suite_of(base, make, **attributes):
    """A suite for what `make` gives; its module is that of what is made."""
    body = {"make": lambda self: make(), "__module__": make.__module__, **attributes}
    return type("Suite", (base,), body)


def failures(suite, folder, only=None):
    """The tests that fail, with their messages, as they do."""
    for number, (label, (name, arguments)) in enumerate(checks_of(suite).items()):
        if only is not None and label != only:
            continue
        instance = suite()
        instance.folder = Path(folder) / str(number)
        instance.folder.mkdir()
        try:
            getattr(instance, name)(**arguments)
        except pytest.skip.Exception:
            pass
        except BaseException as error:
            yield label, f"{type(error).__name__}: {error}"
