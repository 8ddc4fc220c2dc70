"""Libraries that some kinds of file need, and that not everyone has."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

EXTRAS = {
    "pandas": "pandas",
    "pyarrow": "arrow",
    "xarray": "xarray",
    "h5netcdf": "xarray",
    "h5py": "xarray",
}
"""Library -> the extra of ours that installs it."""


def optional_module(name: str) -> Any:
    """Import a module of such a library.

    Raises
    ------
    ImportError
        With what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(_advice(name.partition(".")[0])) from error


def missing(names: tuple[str, ...]) -> str | None:
    """What to install so that all of some libraries are there; ``None`` if they are."""
    absent = [name for name in names if find_spec(name) is None]
    return _advice(absent[0]) if absent else None


def _advice(library: str) -> str:
    return f"This needs {library}: pip install 'crystallize-core[{EXTRAS[library]}]'."
