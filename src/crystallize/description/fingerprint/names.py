"""What a piece of code names, and what it says as byte code."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from crystallize.description.fingerprint.tokens import PLAIN, combined, joined, plain

LOAD_GLOBALS = {
    number
    for name, number in dis.opmap.items()
    if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
}
LOAD_GLOBAL = dis.opmap["LOAD_GLOBAL"]
LOAD_ATTR = dis.opmap["LOAD_ATTR"]
ATTRIBUTES = {LOAD_ATTR, dis.opmap.get("LOAD_METHOD", LOAD_ATTR)}
IMPORT_NAME = dis.opmap["IMPORT_NAME"]
EXTENDED = dis.opmap["EXTENDED_ARG"]
PASSED_OVER = {dis.opmap["CACHE"], dis.opmap["PUSH_NULL"]}
CONSTANTS = frozenset(dis.hasconst)
ATTRIBUTE_SHIFT = 1 if sys.version_info >= (3, 12) else 0
HAS_DOCSTRING = 0x4000000
FLAGS = 0x2EF
"""The flags that say what kind of function it is."""


class Named(NamedTuple):
    """What some code names, nested functions included.

    Attributes
    ----------
    chains : tuple of tuple of str
        Each global with the attributes that are asked of it: ``("helper", "K")``.
    imports : tuple of (str, int, tuple of str)
        Module, level and names of each import in a function.
    loose : frozenset of str
        Every attribute, and every text that could be one.
    """

    chains: tuple[tuple[str, ...], ...]
    imports: tuple[tuple[str, int, tuple[str, ...]], ...]
    loose: frozenset[str]


@lru_cache(maxsize=4096)
def named(code: CodeType) -> Named:
    """Read it from the byte code, so that it is the same with the source and without."""
    chains: dict[tuple[str, ...], None] = {}
    imports: dict[tuple[str, int, tuple[str, ...]], None] = {}
    names = code.co_names
    constants: list[Any] = []
    chain: tuple[str, ...] = ()
    for op, arg in instructions(code):
        if op in ATTRIBUTES and chain:
            chain = (*chain, names[arg >> ATTRIBUTE_SHIFT])
            continue
        if op in PASSED_OVER:
            continue
        if chain:
            chains[chain] = None
            chain = ()
        if op in LOAD_GLOBALS:
            chain = (names[arg >> 1 if op == LOAD_GLOBAL else arg],)
        elif op in CONSTANTS:
            constants.append(code.co_consts[arg])
        elif op == IMPORT_NAME:
            wanted = constants[-1] if constants and type(constants[-1]) is tuple else ()
            level = constants[-2] if len(constants) > 1 and type(constants[-2]) is int else 0
            imports[names[arg], level, wanted] = None
    loose = set(names) | {text for text in code.co_consts if type(text) is str}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            inside = named(inner)
            chains |= dict.fromkeys(inside.chains)
            imports |= dict.fromkeys(inside.imports)
            loose |= inside.loose
    return Named(tuple(chains), tuple(imports), frozenset(loose))


@lru_cache(maxsize=4096)
def code_token(code: CodeType) -> bytes:
    """What it says in this version's byte code, without name, place and docstring."""
    written = bytearray()
    for op, arg in instructions(code):
        # The docstring is among the constants, and moves the others.
        written += _constant(code.co_consts[arg]) if op in CONSTANTS else b"%d " % arg
        written.append(op)
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    return combined(
        "code",
        bytes(written),
        plain((*shape, code.co_flags & FLAGS, code.co_exceptiontable)),
        plain((*code.co_names, "/", *code.co_varnames, "/", *code.co_freevars, "/")),
        plain(code.co_cellvars),
    )


def instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    """Each operation with its argument."""
    extended = 0
    pairs = iter(code.co_code)
    for op, arg in zip(pairs, pairs, strict=True):
        if op == 0:  # CACHE
            continue
        arg |= extended << 8
        extended = arg if op == EXTENDED else 0
        if op != EXTENDED:
            yield op, arg


def _constant(value: Any) -> bytes:
    if isinstance(value, CodeType):
        return code_token(value)
    if type(value) in PLAIN:
        return plain(value)
    tokens = [_constant(item) for item in value] if isinstance(value, (tuple, frozenset)) else []
    if isinstance(value, slice):
        tokens = [_constant(part) for part in (value.start, value.stop, value.step)]
    return joined(type(value).__name__, sorted(tokens) if type(value) is frozenset else tokens)
