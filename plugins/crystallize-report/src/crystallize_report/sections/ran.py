"""How it was run: what the provenance says, and a certificate where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crystallize_report.study import ReportedStudy
from crystallize_report.tables import Table, laid_out
from crystallize_report.texts import counted, found, inline, listed, mapping, scalar, visible


@dataclass(frozen=True)
class Ran:
    """The section.

    Attributes
    ----------
    facts : list of (str, str)
    tables : list of Table
    verdict : str
        What the certificate says; empty where there is none.
    is_same : bool
    plugin_errors : list of (str, str)
        What failed, and its traceback.
    """

    facts: list[tuple[str, str]]
    tables: list[Table]
    verdict: str
    is_same: bool
    plugin_errors: list[tuple[str, str]]


def ran(study: ReportedStudy, certificate: Mapping[str, Any] | None) -> Ran:
    """Gather it."""
    tables = [_durations(study), _plugins(study), _generations(study)]
    if certificate is not None:
        tables.append(_ways(certificate, study))
    verdict, is_same = _verdict(certificate)
    return Ran(
        [(name, text) for name, text in _facts(study) if text],
        [table for table in tables if table is not None],
        verdict,
        is_same,
        [
            (
                f"{inline(one.get('plugin'), 300)}, {inline(one.get('hook'), 300)}: "
                f"{inline(one.get('type'), 300)}: {inline(one.get('message'), 300)}",
                str(one.get("traceback", "")),
            )
            for one in listed(study.provenance, "plugin_errors")
        ],
    )


def _facts(study: ReportedStudy) -> list[tuple[str, str]]:
    of, result = study.provenance, study.result
    execution, seed = mapping(of, "execution"), mapping(of, "seed")
    rule = seed.get("rule") or of.get("rule")
    return [
        ("Function", visible(study.function or "")),
        ("SHA-256 of its source", visible(found(of, "function", "source_sha256") or "")),
        ("Root seed", str(result.root)),
        ("Seed of a replicate", visible(rule or result.seed_rule)),
        ("Replicates", _range(study)),
        ("Cells", _cells(study)),
        ("Shard", _shard(of.get("shard"))),
        ("Strategy", _strategy(execution)),
        ("Failures and limits", _failures(execution)),
        ("BLAS threads", _text(execution.get("blas_threads"))),
        ("Hash seed", _text(of.get("hash_seed"))),
        ("Values", "kept" if result.keeps_values else "summaries only"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in mapping(of, "versions").items())),
        ("Machine", _text(of.get("platform"))),
        ("Git", _git(of.get("git"), is_run=not study.is_of_store)),
        ("Started", _text(of.get("started"))),
        ("Took", _seconds(of.get("seconds"))),
        ("Store", _store(of.get("store"))),
        ("Stopped", _stopped(of.get("stopped"))),
    ]


def _range(study: ReportedStudy) -> str:
    numbers = sorted({count["replicates"] for count in study.counts})
    ends = dict.fromkeys((numbers[0], numbers[-1])) if numbers else {}
    return f"{' to '.join(f'{n:,}' for n in ends)} of each condition"


def _cells(study: ReportedStudy) -> str:
    total = {
        key: sum(count[key] for count in study.counts) for key in ("finished", "failed", "missing")
    }
    return f"{study.result.cells:,}: " + ", ".join(f"{n:,} {key}" for key, n in total.items() if n)


def _strategy(execution: Mapping[str, Any]) -> str:
    if not execution:
        return ""
    options = [f"{k} = {inline(v)}" for k, v in mapping(execution, "options").items()]
    workers = execution.get("workers")
    if isinstance(workers, int):
        options.append(counted(workers, "worker"))
    return visible(execution.get("strategy")) + (f" ({', '.join(options)})" if options else "")


def _failures(execution: Mapping[str, Any]) -> str:
    keys = ("on_error", "retries", "timeout", "time_limit", "rate_limit")
    given = [(key, execution.get(key)) for key in keys]
    if execution.get("retries"):
        given += [(k, v) for k, v in mapping(execution, "retry").items() if k != "times"]
    return ", ".join(f"{k.replace('_', ' ')}: {inline(v, 200)}" for k, v in given if v is not None)


def _shard(shard: Any) -> str:
    if not isinstance(shard, Mapping):
        return ""
    return f"{inline(shard.get('number'))} of {inline(shard.get('count'))}"


def _git(git: Any, *, is_run: bool) -> str:
    if not isinstance(git, Mapping):
        return "no repository" if is_run else ""
    state = "with changes that were not committed" if git.get("dirty") else "clean"
    return f"{inline(git.get('commit'), 300)}, {state}"


def _seconds(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)):
        return ""
    minutes, rest = divmod(float(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours or minutes:
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest:.0f} s"
    return f"{rest:.3g} s"


def _store(store: Any) -> str:
    if not isinstance(store, Mapping):
        return ""
    cells = store.get("found")
    there = f", {counted(cells, 'cell')} in it beforehand" if isinstance(cells, int) else ""
    return f"{visible(store.get('path'))}{there}"


def _stopped(stopped: Any) -> str:
    if not isinstance(stopped, Mapping):
        return ""
    return ", ".join(f"{key}: {inline(value, 300)}" for key, value in stopped.items())


def _text(value: Any) -> str:
    return "" if value is None else visible(value)


def _durations(study: ReportedStudy) -> Table | None:
    rows = [
        {
            "condition": row["condition"],
            "cells": row["n"],
            "mean (s)": row["mean"],
            "95% quantile (s)": row["p95"],
        }
        for row in study.result.duration_summary()
        if row["n"]
    ]
    caption = "How long a cell took"
    return laid_out("durations", caption, rows, study.names) if rows else None


def _plugins(study: ReportedStudy) -> Table | None:
    rows = [
        {
            **{key: scalar(plugin.get(key)) for key in ("name", "kind", "distribution", "version")},
            "options": ", ".join(
                f"{k} = {inline(v)}" for k, v in mapping(plugin, "options").items()
            )
            or None,
        }
        for plugin in listed(study.provenance, "plugins")
    ]
    return laid_out("plugins", "Plugins", rows, study.names, in_full=True) if rows else None


def _generations(study: ReportedStudy) -> Table | None:
    given = listed(study.provenance, "generations") or listed(
        study.provenance, "store", "generations"
    )
    now = scalar(mapping(study.provenance, "store").get("generation"))
    rows = [
        {
            "generation": str(one.get("number")),
            "fingerprint": scalar(one.get("fingerprint")),
            "cells found" if now else "cells": sum(
                stop - start
                for ranges in mapping(one, "cells").values()
                if isinstance(ranges, list)
                for start, stop in ranges
            ),
            "versions": ", ".join(f"{k} {v}" for k, v in mapping(one, "versions").items()),
        }
        for one in given
    ]
    notes = ["Cells ran under different code, parameters or versions."] if len(rows) > 1 else []
    if now:
        notes.append(f"All cells that were not found ran under generation {now}.")
    caption = "What the cells of the store ran under"
    return laid_out("generations", caption, rows, study.names, notes=notes) if rows else None


def _verdict(certificate: Mapping[str, Any] | None) -> tuple[str, bool]:
    if certificate is None:
        return "", False
    tolerance = certificate.get("tolerance")
    exactly = f"within {tolerance}" if tolerance else "byte for byte"
    ways, is_same = listed(certificate, "rows"), certificate.get("same") is True
    what = (
        f"{certificate.get('cells')} cells (replicates 0 to {_last(certificate)} of "
        f"{certificate.get('of')})"
    )
    if is_same:
        return f"Verified: {what} came out the same {exactly}, run in {len(ways)} ways.", True
    difference = mapping(certificate, "difference")
    first = ""
    if difference:
        of = f"condition {difference.get('condition')}, replicate {difference.get('replicate')}"
        first = f" The first cell that differs: {inline(of, 300)}."
    return f"Not the same everywhere: {what}, in {len(ways)} ways.{first}", False


def _last(certificate: Mapping[str, Any]) -> object:
    replicates = certificate.get("replicates")
    return replicates - 1 if isinstance(replicates, int) else replicates


def _ways(certificate: Mapping[str, Any], study: ReportedStudy) -> Table:
    rows = [
        {
            "strategy": scalar(one.get("strategy")),
            "options": ", ".join(f"{k} = {v}" for k, v in mapping(one, "options").items()) or None,
            **{key: scalar(one.get(key)) for key in ("distribution", "version", "workers")},
            "hash seed": scalar(one.get("hash_seed")),
            "digest": str(one.get("digest"))[:12] if one.get("digest") else None,
            "seconds": scalar(one.get("seconds")),
            "same": bool(one.get("same")),
        }
        for one in listed(certificate, "rows")
    ]
    notes = [
        f"not tried: {one.get('strategy')}: {inline(one.get('why'), 300)}"
        for one in listed(certificate, "not_tried")
    ]
    caption = "The same everywhere?"
    return laid_out("certificate", caption, rows, study.names, notes=notes, in_full=True)
