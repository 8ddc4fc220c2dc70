"""What a verification found, as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crystallize.cells.plain import json_data, plain_data
from crystallize.printable import one_line
from crystallize.results.text_table import aligned

SHOWN_DIGITS = 12
SHOWN_VALUE = 60
SHOWN_WHY = 300
HEAD = (
    "strategy", "options", "distribution", "version", "workers", "hash seed", "digest", "seconds",
    "same",
)  # fmt: skip
NUMBERS = [False] * 4 + [True] * 5
"""Which columns are at the right."""


@dataclass(frozen=True, kw_only=True)
class CertificateRow:
    """One way in which the replicates were run.

    Attributes
    ----------
    strategy : str
    options : mapping
        What the strategy was given.
    distribution, version : str or None
        Who ships it; ``None`` for an executor that was given as an object.
    workers : int or None
    hash_seed : str or None
        ``PYTHONHASHSEED`` of the process that began it; ``"random"`` where it has none.
    digest : str or None
        SHA-256 of what came of it; ``None`` where some cells are not to be had.
    seconds : float or None
        From start to end, starting workers included.
    same : bool
        Whether it is the same as the first.
    """

    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    distribution: str | None = None
    version: str | None = None
    workers: int | None = None
    hash_seed: str | None = None
    digest: str | None = None
    seconds: float | None = None
    same: bool = True

    @property
    def name(self) -> str:
        """What messages call it."""
        options = " ".join(f"{key}={value}" for key, value in self.options.items())
        seed = f" with PYTHONHASHSEED={self.hash_seed}" if self.strategy == FRESH_PROCESS else ""
        return f"{self.strategy}{' ' * bool(options)}{options}{seed}"


FRESH_PROCESS = "(fresh process)"
"""What stands for a strategy where a new interpreter ran the cells, one after another."""


@dataclass(frozen=True)
class NotTried:
    """A strategy that could not be had.

    Attributes
    ----------
    strategy : str
    distribution, version : str or None
    why : str
    differs : bool
        Whether it would compute other numbers: its workers have other code or values.
    """

    strategy: str
    distribution: str | None
    version: str | None
    why: str
    differs: bool = False


@dataclass(frozen=True)
class Difference:
    """The first cell that differs.

    Attributes
    ----------
    condition : str
    replicate : int
    metric : str or None
        ``None`` where it failed in one of them, or in other ways.
    ways : (str, str)
        Who has the two values.
    values : (object, object)
    cells : int
        How many cells differ between these two.
    why : str or None
        Where it is known.
    """

    condition: str
    replicate: int
    metric: str | None
    ways: tuple[str, str]
    values: tuple[Any, Any]
    cells: int
    why: str | None = None

    def __str__(self) -> str:
        of = "" if self.metric is None else f", {one_line(self.metric)!r}"
        (one, other), (first, second) = self.ways, map(_shown, self.values)
        text = (
            f"condition {one_line(self.condition)!r}, replicate {self.replicate}{of}: {first} "
            f"under {one}, {second} under {other} ({_counted(self.cells, 'cell')} in all)"
        )
        return text if self.why is None else f"{text}\nwhy: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What came of running an experiment's first replicates in several ways.

    Attributes
    ----------
    experiment : str
    seed : int
    replicates : int
        How many were run.
    of : int
        How many the whole study has.
    conditions : tuple of str
    cells : int
        How many were compared, each time.
    failed : int
        How many of them failed, in the first row.
    rows : tuple of CertificateRow
        In the order in which they were run; the first is what others are compared with.
    not_tried : tuple of NotTried
        What there is besides, and why it was not run.
    difference : Difference or None
    tolerance : float
    against : str or None
        The file of the study that was run again.
    versions : mapping of str to str
        Of Python and what numbers depend on, here.
    """

    experiment: str
    seed: int
    replicates: int
    of: int
    conditions: tuple[str, ...]
    cells: int
    failed: int
    rows: tuple[CertificateRow, ...]
    not_tried: tuple[NotTried, ...] = ()
    difference: Difference | None = None
    tolerance: float = 0.0
    against: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether every way gave the same, and none would have given something else."""
        return self.difference is None and not any(other.differs for other in self.not_tried)

    def to_dict(self) -> dict[str, Any]:
        """The certificate as strict JSON has it."""
        difference = self.difference
        content = {
            "same": self.same,
            **{name: getattr(self, name) for name in ("experiment", "seed", "replicates", "of")},
            "conditions": list(self.conditions),
            **{name: getattr(self, name) for name in ("cells", "failed", "tolerance", "against")},
            "rows": [_row_data(row) for row in self.rows],
            "not_tried": [vars(other) for other in self.not_tried],
            "difference": None if difference is None else vars(difference),
            "versions": dict(self.versions),
        }
        return json_data(plain_data(content, "certificate"))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        shown = "every replicate" if self.replicates == self.of else f"replicates 0 to {self._last}"
        against = "" if self.against is None else f", against {self.against}"
        lines = [
            f"{one_line(self.experiment)}: {shown} of {self.of} under "
            f"{_counted(len(self.conditions), 'condition')}, seed {self.seed}{against}",
            *aligned([HEAD, *map(_row, self.rows)], NUMBERS),
        ]
        for other in self.not_tried:
            origin = f" ({other.distribution} {other.version})" if other.distribution else ""
            lines.append(
                f"not tried: {other.strategy}{origin}: {_short(one_line(other.why), SHOWN_WHY)}"
            )
        if self.failed:
            lines.append(
                f"{self.failed} of {_counted(self.cells, 'cell')} failed in the first of these."
            )
        exactly = "byte for byte" if not self.tolerance else f"within {self.tolerance:g}"
        if self.difference is not None:
            lines.append(f"NOT THE SAME {exactly}: {self.difference}")
        elif not self.same:
            lines.append("NOT THE SAME: there are workers that would compute other numbers")
        else:
            lines.append(
                f"the same {exactly}: {_counted(self.cells, 'cell')}, {len(self.rows)} times"
            )
        return "\n".join(lines)

    @property
    def _last(self) -> int:
        return self.replicates - 1


def _row_data(row: CertificateRow) -> dict[str, Any]:
    options = {key: str(value) for key, value in row.options.items()}
    plain = {k: v for k, v in row.options.items() if isinstance(v, (bool, int, float, str))}
    return vars(row) | {"options": options | plain}


def _row(row: CertificateRow) -> tuple[str, ...]:
    options = " ".join(f"{key}={value}" for key, value in row.options.items())
    cells = (
        row.strategy,
        options or None,
        row.distribution,
        row.version,
        row.workers,
        row.hash_seed,
        row.digest and row.digest[:SHOWN_DIGITS],
        None if row.seconds is None else f"{row.seconds:.2f}",
        "yes" if row.same else "NO",
    )
    return tuple("-" if cell is None else one_line(cell) for cell in cells)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value.startswith("failed: ") else repr(value)
    text = one_line(text)
    return _short(text, SHOWN_VALUE)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."
