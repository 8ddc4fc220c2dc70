"""What a function sees of the cell that it runs in, and how its arguments are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import default_rng

from crystallize.description.seeding import seed_of, seed_sequence
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

    def __init__(self, root: int, condition: str, replicate: int, params: dict[str, Any]) -> None:
        self._root = root
        self.condition = condition
        self.replicate = replicate
        self.params = params

    @cached_property
    def rng(self) -> np.random.Generator:
        """The replicate's generator; the same object at every look."""
        return default_rng(seed_sequence(self._root, self.replicate))

    @cached_property
    def seed(self) -> int:
        """The first 64-bit word of the replicate's stream."""
        return seed_of(seed_sequence(self._root, self.replicate))


class Arguments:
    """Makes the keyword arguments of each call under one condition.

    A cell must not see what another did to its parameters, or its numbers would
    depend on which cells share a process: see :mod:`crystallize.worker.parameters`.

    Parameters
    ----------
    root : int
        The root seed.
    condition : str
    params : mapping of str to object
    injected : collection of str
        What the function asks for by name.
    copies_large : bool
        Whether large containers are copied for each call too, because nobody looks
        whether a cell has changed them.
    """

    def __init__(
        self,
        root: int,
        condition: str,
        params: Mapping[str, Any],
        injected: Collection[str],
        *,
        copies_large: bool = True,
    ) -> None:
        self._root = root
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
        self._rng = "rng" in injected
        self._seed = "seed" in injected
        self._random = self._rng or self._seed
        self._others = [name for name in ("replicate", "condition", "ctx") if name in injected]
        self.constant = None if injected or self._copies else self._params
        """The arguments, where they are the same for every replicate."""

    def were_changed(self) -> bool:
        """Whether a cell has changed a large container that others have got too."""
        return any(large.has_changed() for large in self._large)

    def __call__(self, replicate: int) -> dict[str, Any]:
        arguments = self._params.copy()
        for key, copy in self._copies:
            arguments[key] = copy()
        if self._random:
            sequence = seed_sequence(self._root, replicate)
            if self._rng:
                arguments["rng"] = default_rng(sequence)
            if self._seed:
                arguments["seed"] = seed_of(sequence)
        for name in self._others:
            if name == "replicate":
                arguments[name] = replicate
            elif name == "condition":
                arguments[name] = self._condition
            else:
                own = {**self._params, **{key: copy() for key, copy in self._copies}}
                arguments[name] = CellContext(self._root, self._condition, replicate, own)
        return arguments
