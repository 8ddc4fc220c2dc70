"""Text of a config file that knows where the file is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class FromFile(str):
    """A text that stands in a config file.

    What it means may depend on that file's folder, which only the plugin that it is
    for can tell: a path of the plugin's, or a ``module:attribute``.  Everyone else
    has a text like any other.

    Attributes
    ----------
    folder : path
        Where the file is.

    Examples
    --------
    >>> text = FromFile("log.jsonl", Path("study"))
    >>> text == "log.jsonl", (text.folder / text).as_posix()
    (True, 'study/log.jsonl')
    """

    folder: Path

    def __new__(cls, text: str, folder: Path) -> FromFile:
        located = super().__new__(cls, text)
        located.folder = folder
        return located


def folder_of(value: object) -> Path | None:
    """The folder of the file in which a text stands; ``None`` for text of a program."""
    return value.folder if isinstance(value, FromFile) else None


def located(value: Any, folder: Path) -> Any:
    """A value of a config file, all texts in which know their file's folder."""
    if isinstance(value, FromFile):
        return value
    if isinstance(value, str):
        return FromFile(value, folder)
    if isinstance(value, Mapping):
        return {key: located(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [located(item, folder) for item in value]
    return value


def plain(value: Any) -> Any:
    """The same value as a plugin is given it, with nothing but plain text in it."""
    if isinstance(value, FromFile):
        return str(value)
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    if type(value) is list:
        return [plain(item) for item in value]
    return value
