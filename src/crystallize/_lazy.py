"""Names of a package that are imported from their modules on first use (PEP 562)."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = bool()  # noqa: UP018
"""False, but for type checkers, which know the name.  No literal: editors would not look into what
is never reached.  Importing :mod:`typing` for it takes longer than the rest of the package."""
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
