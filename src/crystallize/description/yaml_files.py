"""YAML as a config may use it: no objects, no bombs, and no key twice."""

from __future__ import annotations

from typing import Any

import yaml

from crystallize.checks import no_key_twice

MOST_NODES = 1_000_000
"""How many values a file may stand for, each alias counted as what it repeats."""


class _Loader(yaml.SafeLoader):
    """Refuses what YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # A merge (<<) is no key: what it brings gives way to what is written here.
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        no_key_twice(key.value for key in keys if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep)


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
