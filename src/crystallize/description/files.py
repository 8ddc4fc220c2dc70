"""A file in TOML, JSON or YAML -> plain data."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crystallize.description.written import NULLS, WORDS
from crystallize.errors import ConfigError, DuplicateNameError

FORMATS = (".toml", ".json", ".yaml", ".yml")


def read_content(path: Path) -> Any:
    """What a file holds, as its format says it; a key that stands twice is refused.

    Raises
    ------
    ConfigError
    """
    return _parsed(path, _text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # as some editors on Windows begin it
    except UnicodeDecodeError as error:
        raise ConfigError(path, [f"not UTF-8 text (byte {error.start})"]) from error
    except OSError as error:
        raise ConfigError(path, [f"cannot be read: {error.strerror}"]) from error


def _parsed(path: Path, text: str) -> Any:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(path, [f"unknown format {suffix!r}; known: {', '.join(FORMATS)}"])
    if suffix in (".yaml", ".yml") and importlib.util.find_spec("yaml") is None:
        raise ConfigError(path, ["YAML needs PyYAML: pip install 'crystallize-core[yaml]'"])
    try:
        if suffix == ".toml":
            return tomllib.loads(text)
        if suffix == ".json":
            return json.loads(text.strip() or "{}", object_pairs_hook=_no_duplicates)
        return _parsed_yaml(text)
    except RecursionError:
        raise ConfigError(path, [f"not valid {suffix[1:].upper()}: nested too deeply"]) from None
    except ValueError as error:
        raise ConfigError(path, [f"not valid {suffix[1:].upper()}: {error}"]) from error


def _parsed_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses what YAML would let the last one win."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            # A merge (<<) is no key: what it brings gives way to what is written here.
            keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            _no_duplicates([(key.value, None) for key in keys if isinstance(key, yaml.ScalarNode)])
            return super().construct_mapping(node, deep)

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            is_plain = self.peek_event().implicit[0]  # type: ignore[no-untyped-call]
            node = super().compose_scalar_node(anchor)
            assert node is not None
            if is_plain and (instead := _misread(node.value, node.tag.rpartition(":")[2])):
                problem = f"{node.value} is {instead}, and {node.value!r} for text"
                raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
            return node

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


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


def _no_duplicates(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise DuplicateNameError(f"the key {name!r} stands twice")
    return dict(pairs)
