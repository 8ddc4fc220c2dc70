"""Where a file is in its project: what is written down is to hold on other machines too."""

from __future__ import annotations

import os
from pathlib import Path

ROOTS = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")
"""What lies in the folder that is a project's."""


def in_project(path: str | Path) -> str:
    """A path from the folder of its project, or from where one is; else as a whole.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> in_project(Path.cwd() / "no project's" / "cells.db").endswith("no project's/cells.db")
    True
    """
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return Path(path).as_posix()
    place = Path(os.path.abspath(here / path))  # noqa: PTH100 - without following links
    projects = (f for f in place.parents if any((f / name).exists() for name in ROOTS))
    for folder in (*projects, here):
        if folder.parent != folder and place.is_relative_to(folder):
            return place.relative_to(folder).as_posix()
    return place.as_posix()
