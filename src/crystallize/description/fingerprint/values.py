"""Tokens of values, by their content."""

from __future__ import annotations

import copyreg
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from crystallize.description.fingerprint import data, kinds
from crystallize.description.fingerprint.kinds import GENERATORS, Refer
from crystallize.description.fingerprint.names import code_token
from crystallize.description.fingerprint.origin import is_own_module
from crystallize.description.fingerprint.tokens import PLAIN, combined, joined, plain
from crystallize.errors import described

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Values:
    """Makes tokens; equal for equal content, whatever shares it and wherever it is.

    Parameters
    ----------
    refer : callable
    folder : path, optional
        Paths inside of it count from there.

    Attributes
    ----------
    unknown : dict
        Where something was met that has no content that could be known -> why.
    generators : dict
        Name of each random generator that was met, unless a library holds it for itself.
    """

    def __init__(self, refer: Refer, *, folder: Path | None = None) -> None:
        self.refer = refer
        self.folder = folder
        self._memo: dict[int, tuple[Any, bytes]] = {}
        self._open: dict[int, int] = {}
        self._lowest = 0
        self._trail: list[str] = []
        self._librarys: list[bool] = []
        self.unknown: dict[str, str] = {}
        self.generators: dict[str, None] = {}

    def mark(self) -> int:
        """How much is remembered by now, for :meth:`forget`."""
        return len(self._memo)

    def forget(self, mark: int) -> None:
        """Forget what was met since, but for arrays: they say the same to everyone."""
        for key in list(self._memo)[mark:]:
            if not isinstance(self._memo[key][0], np.ndarray):
                del self._memo[key]

    def let_go(self) -> None:
        """Hold no value any more."""
        self._memo.clear()

    def named(self, name: str, value: Any) -> bytes:
        """The token of what messages call `name`."""
        with self._inside(name):
            try:
                return self.token(value)
            except RecursionError:
                return self._unknown(value, "it is nested too deeply")

    def token(self, value: Any) -> bytes:
        """The token of a value."""
        if type(value) in PLAIN:
            return plain(value)
        key = id(value)
        if key in self._memo:
            return self._memo[key][1]
        depth = len(self._open)
        if key in self._open:
            self._lowest = min(self._lowest, self._open[key])
            return combined("again", b"%d" % (depth - self._open[key]))
        outer, self._lowest = self._lowest, depth
        self._open[key] = depth
        try:
            made = self._made(value)
        except RecursionError:
            raise
        except Exception as error:  # an object may answer any question with one
            made = self._unknown(value, described(error))
        finally:
            del self._open[key]
            lowest, self._lowest = self._lowest, min(outer, self._lowest)
        if lowest >= depth:  # what it is does not depend on where in a circle it was met
            self._memo[key] = value, made
        return made

    def _made(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (list, tuple):
            return self._sequence(value)
        if kind is dict:
            return self._dict(value)
        if kind in (set, frozenset):
            return self._set(value)
        if isinstance(value, GENERATORS):
            return self._generator(value)
        found = kinds.make(self, value)
        if found is None:
            found = data.token(value, self.token)
        return self._reduced(value) if found is None else found

    def _sequence(self, value: Any) -> bytes:
        name = type(value).__name__
        if PLAIN.issuperset(map(type, value)):
            return combined(name, plain(value))
        return joined(name, map(self.token, value))

    def _dict(self, value: dict[Any, Any]) -> bytes:
        tokens = [self.token(list(value))]
        for key, item in value.items():
            with self._inside(f"[{key!r}]" if type(key) in PLAIN else "[...]"):
                tokens.append(self.token(item))
        return joined("dict", tokens)

    def _set(self, value: Any) -> bytes:
        """Without an order: that of what has names of its own must not matter either."""
        if PLAIN.issuperset(map(type, value)):
            return joined(type(value).__name__, sorted(map(plain, value)))
        ordered = sorted(
            value, key=lambda item: (kinds.told_apart(item), Values(_by_name).token(item))
        )
        return joined(type(value).__name__, sorted(map(self.token, ordered)))

    def _generator(self, value: Any) -> bytes:
        kind = type(value).__qualname__.encode()
        if kinds.is_global_generator(value):
            return combined("generator", kind)
        where = "".join(self._trail)
        if any(self._librarys) and self._trail[-1].startswith("._"):
            return combined("generator", kind)
        self.generators[where] = None
        if isinstance(value, random.Random):
            return combined("generator", kind, self.token(value.getstate()))
        if isinstance(value, np.random.RandomState):
            return combined("generator", kind, self.token(value.get_state(legacy=False)))
        bits = getattr(value, "bit_generator", value)
        return combined("generator", kind, self.token(bits.state))

    def _reduced(self, value: Any) -> bytes:
        """What pickle would write of it."""
        kind = type(value)
        try:
            reduce = copyreg.dispatch_table.get(kind)
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        except RecursionError:
            raise
        except Exception as error:
            return self._unknown(value, described(error))
        if isinstance(reduced, str):
            return combined(
                "name", str(getattr(value, "__module__", "")).encode(), reduced.encode()
            )
        made, arguments, *more = reduced
        state, items, pairs = (more + [None] * 3)[:3]
        self._librarys.append(not is_own_module(kind.__module__))
        try:
            tokens = [self.token(made), self.token(arguments), self._state(state)]
            tokens.append(self.token(list(items)) if items is not None else b"")
            tokens.append(self.token(dict(pairs)) if pairs is not None else b"")
        finally:
            self._librarys.pop()
        return joined("object", tokens)

    def _state(self, state: Any) -> bytes:
        """An object's attributes, whose order says nothing."""
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}  # attributes and slots
        if type(state) is not dict or not all(type(key) is str for key in state):
            return self.token(state)
        tokens = []
        for key in sorted(state):
            with self._inside(f".{key}"):
                tokens += [key.encode("utf-8", "surrogatepass"), self.token(state[key])]
        return joined("attributes", tokens)

    def _unknown(self, value: Any, why: str) -> bytes:
        self.unknown["".join(self._trail)] = f"{type(value).__qualname__}: {ADDRESS.sub('', why)}"
        return combined("unknown", type(value).__qualname__.encode())

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        self._trail.append(name)
        try:
            yield
        finally:
            self._trail.pop()


def _apart(value: Any) -> tuple[object, ...]:
    return *kinds.told_apart(value), Values(_by_name).token(value)


def _by_name(value: Any) -> bytes:
    code = getattr(value, "__code__", None)
    own = code_token(code) if isinstance(code, CodeType) else b""
    return combined("named", str(getattr(value, "__qualname__", value)).encode(), own)
