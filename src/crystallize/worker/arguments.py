"""What a function sees of the cell that it runs in, and how its arguments are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import default_rng

from crystallize.cells.attempts import Recorded, checked_record
from crystallize.description.seeding import Seeding
from crystallize.description.streams import GIVEN, Streams
from crystallize.worker.parameters import Copy, Large, copier, is_large, read_only


class CellContext:
    """The cell that is running: the ``ctx`` of a function that asks for it.

    Attributes
    ----------
    condition : str
        The name of the condition.
    replicate : int
        The index of the replicate.
    params : dict
        The condition's parameters.
    """

    def __init__(
        self,
        seeding: Seeding,
        condition: str,
        replicate: int,
        params: dict[str, Any],
        recorded: dict[int, Recorded],
    ) -> None:
        self._seeding = seeding
        self._recorded = recorded
        self.condition = condition
        self.replicate = replicate
        self.params = params

    @cached_property
    def rng(self) -> np.random.Generator:
        """The replicate's generator; the same object at every look."""
        return default_rng(self._seeding.sequence(self.replicate))

    @cached_property
    def seed(self) -> int:
        """A number for libraries other than NumPy; see :meth:`Seeding.seed`."""
        return self._seeding.seed(self.replicate)

    @cached_property
    def seed32(self) -> int:
        """Its low 32 bits, for libraries that take no more."""
        return self._seeding.seed32(self.replicate)

    def record(self, **values: Any) -> None:
        """Record plain values of this attempt, which survive its failure.

        May be called at any time, from any thread of the cell; of one name the last value
        counts.  What was recorded is in :attr:`crystallize.Result.attempts`, also where the
        function then raises or takes too long.  It is lost with a worker that dies or is killed.

        Parameters
        ----------
        **values : number, flag or str
            NumPy's scalars too; texts of at most 1000 characters.

        Raises
        ------
        InvalidValueError
            If a value is something else.

        Examples
        --------
        >>> from crystallize import Experiment
        >>> def ask(ctx):
        ...     ctx.record(tokens=20)
        ...     raise ConnectionError("no answer")
        >>> (attempt,) = Experiment(ask, seed=1).run().attempts
        >>> attempt.type, attempt.recorded
        ('ConnectionError', {'tokens': 20})
        """
        self._recorded.setdefault(self.replicate, {}).update(checked_record(values))


class Arguments:
    """Makes the keyword arguments of each call under one condition.

    A cell must not see what another did to its parameters, or its numbers would
    depend on which cells share a process: see :mod:`crystallize.worker.parameters`.

    Parameters
    ----------
    seeding : Seeding
        That of the condition.
    condition : str
    params : mapping of str to object
    injected : collection of str
        What the function asks for by name.
    copies_large : bool
        Whether large containers are copied for each call too, because nobody looks
        whether a cell has changed them.

    Attributes
    ----------
    recorded : dict of int to dict
        Replicate -> what its cell recorded, of those whose arguments were made here.
    """

    def __init__(
        self,
        seeding: Seeding,
        condition: str,
        params: Mapping[str, Any],
        injected: Collection[str],
        *,
        copies_large: bool = True,
    ) -> None:
        self.seeding = seeding
        self._condition = condition
        self._params = {key: read_only(value) for key, value in params.items()}
        self._large: list[Large] = []
        self._copies: list[tuple[str, Copy]] = []
        for key, value in self._params.items():
            if (copy := copier(value)) is None:
                continue
            if not copies_large and is_large(value):
                with suppress(Exception):  # it cannot be looked at
                    self._large.append(large := Large(copy))
                    self._params[key] = large.passed
                    continue
            self._copies.append((key, copy))
        self.untried = bool(self._large)
        """Whether no cell has shown yet whether it changes a large container."""
        self._asked = GIVEN.intersection(injected)
        self._replicate = "replicate" in injected
        self.records = "ctx" in injected
        """Whether cells can record values."""
        self.recorded: dict[int, Recorded] = {}
        if self._asked:
            self._streams = Streams(seeding, 0, self._asked)
        copied = {key for key, _ in self._copies}
        self.same = {key: value for key, value in self._params.items() if key not in copied}
        """Those that every cell gets."""
        if "condition" in injected:
            self.same["condition"] = condition
        varies = bool(self._asked or self.records or self._copies)
        self.only_replicate = self._replicate and not varies
        """Whether nothing but the replicate's number differs from cell to cell."""
        self.constant = not (varies or self._replicate)
        """Whether nothing does."""

    def were_changed(self) -> bool:
        """Whether a cell has changed a large container that others have got too."""
        return any(large.has_changed() for large in self._large)

    def of_block(self, stop: int) -> Arguments:
        """The same for the cells of a block that ends before `stop`, in index order."""
        if not (self._asked or self.records):
            return self
        block = self.of_cell()
        if self._asked:
            block = copy(block)
            block._streams = Streams(self.seeding, stop, self._asked)
        return block

    def of_cell(self) -> Arguments:
        """The same for a cell beside which others run, or a block of them."""
        if not self.records:
            return self
        cell = copy(self)
        cell.recorded = {}
        return cell

    def seed(self, replicate: int) -> int:
        """The seed of one replicate."""
        return self.seeding.seed(replicate)

    def taken(self, start: int, stop: int) -> dict[int, Recorded] | None:
        """What cells of replicates [start, stop) recorded, by how far they are from `start`.

        Threads of theirs may go on recording: that is too late.
        """
        found = {
            replicate - start: dict(self.recorded[replicate])
            for replicate in list(self.recorded)
            if start <= replicate < stop
        }
        return found or None

    def __call__(self, replicate: int) -> dict[str, Any]:
        """All arguments of one call."""
        return {**self.same, **self.varying(replicate)}

    def varying(self, replicate: int) -> dict[str, Any]:
        """Those that are this cell's own."""
        own = {key: fresh() for key, fresh in self._copies} if self._copies else {}
        if self._replicate:
            own["replicate"] = replicate
        if self._asked:
            self._streams.give(own, replicate)
        if self.records:
            params = {**self._params, **{key: fresh() for key, fresh in self._copies}}
            own["ctx"] = CellContext(
                self.seeding, self._condition, replicate, params, self.recorded
            )
        return own


class ConditionArguments:
    """What makes the arguments of each condition's cells, made when they are first asked for.

    Parameters
    ----------
    conditions : mapping of str to mapping
        Condition -> its parameters.
    seeding : Seeding
    injected : collection of str
        What the function asks for by name.
    copies_large : bool
        As for :class:`Arguments`.

    Attributes
    ----------
    names : tuple of str
        Of the conditions.
    """

    def __init__(
        self,
        conditions: Mapping[str, Mapping[str, Any]],
        seeding: Seeding,
        injected: Collection[str],
        *,
        copies_large: bool,
    ) -> None:
        self.names = tuple(conditions)
        self._conditions = conditions
        self._seeding = seeding
        self._injected = injected
        self._copies_large = copies_large
        self._made: dict[int, Arguments] = {}

    def of(self, condition: int) -> Arguments:
        """Those of a condition, by its index."""
        made = self._made.get(condition)
        if made is None:
            made = self._made[condition] = self._new(condition, copies_large=self._copies_large)
        return made

    def careful(self, condition: int) -> Arguments:
        """Those of a condition whose cells change even large containers, from now on."""
        made = self._made[condition] = self._new(condition, copies_large=True)
        return made

    def _new(self, condition: int, *, copies_large: bool) -> Arguments:
        name = self.names[condition]
        return Arguments(
            self._seeding.of(name), name, self._conditions[name], self._injected,
            copies_large=copies_large,
        )  # fmt: skip
