"""A result into a file of any ending, by our own means or by a plugin's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crystallize.checks import path as checked_path
from crystallize.errors import (
    DuplicateNameError,
    ExportError,
    InvalidValueError,
    PluginError,
    UnknownNameError,
    described,
    listing,
)
from crystallize.installed.catalog import Catalog, PluginInfo
from crystallize.installed.loading import load
from crystallize.results.optional import missing
from crystallize.results.replacing import replaced_whole, whole_path

BUILT_IN = {
    "json": "to_json", "zip": "save", "csv": "to_csv", "parquet": "to_parquet",
    "arrow": "to_arrow", "nc": "to_netcdf", "md": "to_markdown", "tex": "to_latex",
}  # fmt: skip
"""The endings that need no plugin, and the methods of a result that write such files."""
NEEDS = {"parquet": ("pyarrow",), "arrow": ("pyarrow",), "nc": ("xarray", "h5netcdf", "h5py")}
OF_TABLES = ("md", "tex")
"""The endings of files that hold tables as people see them."""


@dataclass(frozen=True)
class Exporter:
    """What writes a result to files of one ending.

    Attributes
    ----------
    label : str
        What messages call it.
    write : callable
        Takes the result and the path.
    """

    label: str
    write: Callable[[Any, Path], object]
    method: str | None = None
    """The method of a result that it is, if it writes tables, which can be by factors."""

    def by_factors(self, by: Sequence[str], across: Sequence[str]) -> Exporter:
        """The same with tables by factors, where it writes tables."""
        if self.method is None or not (by or across):
            return self
        method = self.method

        def write(result: Any, path: Path) -> None:
            getattr(result, method)(path, by=by, across=across)

        return replace(self, write=write)


def exporter_for(where: str, path: str | Path, block: Collection[str] = ()) -> Exporter:
    """The exporter that a file's ending stands for; imports that plugin and no other.

    Parameters
    ----------
    where : str
        What messages call the path.
    path : path
    block : collection of str
        Plugins that are not to be used.

    Raises
    ------
    UnknownNameError
        Listing the endings that there are, and the closest.
    PluginError
        If its plugin is blocked, or is no exporter.
    ExportError
        If a library that it needs is not installed; says what to install.
    """
    file = checked_path(where, path)
    catalog = Catalog.installed(block=block)
    known = [*BUILT_IN, *map(_ending, catalog.of("exporter"))]
    endings = list(_endings(file))
    if not endings:
        expected = f"a file name with an ending, one of {listing(dict.fromkeys(known))}"
        raise InvalidValueError(where, str(path), expected)
    for ending in endings:
        if ending in BUILT_IN:
            if (advice := missing(NEEDS.get(ending, ()))) is not None:
                raise ExportError(f"{where} {str(path)!r} cannot be written. {advice}")
            return _built_in(ending)
        if ending in known:
            return _installed(catalog, ending)
    raise UnknownNameError(
        "ending",
        endings[-1],
        list(dict.fromkeys(known)),
        where=f"{where} {str(path)!r}",
        advice="A plugin of the group 'crystallize.exporters' can add others.",
    )


def check_place(path: Path) -> None:
    """Refuse a path that no file can be put at, before anything is computed for it.

    Raises
    ------
    ExportError
    """
    try:
        has_folder = path.parent.is_dir()
        is_taken = path.exists() and not path.is_file()
        whole_path(path)
    except OSError as error:
        raise ExportError(f"{path}: no file can be there ({error.strerror}).") from error
    if not has_folder:
        raise ExportError(f"{path}: the folder {path.parent} does not exist; make it first.")
    if is_taken:
        raise ExportError(f"{path}: there is something that is no file; name another.")


def export(result: object, path: Path, exporter: Exporter) -> None:
    """Write a result beside its place, then put it there: whole, or not at all.

    Raises
    ------
    ExportError
    """
    check_place(path)
    try:
        with replaced_whole(path) as beside:
            exporter.write(result, beside)
            if not beside.is_file() or not beside.stat().st_size:
                raise PluginError("it wrote no file at the path that it was given")
    except (Exception, SystemExit) as error:
        raise ExportError(
            f"{path} could not be written by {exporter.label}: {described(error)}."
        ) from error


def _built_in(ending: str) -> Exporter:
    method = BUILT_IN[ending]
    return Exporter(
        f"Result.{method}",
        lambda result, path: getattr(result, method)(path),
        method if ending in OF_TABLES else None,
    )


def _installed(catalog: Catalog, ending: str) -> Exporter:
    of_ending = [info for info in catalog.of("exporter") if _ending(info) == ending]
    try:
        info = catalog.find("exporter", of_ending[0].name)
    except DuplicateNameError as error:
        raise DuplicateNameError(
            f"More than one plugin writes files that end in {ending!r}: "
            f"{', '.join(map(str, of_ending))}. Block all but one of them, by "
            f"{listing(info.qualified for info in of_ending)}."
        ) from error
    write = load(info)
    if not callable(write):
        raise PluginError(
            f"The exporter {info} is a {type(write).__name__}; it must be a function "
            "export(result, path)."
        )
    return Exporter(f"the exporter {info}", write)


def _ending(info: PluginInfo) -> str:
    return info.name.lower().lstrip(".")


def _endings(path: Path) -> Iterator[str]:
    """``tar.gz`` before ``gz``."""
    suffixes = [suffix.lstrip(".").lower() for suffix in path.suffixes]
    for start in range(len(suffixes)):
        yield ".".join(suffixes[start:])
