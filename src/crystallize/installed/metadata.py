"""The metadata of what is installed, as it is on disk, and what in it cannot be used."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import importlib_metadata

from crystallize.errors import described

Distribution = Any
"""What importlib_metadata finds; its own type differs between its versions."""

OURS = "crystallize."
POINTS, ABOUT = "entry_points.txt", "METADATA"
SETTLED_SECONDS = 3600
"""A distribution's folder that nobody has written in for so long is complete."""


class Point(NamedTuple):
    """An entry point of one of our groups."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Problem:
    """Metadata that keeps a plugin from being found, or that hides another's.

    Attributes
    ----------
    name : str
        The entry point's, if it is about one.
    group : str
        As it is written there.
    distribution, version : str
    status : str
        What is wrong, in a few words.
    is_broken : bool
        Whether somebody has something to fix.
    """

    name: str
    group: str
    distribution: str
    version: str
    status: str
    is_broken: bool = True


@dataclass
class Reading:
    """What was found, and the files that it was read from."""

    points: list[Point] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _stamps: dict[str, tuple[int, int] | None] = field(default_factory=dict)

    def watch(self, folder: Path, name: str) -> None:
        """Remember what a file is like that decides what is found, if it may become another."""
        if not _is_settled(folder):
            path = os.path.join(folder, name)  # noqa: PTH118 - quick
            self._stamps[path] = _stamp(path)

    @property
    def is_stale(self) -> bool:
        """Whether one of the files was rewritten in place since."""
        return any(
            # Most are not there: an exception for each takes longer than the looks.
            os.access(path, os.F_OK) if stamp is None else _stamp(path) != stamp
            for path, stamp in self._stamps.items()
        )


def read(groups: Iterable[str]) -> Reading:
    """Read what is installed now; from memory, where nothing has changed.

    Parameters
    ----------
    groups : iterable of str
        The entry-point groups that count.
    """
    wanted = tuple(groups)
    reading = _read(wanted, _path())
    if reading.is_stale:
        _read.cache_clear()
        reading = _read(wanted, _path())
    return reading


def normalized(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _path() -> tuple[tuple[str, int], ...]:
    """The folders that are looked in, and when they changed: installing changes one."""
    path = []
    for entry in dict.fromkeys(sys.path):
        with suppress(OSError):
            path.append((entry, os.stat(entry or os.curdir).st_mtime_ns))  # noqa: PTH116 - quick
    return tuple(path)


def _is_settled(folder: Path) -> bool:
    """Whether nobody writes in a distribution's folder any more: installers replace it whole."""
    if folder.suffix != ".dist-info":
        return False
    try:
        return folder.stat().st_mtime < time() - SETTLED_SECONDS
    except OSError:
        return False


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - quick
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _read(groups: tuple[str, ...], path: tuple[tuple[str, int], ...]) -> Reading:
    """Reading every distribution's entry points takes longer than a small experiment."""
    reading = Reading()
    first: dict[str, Distribution] = {}
    for candidate in importlib_metadata.distributions():
        folder = getattr(candidate, "_path", None)
        if isinstance(folder, Path):
            reading.watch(folder, POINTS)
        try:
            # Parsing every distribution's metadata takes far longer than this look.
            if not _concerns(_text(candidate, folder), groups):
                continue
        except Exception as error:
            if _mentions_us(folder):
                reading.problems.append(_unreadable(folder, POINTS, described(error)))
            continue
        if isinstance(folder, Path):
            reading.watch(folder, ABOUT)
        try:
            _add(reading, candidate, folder, groups, first)
        except _Unusable as error:
            reading.problems.append(_unreadable(folder, *error.args))
        except Exception as error:
            reading.problems.append(_unreadable(folder, ABOUT, described(error)))
    return reading


class _Unusable(Exception):
    """A file that can be read, and does not say what it must; the file, and why."""


def _add(
    reading: Reading,
    candidate: Distribution,
    folder: Any,
    groups: tuple[str, ...],
    first: dict[str, Distribution],
) -> None:
    """Add what one distribution has, unless another of its name comes first on the path."""
    about: Any = candidate.metadata or {}
    for key in ("Name", "Version"):
        if not about.get(key):
            raise _Unusable(ABOUT, f"it has no {key}")
    name = normalized(about["Name"])
    points = list(_points(candidate, name, about["Version"], folder))
    if name in first:
        if _real(first[name]) != _real(candidate):
            reading.problems += _hidden(points, first[name], groups)
        return
    # The first on the path is the one that imports, whatever another's metadata says.
    imports = importlib_metadata.distribution(name)
    first[name] = imports
    if _real(imports) != _real(candidate):
        reading.problems += _hidden(points, imports, groups)
        return
    for point in points:
        if point.group in groups:
            reading.points.append(point)
        elif _concerns_us(point.group, groups):
            reading.problems.append(_misspelt(point, groups))


def _points(distribution: Distribution, name: str, version: str, folder: Any) -> Iterator[Point]:
    text = _text(distribution, folder)
    try:
        found = list(distribution.entry_points)
    except Exception as error:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and line.strip()[0] not in "[#;" and "=" not in line:
                why = f"line {number}, {line.strip()!r}, is not 'name = module:attribute'"
                raise _Unusable(POINTS, why) from error
        raise _Unusable(POINTS, described(error)) from error
    for point in found:
        yield Point(point.group, point.name, point.value, name, version)


def _hidden(
    points: Iterable[Point], first: Distribution, groups: tuple[str, ...]
) -> Iterator[Problem]:
    """What a copy has that no import reaches; nothing, where the first has the very same."""
    same = {(point.group, point.name, point.value) for point in first.entry_points}
    for point in points:
        if point.group in groups and (
            point.version != first.version or (point.group, point.name, point.value) not in same
        ):
            yield Problem(
                point.name,
                point.group,
                point.distribution,
                point.version,
                f"hidden: version {first.version}, in {_real(first)}, comes first on the path",
                is_broken=False,
            )


def _misspelt(point: Point, groups: tuple[str, ...]) -> Problem:
    closest = _closest(point.group, groups)
    advice = f"did you mean {closest!r}?" if closest else f"groups: {', '.join(groups)}"
    return Problem(
        point.name,
        point.group,
        point.distribution,
        point.version,
        f"ignored: there is no group {point.group!r}; {advice}",
    )


def _unreadable(folder: Any, file: str, why: str) -> Problem:
    # The folder is named after the distribution, which cannot say its name itself.
    stem = re.sub(r"\.(dist|egg)-info$", "", getattr(folder, "name", "") or "?")
    name, _, version = stem.partition("-")
    return Problem(
        "?", "?", normalized(name), version or "?", f"unreadable: {folder}/{file}: {why}"
    )


def _text(distribution: Distribution, folder: Any) -> str:
    text = distribution.read_text(POINTS)
    if text is None and isinstance(folder, Path) and (folder / POINTS).is_file():
        (folder / POINTS).read_bytes()  # raises what kept it from being read
    return text or ""


def _mentions_us(folder: Any) -> bool:
    """Whether a file that is no text may have a plugin of ours in it."""
    if not isinstance(folder, Path):
        return True
    try:
        return OURS.encode() in (folder / POINTS).read_bytes()
    except OSError:
        return True


def _concerns(text: str, groups: tuple[str, ...]) -> bool:
    headers: Mapping[str, None] = dict.fromkeys(re.findall(r"^\s*\[([^\]]*)\]", text, re.MULTILINE))
    return any(_concerns_us(header.strip(), groups) for header in headers)


@lru_cache(maxsize=1024)
def _concerns_us(group: str, groups: tuple[str, ...]) -> bool:
    """Whether a group is one of ours, or was meant to be."""
    return group.startswith(OURS) or bool(_closest(group, groups))


def _closest(group: str, groups: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(group.casefold(), groups, n=1, cutoff=0.8)
    return close[0] if close else ""


def _real(distribution: Distribution) -> str:
    return os.path.realpath(str(getattr(distribution, "_path", id(distribution))))
