"""A shard: the part of every condition's replicates that one run of several has.

Which replicates these are follows from how many there are, and from nothing else.  They are
neighbours, since neighbouring cells travel to a worker together and are stored as one block.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crystallize.description.array_jobs import of_environment
from crystallize.errors import CrystallizeError, InvalidValueError

AUTO = "auto"
PLACE = "{shard}"
"""What stands in a path for the name of the shard."""
EXPECTED = "which one and of how many, as in '3/10' ('1/10' is the first), or 'auto'"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of an experiment.

    Parameters
    ----------
    number : int
        Which one, from 1 on.
    count : int
        Of how many.
    source : str
        Where that was read, if it was not given.

    Examples
    --------
    >>> str(Shard(3, 10)), Shard(3, 10).name, Shard(3, 10).part(1005)
    ('3/10', '3of10', (201, 301))
    """

    number: int
    count: int
    source: str = ""

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """What it is called in the names of files."""
        return f"{self.number}of{self.count}"

    def part(self, replicates: int) -> tuple[int, int]:
        """Its range [start, stop) of so many replicates; no two shards differ by more than one."""
        return (
            replicates * (self.number - 1) // self.count,
            replicates * self.number // self.count,
        )


WHOLE = Shard(1, 1)


def shard(where: str, value: object) -> Shard:
    """A shard, as text or as one; ``"auto"`` is that of the array job that this process is of.

    Raises
    ------
    CrystallizeError
    """
    if isinstance(value, Shard):
        return value
    if value == AUTO:
        text, source = of_environment(where)
        return replace(spelled_out(source, text), source=source)
    return spelled_out(where, value)


def spelled_out(where: str, value: object) -> Shard:
    """A shard that is given as which one and of how many.

    Raises
    ------
    InvalidValueError
    """
    text = value.strip() if isinstance(value, str) else ""
    if (match := re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)) is not None:
        found = Shard(int(match[1]), int(match[2]))
        if 1 <= found.number <= found.count:
            return found
    raise InvalidValueError(where, value, EXPECTED)


def check_shard(own: Shard, replicates: Mapping[str, int], until: Collection[object]) -> None:
    """Refuse a shard of what has none, or has fewer replicates than there are shards.

    Raises
    ------
    CrystallizeError
    """
    if until:
        raise CrystallizeError(
            f"shard: with Until, how many replicates are enough is seen from all of them in "
            f"order, and shard {own} has a part of them. Give a number of replicates, or no shard."
        )
    most = max(replicates.values())
    if own.count > most:
        raise CrystallizeError(
            f"shard: {own.count} shards of {most} replicates would leave some without any; "
            f"make {most} at the most."
        )


def check_seeded(own: Shard, seed: int | None) -> None:
    """Refuse a shard of an experiment whose seed would be drawn: each had another one.

    Raises
    ------
    CrystallizeError
    """
    if seed is None:
        raise CrystallizeError(
            f"seed: missing, and shard {own} cannot draw one: the shards of an experiment have "
            "the same. Give a seed."
        )


def filled_in(path: str, own: Shard | None) -> str:
    """A path with the shard's name for ``{shard}``; a run of all is 1of1.

    Examples
    --------
    >>> filled_in("{shard}.db", Shard(3, 10))
    '3of10.db'
    """
    return path.replace(PLACE, (own or WHOLE).name)


def one_of_its_own(path: Path, own: Shard) -> Path:
    """The path for a shard where all shards are given the same one.

    Examples
    --------
    >>> one_of_its_own(Path("results.db"), Shard(3, 10)).as_posix()
    'results-3of10.db'
    """
    if PLACE in str(path):
        return path  # where that becomes its name
    return path.with_name(f"{path.stem}-{own.name}{path.suffix}")
