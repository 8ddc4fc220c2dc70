"""Parameters as cells get them: what one does to them, no other sees.

Arrays are passed read-only; containers and dataclass instances are copied for each call; what
else there is (a model, a data frame) is shared, because a copy may cost more than a cell.  A
large container is passed as it is and looked at after each block: until a cell has changed
it, it need not be copied.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np

LARGE_ITEMS = 10_000
"""From how many items on, in all, a container is not copied for each call."""

COPIED = (list, dict, set, bytearray, array, deque, UserDict, UserList, SimpleNamespace)
PLAIN = {type(None), bool, int, float, complex, str, bytes}
SHALLOW = {set, bytearray, deque, OrderedDict, defaultdict, Counter}
"""What ``copy()`` copies as far as that is needed, where all in it is plain."""

Copy = Callable[[], Any]
"""Makes a copy for one call."""


def read_only(value: Any) -> Any:
    """The same value with read-only arrays, also in lists, tuples and dicts."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if isinstance(value, np.ndarray):
        return _read_only_array(value)
    if kind is dict:
        if _may_hold_arrays(value.values()):
            return {key: read_only(item) for key, item in value.items()}
    elif (kind is list or isinstance(value, tuple)) and _may_hold_arrays(value):
        if kind in (list, tuple):
            return kind(map(read_only, value))
        if hasattr(kind, "_make"):
            return kind._make(map(read_only, value))
    return value


def is_passed_as_it_is(kind: type) -> bool:
    """Whether every cell gets values of a type as they are: not read-only, and no copy."""
    return kind in PLAIN or not (issubclass(kind, np.ndarray) or _may_be_copied(kind))


def copier(value: Any) -> Copy | None:
    """What makes a copy of a value for each call, or ``None`` where it is passed as it is."""
    kind = type(value)
    if kind in PLAIN or not _may_be_copied(kind):
        return None
    if isinstance(value, tuple):
        return _tuple_copier(value)
    if kind in (list, dict):
        held = value.items() if kind is dict else enumerate(value)
        changing = _may_hold_copied(value.values() if kind is dict else value)
        copies = [(k, copy) for k, v in held if (copy := copier(v))] if changing else []
        return partial(_with_copies, value, copies) if copies else value.copy
    if kind is array:
        return value.__copy__  # type: ignore[no-any-return]
    if kind in SHALLOW and set(map(type, _items(value))) <= PLAIN:
        return value.copy  # type: ignore[no-any-return]
    return _deep_copier(value)


class Large:
    """A large container that cells get as it is.

    Parameters
    ----------
    copy : callable
        Makes copies of it: what cells do to one never reaches the experiment's own.

    Attributes
    ----------
    passed : object
        What cells get.

    Raises
    ------
    Exception
        If it cannot be pickled, so that changes could not be noticed.
    """

    def __init__(self, copy: Copy) -> None:
        self.passed = copy()
        self._before = _content(self.passed)

    def has_changed(self) -> bool:
        """Whether it is not what it was: in value, type or order."""
        try:
            return _content(self.passed) != self._before
        except Exception:  # such as another thread's cell that is changing it
            return True


def is_large(value: Any) -> bool:
    """Whether a container has so many items, in all, that it is not copied for each call."""
    return _size(value) >= LARGE_ITEMS


def _read_only_array(value: Any) -> Any:
    if isinstance(value, np.memmap):  # the same type under every strategy
        value = value.view(np.ndarray)
    if type(value) is np.ndarray and not (value.flags.c_contiguous or value.flags.f_contiguous):
        value = value.copy()  # as it arrives in a worker: sums depend on the order in memory
    view = value.view()
    view.flags.writeable = False
    return view


def _may_hold_arrays(items: Iterable[Any]) -> bool:
    # By kind, of which there are few: a list of numbers is read at C's speed.
    return any(issubclass(kind, (np.ndarray, list, tuple, dict)) for kind in set(map(type, items)))


def _may_be_copied(kind: type) -> bool:
    return issubclass(kind, (tuple, *COPIED)) or is_dataclass(kind)


def _may_hold_copied(items: Iterable[Any]) -> bool:
    return any(map(_may_be_copied, set(map(type, items))))


def _tuple_copier(value: Any) -> Copy | None:
    if not _may_hold_copied(value):
        return None
    copies = {place: copy for place, item in enumerate(value) if (copy := copier(item))}
    if not copies:
        return None
    kind = type(value)
    if kind is not tuple and not hasattr(kind, "_make"):
        return _deep_copier(value)
    made: Callable[[Iterable[Any]], Any] = tuple if kind is tuple else kind._make
    return lambda: made(copies[i]() if i in copies else item for i, item in enumerate(value))


def _with_copies(value: Any, copies: list[tuple[Any, Copy]]) -> Any:
    fresh = value.copy()
    for key, copy in copies:
        fresh[key] = copy()
    return fresh


def _deep_copier(value: Any) -> Copy:
    shared: dict[int, Any] = {}
    _share(value, shared, set())
    return lambda: deepcopy(value, dict(shared))


def _share(value: Any, shared: dict[int, Any], seen: set[int]) -> None:
    """Find what cannot be copied (a lock, a connection, a module): it is passed as it is."""
    if id(value) in seen or _can_be_copied(value, shared):
        return
    seen.add(id(value))
    for item in _items(value):
        _share(item, shared, seen)
    if not _can_be_copied(value, shared):
        shared[id(value)] = value


def _can_be_copied(value: Any, shared: Mapping[int, Any]) -> bool:
    try:
        deepcopy(value, dict(shared))
    except Exception:
        return False
    return True


def _items(value: Any) -> Iterable[Any]:
    """What is directly inside a container or an object."""
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset, deque, UserList, bytearray, array)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)]
    if isinstance(value, (ModuleType, type)) or not hasattr(value, "__dict__"):
        return ()
    return list(vars(value).values())


def _size(value: Any) -> int:
    if not _may_be_copied(type(value)):
        return 0
    if isinstance(value, (bytearray, array)):
        return len(value)
    items = _items(value)
    inside = sum(map(_size, items)) if _may_hold_copied(items) else 0
    return len(items) + inside  # type: ignore[arg-type]


def _content(value: Any) -> tuple[bytes, int]:
    """A value as bytes, but for its read-only arrays, which nobody can change."""
    left_out: list[Any] = []

    def stays_inside(buffer: Any) -> bool:
        if readonly := buffer.raw().readonly:
            left_out.append(buffer)
        return not readonly

    return cloudpickle.dumps(value, protocol=5, buffer_callback=stays_inside), len(left_out)
