"""Dask's cluster classes by name: found, held to their options, opened and closed."""

from __future__ import annotations

import importlib
import inspect
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from difflib import get_close_matches
from typing import Any

from distributed import LocalCluster

from crystallize import CrystallizeError, InvalidValueError

ClusterClass = Callable[..., Any]

LOCAL: Mapping[str, Any] = {
    "processes": True,
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
}
"""What keeps a cluster of this machine's processes on loopback.

Dask's HTTP servers listen even with no dashboard: any free port, but on loopback too.
"""


def cluster_name(where: str, value: object) -> str:
    """The rule for ``module:attribute``."""
    parts = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not all(part.isidentifier() for part in (*parts[0].split("."), *parts[2].split("."))):
        expected = "module:attribute, as in 'dask_jobqueue:SLURMCluster'"
        raise InvalidValueError(where, value, expected)
    return str(value)


def options_table(where: str, value: object) -> dict[str, Any]:
    """The rule for the options of a cluster class."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidValueError(where, value, "a mapping of names to values")
    return dict(value)


def find_cluster(name: str) -> ClusterClass:
    """Import a cluster class, or a function that makes a cluster.

    Raises
    ------
    CrystallizeError
        If there is none, or if its job system is not on this machine.
    """
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise CrystallizeError(
            f"cluster: {name!r} cannot be imported ({error}). Is the distribution installed that "
            "has it, as dask-jobqueue for dask_jobqueue?"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [n for n in dir(found) if n.endswith("Cluster")]
            raise CrystallizeError(
                f"cluster: {module_name} has no {attribute!r}.{_hint(part, names)} "
                f"It has: {', '.join(names) or 'no cluster'}."
            )
        found = getattr(found, part)
    if not callable(found):
        raise CrystallizeError(f"cluster: {name!r} is a {type(found).__name__}, not a class.")
    # dask-jobqueue would only log that it cannot submit a job, and wait for its worker.
    submit = str(getattr(getattr(found, "job_cls", None), "submit_command", None) or "")
    command = submit.split()[0] if submit else ""
    if command and shutil.which(command) is None:
        raise CrystallizeError(
            f"cluster: {name!r} submits jobs with {command!r}, which is not on this machine. Run "
            "the experiment where it is, as on a login node."
        )
    return found  # type: ignore[no-any-return]


@contextmanager
def opened(
    name: str, make: ClusterClass, options: Mapping[str, Any], sizes: Mapping[str, int]
) -> Iterator[Any]:
    """Open a cluster, and close it.

    Parameters
    ----------
    name : str
        What messages call it.
    make : callable
    options : mapping
        What the user gives it.
    sizes : mapping of str to int
        How many workers and threads there are to be; given to a class that takes it.

    Raises
    ------
    CrystallizeError
        If it cannot be made; chained to the reason.
    """
    parameters = _parameters(make)
    defaults = {key: value for key, value in sizes.items() if key in parameters}
    if make is LocalCluster:
        defaults = {**LOCAL, **defaults}
    try:
        cluster = make(**{**defaults, **options})
    except Exception as error:
        raise CrystallizeError(
            f"The cluster {name!r} could not be opened: {type(error).__name__}: {error}. Its "
            f"cluster_options: {dict(options)!r}."
        ) from error
    with closing(cluster):
        yield cluster


def _hint(name: str, names: Iterable[str]) -> str:
    folded = {known.casefold(): known for known in names}
    close = get_close_matches(name.casefold(), folded, 1)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""


def _parameters(make: ClusterClass) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}
