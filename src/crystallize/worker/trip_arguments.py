"""How the arguments of a trip's cells are made, where cells get all parameters as they are.

Of numbers, texts and the like nothing has to be copied for a cell, nor looked at after it: the
cells of many conditions can be run as one block.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from crystallize.contracts import Trip
from crystallize.description.seeding import Seeding
from crystallize.description.streams import GIVEN, Streams
from crystallize.worker.parameters import is_passed_as_it_is

INJECTED = GIVEN | {"replicate", "condition"}


def is_simple(
    parameters: Sequence[Mapping[str, Any]], seeding: Seeding, injected: Collection[str]
) -> bool:
    """Whether :class:`TripArguments` can make the arguments of some conditions.

    Parameters
    ----------
    parameters : sequence of mapping
        Those of each condition.
    seeding : Seeding
        That of the experiment: of conditions that share their streams.
    injected : collection of str
        What the function asks for by name.
    """
    if seeding.keys or not INJECTED.issuperset(injected):
        return False
    kinds = {type(value) for given in parameters for value in given.values()}
    return all(map(is_passed_as_it_is, kinds))


class TripArguments:
    """Makes the keyword arguments of each call of a trip, whose cells are counted from 0.

    It stands where :class:`Arguments` does for the cells of a block.

    Parameters
    ----------
    seeding : Seeding
    names : sequence of str
        The conditions of the trip.
    parameters : sequence of mapping
        Those of each.
    trip : Trip
    injected : collection of str
    """

    same: Mapping[str, Any] = {}
    constant = only_replicate = False
    """As those of :class:`Arguments`: no two conditions get the same."""

    def __init__(
        self,
        seeding: Seeding,
        names: Sequence[str],
        parameters: Sequence[Mapping[str, Any]],
        trip: Trip,
        injected: Collection[str],
    ) -> None:
        self._seeding = seeding
        self._names = names
        self._parameters = parameters
        self._start, self._width = trip.start, trip.stop - trip.start
        self._replicate = "replicate" in injected
        self._condition = "condition" in injected
        self._streams = Streams(seeding, trip.stop, injected)
        self.varying: Callable[[int], Mapping[str, Any]] = self._varying
        """What gives the arguments of a cell."""
        if self._width == 1 and not injected:
            self.varying = parameters.__getitem__

    def seed(self, cell: int) -> int:
        """The seed of a cell's replicate."""
        return self._seeding.seed(self._start + cell % self._width)

    def _varying(self, cell: int) -> dict[str, Any]:
        place, offset = divmod(cell, self._width)
        replicate = self._start + offset
        own = dict(self._parameters[place])
        if self._replicate:
            own["replicate"] = replicate
        if self._condition:
            own["condition"] = self._names[place]
        self._streams.give(own, replicate)
        return own
