"""A file in TOML, JSON or YAML -> plain data."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _no_duplicates(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise DuplicateNameError(f"the key {name!r} stands twice")
    return dict(pairs)
