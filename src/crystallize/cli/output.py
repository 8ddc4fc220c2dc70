"""Where ``--output`` has a result written: a file, as its ending says, or a folder of its own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from crystallize.cells.plain import json_data, plain_data
from crystallize.cli.streams import say, stdout_kept_clean
from crystallize.cli.tables import Wanted
from crystallize.errors import ExportError
from crystallize.results.exporting import OF_TABLES, Exporter, check_place, export, exporter_for
from crystallize.results.result import Result
from crystallize.results.stored_csv import export_csv

LONGEST_NAME = 60
"""How much of an experiment's name is in that of a folder."""
OF_SUMMARIES = tuple(f".{ending}" for ending in OF_TABLES)
"""What ends the names of files that hold no values."""
TRIES = 1000
"""How many runs of one name may begin in one second."""


class ToFile:
    """One file.

    Parameters
    ----------
    path : path
    exporter : Exporter
    """

    def __init__(self, path: Path, exporter: Exporter) -> None:
        self._path = path
        self.exporter = exporter

    def claim(self, name: str) -> None:
        """Nothing: a file is put there at the end."""

    def give_up(self) -> None:
        """Nothing: none was."""

    def write(self, result: Result, store: Path | None) -> None:
        """Write a result.

        Raises
        ------
        ExportError
        """
        export(result, self._path, self.exporter)


class ToFolder:
    """A new folder in one that gathers those of many runs: named by experiment and time.

    Parameters
    ----------
    gathering : path
    tables : Wanted
    """

    def __init__(self, gathering: Path, tables: Wanted) -> None:
        self._gathering = gathering
        self._tables = tables
        self._folder: Path | None = None

    def claim(self, name: str) -> None:
        """Make the folder, before anything is computed.

        Raises
        ------
        ExportError
        """
        short = re.sub(r"[^\w.-]+", "-", name)[:LONGEST_NAME].strip("-.") or "run"
        called = f"{short}-{datetime.now():%Y%m%d-%H%M%S}"
        try:
            self._gathering.mkdir(exist_ok=True)
            for number in range(1, TRIES):
                with suppress(FileExistsError):
                    folder = self._gathering / (called if number == 1 else f"{called}-{number}")
                    folder.mkdir(mode=0o700)  # as all that is written is for its owner's eyes
                    self._folder = folder
                    return
        except OSError as error:
            raise ExportError(
                f"{self._gathering}: no folder can be made in it ({error.strerror})."
            ) from error
        raise ExportError(f"{self._gathering / called}: there are {TRIES} of that name already.")

    def give_up(self) -> None:
        """Take the folder away, since nothing came of the run."""
        if self._folder is not None:
            with suppress(OSError):
                self._folder.rmdir()

    def write(self, result: Result, store: Path | None) -> None:
        """Write a result: whole, its cells, its tables and where it comes from.

        Parameters
        ----------
        result : Result
        store : path, optional
            Where its values are if it has none.

        Raises
        ------
        ExportError
            At the first file that cannot be written.
        """
        assert self._folder is not None
        text = result.text(by=self._tables.by, across=self._tables.across)
        about = json_data(plain_data(result.provenance, "provenance"))
        writers: dict[str, Callable[[Result, Path], object]] = {
            "result.zip": lambda result, path: result.save(path),
            "summary.txt": _writes(text),
            "provenance.json": _writes(json.dumps(about, allow_nan=False, indent=2)),
        }
        if result.keeps_values:
            writers["cells.csv"] = lambda result, path: result.to_csv(path)
        elif store is not None:
            writers["cells.csv"] = lambda _, path: export_csv(store, path)
        for name, write in writers.items():
            export(result, self._folder / name, Exporter("this command", write))
        say(f"Written to {self._folder}{os.sep}: {', '.join(writers)}", err=True)


def _writes(text: str) -> Callable[[Result, Path], object]:
    return lambda _, path: path.write_text(f"{text}\n", encoding="utf-8")


Output = ToFile | ToFolder


def output_to(given: str, tables: Wanted, block: Iterable[str] = ()) -> Output:
    """What ``--output`` stands for: a folder if there is one, or if a separator ends it.

    Raises
    ------
    CrystallizeError
        If nothing can be written there.
    """
    path = Path(given)
    is_folder = False
    with suppress(OSError):  # of which the check says what it is
        is_folder = path.is_dir()
    if given.endswith(("/", os.sep)) or is_folder:
        if not is_folder:
            check_place(path)  # it is made in the folder that is there
        return ToFolder(path, tables)
    exporter = exporter_for("--output", path, tuple(block))
    check_place(path)
    return ToFile(path, exporter.by_factors(tables.by, tables.across))


def write_store(given: str, tables: Wanted, store: Path, result: Result) -> bool:
    """Write what is in a store, read as far as the file needs it; whether that was possible.

    Parameters
    ----------
    result : Result
        Its summary.

    Raises
    ------
    CrystallizeError
        If nothing can be written there.
    """
    output = output_to(given, tables)
    if isinstance(output, ToFolder):
        output.claim(result.provenance["name"])
        return is_written(output, Result.from_store(store), store)
    write = output.exporter.write
    if given.lower().endswith(".csv"):
        own = replace(output.exporter, write=lambda _, path: export_csv(store, path))
    elif given.lower().endswith(OF_SUMMARIES):
        own = output.exporter
    else:
        own = replace(output.exporter, write=lambda _, path: write(Result.from_store(store), path))
    return is_written(ToFile(Path(given), own), result, store)


def is_written(output: Output, result: Result, store: Path | None) -> bool:
    """Write a result, or say why that was not possible."""
    try:
        with stdout_kept_clean():
            output.write(result, store)
    except ExportError as error:
        say(f"Error: {error}", err=True)
        return False
    return True
