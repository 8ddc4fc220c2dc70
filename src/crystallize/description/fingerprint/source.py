"""What a piece of code says in its source, without its layout: the same under every Python."""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType
from typing import Any

from crystallize.description.fingerprint.names import code_token
from crystallize.description.fingerprint.tokens import combined

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

LAYOUT = {"ctx", "type_comment", "kind", "annotation", "returns", "type_params"}
"""Fields of a syntax tree that change no number."""
MOST_FILES = 256
"""How many files are remembered."""


def source_token(code: CodeType) -> bytes | None:
    """What the source of a function says; ``None`` where there is none that says the same.

    The source counts only if, compiled, it is the code that runs: a file may have been
    edited after it was imported.
    """
    file = code.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if not lines:
        return None
    source = _sources.get(file)
    if source is None or source.lines is not lines:
        while len(_sources) >= MOST_FILES:
            _sources.pop(next(iter(_sources)), None)
        source = _sources[file] = _Source(lines, file)
    return source.token(code)


class _Source:
    """The functions of one file."""

    def __init__(self, lines: list[str], file: str) -> None:
        self.lines = lines
        self._tokens: dict[int, bytes] = {}
        self._found: dict[str, list[tuple[CodeType, Definition]]] = {}
        try:
            tree = ast.parse("".join(lines), file)
            code = compile(tree, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        self._found = _paired(code, tree)

    def token(self, code: CodeType) -> bytes | None:
        candidates = self._found.get(code.co_name, ())
        wanted = code_token(code)
        same = [pair for pair in candidates if code_token(pair[0]) == wanted]
        if not same:
            return None
        here = [pair for pair in same if pair[0] == code]
        node = (here or same)[0][1]
        if id(node) not in self._tokens:
            self._tokens[id(node)] = _definition_token(node)
        return self._tokens[id(node)]


_sources: dict[str, _Source] = {}


def _paired(code: CodeType, tree: ast.AST) -> dict[str, list[tuple[CodeType, Definition]]]:
    """By name, the functions that a module's code and its tree have, each with its node."""
    nodes: dict[tuple[str, int], list[Definition]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            nodes[node.name, line].append(node)
        elif isinstance(node, ast.Lambda):
            nodes["<lambda>", node.lineno].append(node)
    codes: dict[tuple[str, int], list[CodeType]] = defaultdict(list)
    for inner in _nested(code):
        codes[inner.co_name, inner.co_firstlineno].append(inner)
    found: dict[str, list[tuple[CodeType, Definition]]] = defaultdict(list)
    for place, here in codes.items():
        definitions = sorted(nodes[place], key=lambda node: (node.lineno, node.col_offset))
        if len(definitions) == len(here):
            found[place[0]] += zip(sorted(here, key=_first_position), definitions, strict=True)
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _first_position(code: CodeType) -> tuple[int, int]:
    """Where the first thing is that it does; its first instruction is nowhere."""
    places = [
        (line, column)
        for line, _, column, end in code.co_positions()
        if line is not None and column is not None and end
    ]
    return min(places, default=(0, 0))


def _definition_token(node: Definition) -> bytes:
    written: list[str] = [type(node).__name__]
    # Decorators and defaults are values by now, which are looked at as such.
    arguments = node.args
    for kind in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
        _write(getattr(arguments, kind), written)
    _write(node.body, written)
    return combined("source", "\0".join(written).encode("utf-8", "surrogatepass"))


def _write(value: Any, written: list[str]) -> None:
    """Write a tree down: the same for what is empty and for what this version lacks."""
    if isinstance(value, list):
        kept = [item for item in value if not _is_remark(item)]
        written.append(f"[{len(kept)}")
        for item in kept:
            _write(item, written)
    elif isinstance(value, ast.Constant):
        written.append(f"{type(value.value).__name__} {value.value!r}")
    elif isinstance(value, ast.AST):
        written.append(type(value).__name__)
        for field in value._fields:
            inside = getattr(value, field, None)
            if inside is not None and inside != [] and field not in LAYOUT:
                written.append(field)
                _write(inside, written)
        written.append(")")
    else:
        written.append(repr(value))


def _is_remark(node: object) -> bool:
    """Whether it is a docstring, or another text or number that nobody uses."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
