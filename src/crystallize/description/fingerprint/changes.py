"""What a piece of code changes of what is not its own, and what it reads."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

from crystallize.description.fingerprint.names import (
    ATTRIBUTE_SHIFT,
    ATTRIBUTES,
    LOAD_GLOBAL,
    LOAD_GLOBALS,
    PASSED_OVER,
    instructions,
)

ARGUMENT, CLOSURE = ".", "&"
"""Before the name of an argument, or of a variable of a function around."""
ADDS = {"append", "extend", "insert", "remove", "clear", "sort", "reverse", "appendleft"}
ADDS |= {"extendleft", "add", "discard", "update", "fill"}
CHANGING = ADDS | {"pop", "popitem", "popleft", "setdefault"}
"""Methods that change what they are called on; the others of them also read it."""


def _numbers(*names: str) -> set[int]:
    return {dis.opmap[name] for name in names if name in dis.opmap}


STORE_GLOBALS = _numbers("STORE_GLOBAL", "DELETE_GLOBAL")
STORE_ITEMS = _numbers("STORE_SUBSCR", "DELETE_SUBSCR")
STORE_ATTRIBUTES = _numbers("STORE_ATTR", "DELETE_ATTR")
LOAD_DEREF, STORE_DEREF = dis.opmap["LOAD_DEREF"], dis.opmap["STORE_DEREF"]
LOAD_FAST = _numbers("LOAD_FAST", "LOAD_FAST_BORROW")
LOAD_TWO_FAST = _numbers("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
COPY = dis.opmap["COPY"]
BINARY_OP = dis.opmap["BINARY_OP"]
IN_PLACE = 13
"""From which argument on an operator is one like ``+=``."""

Chain = tuple[str, ...]
Instructions = list[tuple[int, int]]


class Changes(NamedTuple):
    """Chains of names, as in ``("helper", "CACHE")``.

    Attributes
    ----------
    written : frozenset
        What is assigned, or changed in place.
    read : frozenset
        What is used for more than to be changed.
    carried : frozenset
        What of `written` follows from what was there: not what is assigned before it is read.
    """

    written: frozenset[Chain]
    read: frozenset[Chain]
    carried: frozenset[Chain]


@lru_cache(maxsize=4096)
def changes(code: CodeType) -> Changes:
    """Look for both, nested functions included."""
    written: set[Chain] = set()
    read: set[Chain] = set()
    assigned: set[Chain] = set()
    steps = [step for step in instructions(code) if step[0] not in PASSED_OVER]
    place = 0
    while place < len(steps):
        op, arg = steps[place]
        chain, after = _chain(code, steps, place)
        if op in STORE_GLOBALS:
            written.add((code.co_names[arg],))
        elif op == STORE_DEREF and _variable(code, arg) in code.co_freevars:
            written.add((CLOSURE + _variable(code, arg),))
        elif op in STORE_ITEMS:
            written.add(_container(code, steps, place))
        elif op == COPY and steps[place : place + 2] == [(COPY, 2), (COPY, 2)]:  # x[k] += 1
            written.add(_container(code, steps, place))
            place += 1
        elif chain:
            _use(code, steps, chain, after, written, read, assigned)
        place = max(after, place + 1)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            inside = changes(inner)
            written |= {chain for chain in inside.written if _is_outer(chain, code)}
            read |= {chain for chain in inside.read if _is_outer(chain, code)}
    written.discard(())
    return Changes(frozenset(written), frozenset(read), frozenset(written - assigned))


def _use(
    code: CodeType,
    steps: Instructions,
    chain: Chain,
    after: int,
    written: set[Chain],
    read: set[Chain],
    assigned: set[Chain],
) -> None:
    """What is done with a chain that was loaded."""
    op, arg = steps[after] if after < len(steps) else (0, 0)
    if chain[-1] in CHANGING:
        written.add(chain[:-1])
        if chain[-1] not in ADDS:
            read.add(chain[:-1])
    elif op in STORE_ATTRIBUTES:
        target = (*chain, code.co_names[arg])
        if not (target in written or is_among(target, frozenset(read))):
            assigned.add(target)
        written.add(target)
    elif (op, arg) == (COPY, 1) and steps[after + 1][0] in ATTRIBUTES:  # x.a += 1
        written.add((*chain, code.co_names[steps[after + 1][1] >> ATTRIBUTE_SHIFT]))
    elif not (_is_increased(code, steps, after, chain) or _is_container(code, steps, after)):
        read.add(chain)


def _chain(code: CodeType, steps: Instructions, place: int) -> tuple[Chain, int]:
    """What is loaded at a place with its attributes, and where that ends."""
    op, arg = steps[place]
    if op in LOAD_GLOBALS:
        start = code.co_names[arg >> 1 if op == LOAD_GLOBAL else arg]
    elif op == LOAD_DEREF and _variable(code, arg) in code.co_freevars:
        start = CLOSURE + _variable(code, arg)
    elif op in LOAD_FAST or op in LOAD_TWO_FAST:
        variable = arg if op in LOAD_FAST else arg & 15
        if variable >= code.co_argcount + code.co_kwonlyargcount:
            return (), place
        start = ARGUMENT + code.co_varnames[variable]
    else:
        return (), place
    chain = [start]
    place += 1
    while place < len(steps) and steps[place][0] in ATTRIBUTES:
        chain.append(code.co_names[steps[place][1] >> ATTRIBUTE_SHIFT])
        place += 1
    return tuple(chain), place


def _is_increased(code: CodeType, steps: Instructions, after: int, chain: Chain) -> bool:
    """Whether it is loaded for ``x += ...`` alone, which assigns it again."""
    for place in range(after, len(steps) - 1):
        op, arg = steps[place]
        if op == BINARY_OP and arg >= IN_PLACE:
            op, arg = steps[place + 1]
            if op in STORE_GLOBALS:
                return chain == (code.co_names[arg],)
            return op == STORE_DEREF and chain == (CLOSURE + _variable(code, arg),)
        if op in STORE_GLOBALS or op == STORE_DEREF:
            return False
    return False


def _is_container(code: CodeType, steps: Instructions, after: int) -> bool:
    """Whether an item of it is assigned: ``x[key] = ...``."""
    for place in range(after, min(after + 8, len(steps))):
        op = steps[place][0]
        augmented = steps[place : place + 2] == [(COPY, 2), (COPY, 2)]
        if (op in STORE_ITEMS or augmented) and _container_place(steps, place) == after:
            return True
        if op in STORE_ITEMS or augmented:
            return False
    return False


def _container(code: CodeType, steps: Instructions, place: int) -> Chain:
    """The chain whose item is assigned at a place; empty where it is none."""
    end = _container_place(steps, place)
    for start in range(end - 1, max(end - 8, -1), -1):
        chain, after = _chain(code, steps, start)
        if chain:
            return chain if after == end else ()
    return ()


def _container_place(steps: Instructions, place: int) -> int:
    """Where the key begins of what is assigned at a place, and the container ends."""
    height = 0
    while height < 1 and place > 0:
        place -= 1
        op, arg = steps[place]
        height += dis.stack_effect(op, arg if op >= dis.HAVE_ARGUMENT else None, jump=False)
    return place


def _is_outer(chain: Chain, code: CodeType) -> bool:
    """Whether what a nested function names so is not of the function around it."""
    if chain[0].startswith(CLOSURE):
        return chain[0][1:] in code.co_freevars
    return not chain[0].startswith(ARGUMENT)


@lru_cache(maxsize=4096)
def _variables(code: CodeType) -> tuple[str, ...]:
    cells = (name for name in code.co_cellvars if name not in code.co_varnames)
    return (*code.co_varnames, *cells, *code.co_freevars)


def _variable(code: CodeType, place: int) -> str:
    return _variables(code)[place]


def of_first(code: CodeType, chains: frozenset[Chain]) -> set[str]:
    """The attributes, of some chains, of a method's object or of a class method's class."""
    first = ARGUMENT + code.co_varnames[0] if code.co_argcount else None
    return {chain[1] for chain in chains if chain[0] == first and len(chain) > 1}


def is_among(chain: Chain, chains: frozenset[Chain]) -> bool:
    """Whether some of `chains` are about what `chain` stands for, or about a part of it."""
    return any(other[: len(chain)] == chain for other in chains)
