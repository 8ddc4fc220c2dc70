"""What of an experiment a store is to hold, and what is missing of it: all, or a shard's part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crystallize.description.shard import PLACE, WHOLE, Shard, one_of_its_own, spelled_out
from crystallize.errors import StoreMismatchError
from crystallize.store.about import Identity

Range = tuple[int, int]


def shard_of(path: Path, identity: Identity) -> Shard | None:
    """The shard whose store it is, if it is one's.

    Raises
    ------
    InvalidValueError
        If what the store says is none.
    """
    text = identity.get("shard")  # not there in a store of an earlier version
    return None if text is None else spelled_out(f"{path}: its shard", text)


def check_same_shard(path: Path, identity: Identity, now: Shard | None) -> None:
    """Refuse to run a shard into the store of another one; a run of all may go on with any.

    Raises
    ------
    StoreMismatchError
    """
    stored = shard_of(path, identity)
    if now is None or stored is None or str(now) == str(stored):
        return
    plain = path.with_name(path.name.replace(f"-{stored.name}", ""))
    raise StoreMismatchError(
        f"{path}: this is the store of shard {stored}, and this run is shard {now}. Each has one "
        f"of its own: {one_of_its_own(plain, now)}, which is also what '-{PLACE}' in the path "
        "stands for. 'crystallize merge' puts them together."
    )


@dataclass(frozen=True)
class Missing:
    """The cells of an experiment that are in none of some stores.

    Parameters
    ----------
    replicates : mapping of str to int
        Condition -> how many it has.
    ranges : mapping of str to sequence of (int, int)
        Condition -> the ranges [start, stop) of replicates that are missing.
    shards : mapping of Shard to path
        Those of which there are stores.
    """

    replicates: Mapping[str, int]
    ranges: Mapping[str, Sequence[Range]]
    shards: Mapping[Shard, Path]

    def __bool__(self) -> bool:
        return any(self.ranges.values())

    @property
    def cells(self) -> int:
        """How many they are."""
        return sum(stop - start for ranges in self.ranges.values() for start, stop in ranges)

    def by_shard(self) -> dict[Shard, int] | None:
        """Shard -> how many of its cells are missing, where any are.

        ``None`` where the stores are not those of shards, of the same number of them.
        """
        if len({one.count for one in self.shards}) != 1:
            return None
        count = next(iter(self.shards)).count
        found = {}
        for one in (Shard(number, count) for number in range(1, count + 1)):
            cells = sum(
                stop - start
                for name, ranges in self.ranges.items()
                for start, stop in inside(ranges, one.part(self.replicates[name]))
            )
            if cells:
                found[one] = cells
        return found


def parts_of(own: Shard | None, replicates: Mapping[str, int]) -> dict[str, Range]:
    """Condition -> the range of its replicates that a shard's store is to hold, or that of all."""
    part = (own or WHOLE).part
    return {name: part(number) for name, number in replicates.items()}


def inside(ranges: Iterable[Range], part: Range) -> Iterator[Range]:
    """What some ranges have of another one."""
    first, last = part
    for start, stop in ranges:
        if max(start, first) < min(stop, last):
            yield max(start, first), min(stop, last)
