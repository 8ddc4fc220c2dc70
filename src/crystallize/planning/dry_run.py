"""What would run, as data and as text; nothing runs, and no file is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.contracts import Capabilities
from crystallize.description.spec import ExperimentSpec
from crystallize.plugins.host import Host
from crystallize.printable import one_line
from crystallize.results.replacing import whole_path
from crystallize.store.generations import Generation
from crystallize.store.identity import identity
from crystallize.store.reading import read_records
from crystallize.store.stored import StoredExperiment

SHOWN = 12
"""How many conditions are named."""


@dataclass(frozen=True)
class DryRun:
    """What a run of an experiment would be.

    Attributes
    ----------
    content : dict
        ``experiment``, ``function``, ``seed``, ``conditions`` (name -> replicates), ``until``,
        ``shard``, ``cells``, ``rate_limit``, ``execution``, ``plugins`` and ``store``, which
        has ``found`` and ``failed`` cells and the ``changes`` for which it would be refused.
    """

    content: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """It as data that JSON has."""
        return self.content

    def __str__(self) -> str:
        content, conditions = self.content, list(self.content["conditions"].items())
        named = [f"{one_line(name)} ({n})" for name, n in conditions[:SHOWN]]
        more = [f"and {len(conditions) - SHOWN} more"] if len(conditions) > SHOWN else []
        execution = content["execution"]
        lines = {
            "experiment": one_line(content["experiment"]),
            "seed": content["seed"],
            "conditions": f"{len(conditions)}: {', '.join(named + more)}",
            "until": "; ".join(map(_until, content["until"])),
            "shard": content["shard"] or "",
            "cells": f"{'at most ' if content['until'] else ''}{content['cells']}",
            "rate limit": "" if (limit := content["rate_limit"]) is None else f"{limit:g} cells/s",
            "strategy": f"{_plugin(execution)}, workers: {execution['workers']}",
            "plugins": ", ".join(map(_plugin, content["plugins"])),
        }
        if (store := content["store"]) is not None:
            lines["store"] = f"{store['path']}: {store['found']} cells are there"
            if store["failed"]:
                lines["store"] += f", {store['failed']} of them failed"
            if store["changes"]:
                lines["refused"] = "; ".join(map(one_line, store["changes"]))
        text = "\n".join(f"{key:<12}{value}" for key, value in lines.items() if value != "")
        return f"{text}\nNothing was run."


def dry_run(experiment: ExperimentSpec, host: Host) -> DryRun:
    """Say what a run would be; see :meth:`crystallize.Experiment.dry_run`."""
    used = [
        {
            "name": one.name,
            "kind": one.kind,
            "distribution": one.distribution,
            "version": one.version,
        }
        for one in host.used
    ]
    executor = next(one for one in used if one["kind"] == "executor")
    return DryRun(
        {
            "experiment": experiment.name,
            "seed": experiment.seed,
            "baseline": experiment.baseline,
            "conditions": dict(experiment.replicates_of),
            "until": [one.to_dict() for one in experiment.until],
            "shard": None if experiment.shard is None else str(experiment.shard),
            "cells": experiment.cells,
            "rate_limit": experiment.rate_limit,
            "execution": {**executor, "workers": Capabilities.of(host.executor).workers},
            "plugins": [one for one in used if one is not executor],
            "store": None if experiment.store is None else _found(experiment, experiment.store),
        }
    )


def _found(experiment: ExperimentSpec, path: Path) -> dict[str, Any]:
    """What is in the store of what would run."""
    found: dict[str, Any] = {"path": str(path), "found": 0, "failed": 0, "changes": []}
    try:
        whole_path(path).stat()
    except FileNotFoundError:
        return found
    except OSError:  # of which opening it says what it is
        pass
    stored = StoredExperiment(path)
    cells = read_records(
        stored.records, experiment.replicates_of, experiment.seeding, experiment.parts
    )
    failed = 0 if experiment.retry_failed else len(cells.errors)
    found |= {"found": cells.tables.finished + failed, "failed": failed}
    if stored.records and not experiment.accept_changes:
        now = Generation.now(experiment, identity(experiment))
        found["changes"] = stored.latest.changes(now)
    return found


def _plugin(plugin: dict[str, Any]) -> str:
    origin = (plugin["distribution"], plugin["version"])
    return f"{plugin['name']} ({' '.join(filter(None, origin))})" if any(origin) else plugin["name"]


def _until(until: dict[str, Any]) -> str:
    wanted = f"{until['half_width']:g}" if until["half_width"] else f"{until['relative']:g} of it"
    return (
        f"{until['of']} of {one_line(until['metric'])} ± {wanted}, "
        f"{until['at_least']} to {until['at_most']} replicates"
    )
