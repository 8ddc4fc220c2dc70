"""Whether a worker process has what its driver has: the same code, and the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crystallize.description.fingerprint import Fingerprint, loaded_fingerprint
from crystallize.errors import WorkerDiffersError

HERE, THERE = "in your program", "in a worker process"


def unlike_driver(
    drivers: Fingerprint, function: Callable[..., Any], conditions: Mapping[str, Mapping[str, Any]]
) -> WorkerDiffersError | None:
    """The error that a worker has with what it loaded; ``None`` where all is as in the driver.

    Parameters
    ----------
    drivers : Fingerprint
        What the driver had loaded.
    """
    found = drivers.unlike(loaded_fingerprint(function, conditions), HERE, THERE)
    if not found:
        return None
    return WorkerDiffersError(
        "A worker process would compute other numbers than your program:\n"
        + "".join(f"  - {each}\n" for each in found)
        + "A worker executes modules anew: it sees no change that your program made to them. Pass "
        "what changes as a parameter, set it inside the function, or start the program anew."
    )
