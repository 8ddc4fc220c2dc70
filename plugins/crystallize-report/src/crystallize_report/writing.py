"""A report as text or as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystallize import ExportError, InvalidValueError, Result
from crystallize.plugins import replaced_whole
from crystallize_report.figures.files import save
from crystallize_report.figures.fitting import fitting
from crystallize_report.opening import opened
from crystallize_report.page import page

Certificate = Mapping[str, Any] | str | Path
"""What ``crystallize verify --json`` printed, or a file that has it."""


def html(
    source: Result | str | Path,
    *,
    mcse: float | None = None,
    certificate: Certificate | None = None,
    figures: bool = True,
) -> str:
    """A report as one page of HTML, which loads nothing from elsewhere.

    Parameters
    ----------
    source : Result or path
        A result, or a file: one that :meth:`crystallize.Result.save` wrote, or a store.
    mcse : float, optional
        The Monte Carlo standard error for which the report says how many replicates it takes.
        Default: 0.005 for proportions, 1% of other numbers.
    certificate : mapping or path, optional
        What ``crystallize verify --json`` printed of the same experiment.
    figures : bool
        Whether there are figures in it.

    Returns
    -------
    str
        The same for the same result, always.

    Raises
    ------
    StoreError, ResultFileError
        If the file is neither a store nor a saved result.
    InvalidValueError
        If the certificate is none, or another experiment's; or `mcse` is not above 0.

    Examples
    --------
    >>> from crystallize import Experiment
    >>> page = html(Experiment(lambda rng: rng.random(), replicates=10, seed=1).run())
    >>> page.splitlines()[0]
    '<!doctype html>'
    """
    if mcse is not None and not mcse > 0:
        raise InvalidValueError("mcse", mcse, "a number above 0")
    result = opened(source)
    known = _certificate(certificate, result)
    return page(result, mcse=mcse, certificate=known, figures=figures)


def write(
    source: Result | str | Path,
    path: str | Path,
    *,
    mcse: float | None = None,
    certificate: Certificate | None = None,
    figures: bool = True,
) -> None:
    """Write :func:`html` to a file, whole or not at all.

    A new file is for its owner's eyes; one that is replaced keeps who may read it.

    Raises
    ------
    ExportError
        If it could not be written.
    """
    text = html(source, mcse=mcse, certificate=certificate, figures=figures)
    try:
        with replaced_whole(Path(path)) as beside:
            beside.write_bytes(text.encode())
    except OSError as error:
        raise ExportError(f"{path} could not be written: {error.strerror or error}.") from error


def written_figures(source: Result | str | Path, folder: str | Path) -> list[Path]:
    """Write every figure that fits as SVG, PDF and PNG, and the data behind it as CSV.

    Parameters
    ----------
    source : Result or path
    folder : path
        Made where it is not there.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ExportError
        If a file could not be written.
    """
    try:
        return [path for drawn in fitting(opened(source)) for path in save(drawn, folder)]
    except OSError as error:
        raise ExportError(f"{folder}: no figures could be written: {error}.") from error


def export(result: Result, path: Path) -> None:
    """What ``--output report.html`` and :meth:`crystallize.Result.export` call."""
    write(result, path)


def _certificate(given: Certificate | None, result: Result) -> Mapping[str, Any] | None:
    if given is None:
        return None
    where = "certificate"
    if not isinstance(given, Mapping):
        where = str(given)
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            expected = f"a file that 'crystallize verify --json' wrote ({error})"
            raise InvalidValueError("certificate", str(given), expected) from error
    if not isinstance(given, Mapping) or "same" not in given or "rows" not in given:
        raise InvalidValueError("certificate", where, "what 'crystallize verify --json' prints")
    if given.get("seed") != result.root:
        expected = f"one of this experiment, whose seed is {result.root}, not {given.get('seed')!r}"
        raise InvalidValueError("certificate", where, expected)
    known = given.get("conditions")
    if not isinstance(known, list) or not set(map(str, known)) <= set(result.conditions):
        raise InvalidValueError("certificate", where, "one of this experiment's conditions")
    return given
