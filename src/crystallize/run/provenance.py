"""Where a result comes from: enough to run it again, as plain data."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crystallize.callables import documentation, function_name
from crystallize.description.fingerprint import shown_parameter
from crystallize.description.secrets import without_secrets
from crystallize.description.shard import Shard
from crystallize.description.spec import ExperimentSpec
from crystallize.description.versions import versions
from crystallize.plugins.host import Host
from crystallize.store.identity import opaque


def provenance(
    experiment: ExperimentSpec,
    host: Host,
    *,
    source: str | None,
    workers: int,
    git: Mapping[str, Any] | None,
    started: datetime,
    seconds: float,
    store: Mapping[str, Any] | None,
    stopped: Mapping[str, Any] | None,
    replicates: int,
    until: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Gather the provenance of a run.

    Parameters
    ----------
    source : str or None
        The :func:`source_hash` of the function, from before it ran.
    workers : int
        How many tasks the executor ran at once.
    git : mapping or None
        What :class:`GitState` found.
    started : datetime
        In UTC.
    seconds : float
        From start to end.
    store : mapping or None
        The store: how many cells were in it already, and what they ran under.
    stopped : mapping or None
        After how many replicates a plugin stopped the run, which one, and why; or how many
        cells there were when its time limit was over.
    replicates : int
        How many the condition with the most has.
    until : sequence of mappings or None
        What was to be known of each condition, and the half widths at the ends of pages.
    """
    function = experiment.function
    return {
        "experiment": experiment.name,
        "function": {
            "name": function_name(function),
            "module": getattr(function, "__module__", None),
            "doc": documentation(function),
            "source_sha256": source,
        },
        "conditions": {
            condition: {key: shown_parameter(value) for key, value in parameters.items()}
            for condition, parameters in experiment.shown_conditions.items()
        },
        "opaque": opaque(experiment),
        "baseline": experiment.baseline,
        "replicates": replicates,
        "keep": experiment.keep,
        "shard": None if experiment.shard is None else _of_shard(experiment, experiment.shard),
        "until": None if until is None else list(until),
        "seed": {
            "root": experiment.seed,
            "rule": experiment.seed_formula,
            **_own_streams(experiment),
        },
        "execution": {
            "strategy": host.executor_name,
            "options": _options(host.executor_options),
            "workers": workers,
            "blas_threads": experiment.blas_threads,
            "seed_globals": experiment.seed_globals,
            "retries": experiment.retries,
            "retry": experiment.retry.to_dict(),
            "rate_limit": experiment.rate_limit,
            "timeout": experiment.timeout,
            "time_limit": experiment.time_limit,
            "on_error": experiment.on_error,
        },
        "plugins": [
            {
                "name": plugin.name,
                "kind": plugin.kind,
                "distribution": plugin.distribution,
                "version": plugin.version,
                **({"options": _options(plugin.options)} if plugin.options else {}),
            }
            for plugin in host.used
        ],
        "hash_seed": hash_seed(),
        "versions": versions(),
        "platform": platform.platform(),
        "git": None if git is None else dict(git),
        "started": started.isoformat(),
        "seconds": seconds,
        "store": None if store is None else dict(store),
        "stopped": stopped,
        "plugin_errors": [],
    }


def _of_shard(experiment: ExperimentSpec, shard: Shard) -> dict[str, Any]:
    """Which part of the replicates was run, and what of the environment said so."""
    return {
        "number": shard.number,
        "count": shard.count,
        "source": shard.source or None,
        "replicates": {name: list(part) for name, part in experiment.parts.items()},
    }


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: shown_parameter(without_secrets(key, value)) for key, value in given.items()}


def hash_seed() -> int | str:
    """By what this interpreter hashes texts, and so orders sets of them: a number, or "random".

    Worker processes have the same where it is a number.
    """
    if not sys.flags.hash_randomization:
        return 0
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED", "")
    # It may have been set after the interpreter began; with 0 that shows.
    return int(given) if given.isdecimal() and int(given) else "random"


def _own_streams(experiment: ExperimentSpec) -> dict[str, Any]:
    """Which conditions have streams of their own, where any."""
    if not experiment.streams:
        return {}
    return {"streams": list(experiment.streams), "stream_keys": dict(experiment.stream_keys)}
