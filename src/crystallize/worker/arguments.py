"""What a function sees of the cell that it runs in, and how its arguments are made."""

from __future__ import annotations

from collections import UserDict, UserList, deque
from collections.abc import Collection, Mapping
from copy import copy, deepcopy
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import default_rng

from crystallize.description.seeding import Seeding
from crystallize.description.streams import Streams


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
        self, seeding: Seeding, condition: str, replicate: int, params: dict[str, Any]
    ) -> None:
        self._seeding = seeding
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


class Arguments:
    """Makes the keyword arguments of each call under one condition.

    A cell must not see what another did to its parameters, or its numbers would
    depend on which cells share a process.  So arrays are passed read-only, and
    containers and dataclass instances are copied for each call.  Other objects
    (a model, a data frame) are shared, because a copy may cost more than a cell.
    """

    def __init__(
        self,
        seeding: Seeding,
        condition: str,
        params: Mapping[str, Any],
        injected: Collection[str],
    ) -> None:
        self._seeding = seeding
        self._condition = condition
        self._params = {key: _read_only(value) for key, value in params.items()}
        self._mutable = [key for key, value in self._params.items() if _is_mutable(value)]
        self._rng = "rng" in injected
        self._seed = "seed" in injected
        self._seed32 = "seed32" in injected
        self._others = [name for name in ("replicate", "condition", "ctx") if name in injected]
        self._streams = Streams(seeding, 0)
        self.constant = None if injected or self._mutable else self._params
        """The arguments, where they are the same for every replicate."""

    def of_block(self, stop: int) -> Arguments:
        """The same for the cells of a block that ends before `stop`, in index order."""
        if not (self._rng or self._seed or self._seed32):
            return self
        block = copy(self)
        block._streams = Streams(self._seeding, stop)
        return block

    def __call__(self, replicate: int) -> dict[str, Any]:
        arguments = self._params.copy()
        for key in self._mutable:
            arguments[key] = _fresh(arguments[key])
        if self._rng:
            arguments["rng"] = self._streams.rng(replicate)
        if self._seed:
            arguments["seed"] = self._streams.seed(replicate)
        if self._seed32:
            arguments["seed32"] = self._streams.seed(replicate) % 2**32
        for name in self._others:
            if name == "replicate":
                arguments[name] = replicate
            elif name == "condition":
                arguments[name] = self._condition
            else:
                params = {key: _fresh(value) for key, value in self._params.items()}
                arguments[name] = CellContext(self._seeding, self._condition, replicate, params)
        return arguments


COPIED = (list, dict, set, bytearray, deque, UserDict, UserList)


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):  # the same type under every strategy
            value = value.view(np.ndarray)
        if type(value) is np.ndarray and not (value.flags.c_contiguous or value.flags.f_contiguous):
            value = value.copy()  # as it arrives in a worker: sums depend on the order in memory
        view = value.view()
        view.flags.writeable = False
        return view
    if type(value) in (list, tuple):
        return type(value)(_read_only(item) for item in value)
    if type(value) is dict:
        return {key: _read_only(item) for key, item in value.items()}
    return value


def _is_mutable(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_is_mutable(item) for item in value)
    return isinstance(value, COPIED) or (is_dataclass(value) and not isinstance(value, type))


def _fresh(value: Any) -> Any:
    """A copy, but for arrays, which are read-only and may be large."""
    if not _is_mutable(value):
        return value
    if type(value) in (list, tuple):
        return type(value)(_fresh(item) for item in value)
    if type(value) is dict:
        return {key: _fresh(item) for key, item in value.items()}
    return deepcopy(value)
