"""Hypotheses are written down before the first replicate runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from crystallize_stats.claims import Hypothesis


class Planned(Protocol):
    """What is read of an experiment."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def replicates(self) -> int: ...

    @property
    def own_replicates(self) -> Mapping[str, int]: ...


class Registration(NamedTuple):
    """When a hypothesis was written down, and whether this run did it."""

    time: str
    is_new: bool


def digest(hypothesis: Hypothesis, experiment: Planned) -> str:
    """What a registration is known by: SHA-256 of the plan.

    That is the experiment's name, seed and numbers of replicates, and the hypothesis's name, claim,
    alpha and test, as JSON with sorted keys.  Not the function, which the store watches.
    """
    text = json.dumps(_plan(hypothesis, experiment), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plan(hypothesis: Hypothesis, experiment: Planned) -> dict[str, object]:
    return {
        "experiment": experiment.name,
        "seed": experiment.seed,
        "replicates": experiment.replicates,
        # Where none has its own, a plan is what it was before conditions could.
        **(
            {"own_replicates": dict(experiment.own_replicates)} if experiment.own_replicates else {}
        ),
        "hypothesis": hypothesis.name,
        "claim": hypothesis.text,
        "alpha": hypothesis.alpha,
        "test": hypothesis.test,
    }


def register(
    path: Path, hypotheses: Sequence[Hypothesis], experiment: Planned
) -> dict[str, Registration]:
    """Append to a file what it does not hold yet; when each hypothesis was written down.

    The file has a JSON object a line: ``time``, ``hash`` and what the hash is of.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read or written, or holds something else.
    """
    times: dict[str, str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            times.setdefault(entry["hash"], entry["time"])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found = {}
    lines = []
    for hypothesis in hypotheses:
        known = digest(hypothesis, experiment)
        found[hypothesis.name] = Registration(times.get(known, now), known not in times)
        if known not in times:
            lines.append({"time": now, "hash": known, **_plan(hypothesis, experiment)})
    if lines:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
    return found
