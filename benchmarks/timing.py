"""Contenders in turn, round by round: what drifts meanwhile meets all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One measurement: seconds, and whatever else was measured with them."""

    seconds: float
    values: Mapping[str, float] = {}


@dataclass
class Row:
    """All measurements of one contender on one workload.

    Attributes
    ----------
    replicates : int
        How many it ran; times are compared by replicate, since a slow contender runs fewer.
    seconds : list of float
        One a round.
    values : dict of str to list of float
        What else was measured, by name.
    note : str
    """

    replicates: int
    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""

    def add(self, sample: Sample) -> None:
        self.seconds.append(sample.seconds)
        for name, value in sample.values.items():
            self.values.setdefault(name, []).append(value)

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.seconds)

    @property
    def each(self) -> float:
        """Seconds a replicate."""
        return self.median / self.replicates

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the most of all rounds."""
        return min(self.seconds), max(self.seconds)

    def value(self, name: str) -> float:
        """The median of what else was measured."""
        return median(self.values[name])

    def to_dict(self) -> dict[str, Any]:
        low, high = self.spread
        return {
            "replicates": self.replicates,
            "seconds": self.seconds,
            "median": self.median,
            "least": low,
            "most": high,
            "values": self.values,
            "note": self.note,
        }


Table = dict[str, Row]
"""Contender -> its measurements."""


def rotated(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Every name once a round; each round starts one further, so nobody is always first."""
    for turn in range(rounds):
        start = turn % len(names) if names else 0
        yield from names[start:]
        yield from names[:start]


def timed(run: Callable[[], Any]) -> Sample:
    """The seconds of a call."""
    began = perf_counter()
    run()
    return Sample(perf_counter() - began)


def interleave(runs: Mapping[str, Callable[[], Sample]], table: Table, rounds: int) -> Table:
    """Run each contender once a round and add what it measured to its row."""
    for name in rotated(list(runs), rounds):
        table[name].add(runs[name]())
    return table
