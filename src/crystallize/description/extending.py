"""A config that extends another: what is read of both, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.checks import inside
from crystallize.checks import path as checked_path
from crystallize.description.files import read_content
from crystallize.description.overrides import Origin
from crystallize.description.spec import DEFAULT_STRATEGY
from crystallize.errors import ConfigError, InvalidValueError
from crystallize.located import located
from crystallize.spelling import spelled_key

EXTENDS = "extends"

ALTERNATIVES = (("conditions", "grid"),)
"""Sections of which a config has one, which takes the place of the other in what it extends."""


@dataclass(frozen=True)
class Extended:
    """The content of a config with what it has from others.

    Attributes
    ----------
    content : object
        As the format says it; a text of another file knows that file's folder.
    origins : list of Origin
        The keys that other files give, each with its file.
    """

    content: Any
    origins: list[Origin] = field(default_factory=list)


def read_extended(path: Path, extending: Sequence[Path] = ()) -> Extended:
    """Read a config, and all that it extends.

    Tables are merged key by key; any other value takes the place of what it extends.

    Parameters
    ----------
    path : path
    extending : sequence of path
        The files that extend this one, the config itself first.

    Raises
    ------
    ConfigError
        If one of them cannot be read, or extends itself.
    """
    content = read_content(path)
    if not isinstance(content, dict) or EXTENDS not in content:
        return Extended(content)
    above = content.pop(EXTENDS)
    try:
        if not isinstance(above, str):
            raise InvalidValueError(EXTENDS, above, "the path of another config")
        base = path.parent / checked_path(EXTENDS, above)
    except InvalidValueError as error:
        raise ConfigError(path, [str(error)]) from error
    files = [*extending, path]
    try:
        base.stat()
    except FileNotFoundError:
        problem = f"extends: {above!r} is not there; it is looked up beside this"
        raise ConfigError(path, [problem]) from None
    except OSError as error:
        problem = f"extends: {above!r} cannot be read: {error.strerror}"
        raise ConfigError(path, [problem]) from error
    if base.resolve() in [file.resolve() for file in files]:
        chain = " -> ".join(file.name for file in [*files, base])
        raise ConfigError(path, [f"extends: a config that extends itself ({chain})"])
    read = read_extended(base, files)
    if not isinstance(read.content, dict):
        raise ConfigError(base, [f"expected sections, such as [experiment], got {read.content!r}"])
    given = located(read.content, base.resolve().parent)
    _leave_out(given, content)
    merged = _merged(given, content)
    kept = [Origin(place, place, above) for place in _places(given, content)]
    # Of what other files give to that one, what stands here too is this file's own.
    deeper = [origin for origin in read.origins if any(own.has(origin.place) for own in kept)]
    return Extended(merged, [*kept, *deeper])


def _leave_out(given: dict[str, Any], content: Mapping[str, Any]) -> None:
    """Take out of another file's content what does not go with that of the file itself."""
    for sections in ALTERNATIVES:
        if any(section in content for section in sections):
            for section in sections:
                if section not in content:
                    given.pop(section, None)
    before, after = given.get("execution"), content.get("execution")
    if isinstance(before, dict) and isinstance(after, dict):
        strategy = before.get("strategy", DEFAULT_STRATEGY)
        if after.get("strategy", strategy) != strategy:
            del given["execution"]


def _merged(given: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**given, **content}
    for key in given:
        one, other = given[key], content.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            merged[key] = _merged(one, other)
    return merged


def _places(given: Mapping[str, Any], content: Any, where: str = "") -> list[str]:
    """The keys of what another file gives and the file itself does not."""
    places = []
    for key, value in given.items():
        if not isinstance(key, str):
            continue  # which the rules will refuse
        place = inside(where, key) if where else spelled_key(key)
        if not isinstance(content, dict) or key not in content:
            places.append(place)
        elif isinstance(value, dict) and isinstance(content[key], dict):
            places += _places(value, content[key], place)
    return places
