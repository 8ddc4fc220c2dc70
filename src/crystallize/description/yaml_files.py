"""YAML as a config may use it: no objects, no bombs, and no key twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from crystallize.checks import no_key_twice
from crystallize.description.written import NULLS, WORDS

MOST_NODES = 1_000_000
"""How many values a file may stand for, each alias counted as what it repeats."""


class _Loader(yaml.SafeLoader):
    """Refuses what YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # A merge (<<) is no key: what it brings gives way to what is written here.
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        no_key_twice(key.value for key in keys if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep)

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        is_plain = self.peek_event().implicit[0]  # type: ignore[no-untyped-call]
        node = super().compose_scalar_node(anchor)
        assert node is not None
        if is_plain and (instead := _misread(node.value, node.tag.rpartition(":")[2])):
            problem = f"{node.value} is {instead}, and {node.value!r} for text"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return node


def parsed(text: str) -> Any:
    """What the one document of a text holds.

    Raises
    ------
    ValueError
        If it is no YAML; an alias is inside of what it repeats, or aliases repeat too much.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _nodes(node, {}) > MOST_NODES:
            raise ValueError(f"its aliases stand for more than {MOST_NODES:,} values")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()


def _nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are, what is repeated by aliases counted each time."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    found = known.get(id(node))
    if found == 0:
        raise ValueError("an alias is inside of what it repeats")
    if found is None:
        known[id(node)] = 0
        children = (
            [child for pair in node.value for child in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        found = known[id(node)] = 1 + sum(_nodes(child, known) for child in children)
    return found


def _misread(text: str, kind: str) -> str | None:
    """What YAML 1.1 takes unquoted text for, and others do not, with what to write instead."""
    word = WORDS.get(text.casefold())
    if kind == "bool" and text.casefold() != word:
        return f"a boolean to some readers of YAML and text to others; write {word}"
    if kind in ("int", "float") and ":" in text:
        return "a number to base 60 in YAML; write the number that is meant"
    if kind == "int" and re.match("[+-]?0[0-9_]", text):
        return "octal in YAML; write the number that is meant without the 0"
    if kind != "str":
        return None
    if text in NULLS:
        return "text in YAML; write null"
    try:
        return f"text in YAML; write {_yaml_number(float(text))}"
    except ValueError:
        return None


def _yaml_number(value: float) -> str:
    """A number that YAML 1.1 takes for one: with a point."""
    mantissa, e, exponent = repr(value).partition("e")
    if value - value != 0:
        return mantissa.replace("inf", ".inf").replace("nan", ".nan")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
