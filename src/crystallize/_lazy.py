"""Names of a package that are imported from their modules on first use (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the module ``__getattr__`` of `package`.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : mapping of str to str
        Public name -> absolute name of the module that defines it.

    Returns
    -------
    callable
        Assign it to ``__getattr__`` in the package's ``__init__``.
    """

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return __getattr__
