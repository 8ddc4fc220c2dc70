"""A file in TOML, JSON or YAML -> plain data, read within limits and believed in nothing."""

from __future__ import annotations

import importlib.util
import json
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crystallize.checks import no_key_twice
from crystallize.errors import ConfigError, described

MOST_BYTES = 10 * 2**20
"""How long a config may be; what is longer is data, and belongs in a file of its own."""


def read_content(path: Path) -> Any:
    """What a file holds, as its format says it; a key that stands twice is refused.

    Raises
    ------
    ConfigError
    """
    suffix = path.suffix.lower()
    _check_is_file(path)
    if suffix not in PARSERS:
        raise ConfigError(path, [f"unknown format {suffix!r}; known: {', '.join(PARSERS)}"])
    if PARSERS[suffix] is _parsed_yaml and importlib.util.find_spec("yaml") is None:
        raise ConfigError(path, ["YAML needs PyYAML: pip install 'crystallize-core[yaml]'"])
    return _parsed(path, suffix, _text(path))


def _check_is_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(path, [f"cannot be read: {error.strerror}"]) from error
    if stat.S_ISDIR(mode):
        raise ConfigError(path, ["is a folder, and no config; name the file in it"])
    if not stat.S_ISREG(mode):
        raise ConfigError(path, ["is a device or a pipe, which may never end, and no file"])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(path, [f"cannot be read: {error.strerror}"]) from error
    if len(content) > MOST_BYTES:
        raise ConfigError(path, [f"longer than {MOST_BYTES:,} bytes, which no config is"])
    try:
        return content.decode("utf-8-sig")  # as some editors on Windows begin it
    except UnicodeDecodeError as error:
        raise ConfigError(path, [f"not UTF-8 text (byte {error.start})"]) from error


def _parsed(path: Path, suffix: str, text: str) -> Any:
    try:
        return PARSERS[suffix](text.replace("\r\n", "\n"))
    except RecursionError:
        problem = "nested too deeply"
    except Exception as error:  # a parser that trips over what it was not made for
        problem = str(error) if isinstance(error, ValueError) else described(error)
    raise ConfigError(path, [f"not valid {suffix[1:].upper()}: {problem}"]) from None


def _parsed_json(text: str) -> Any:
    return json.loads(text.strip() or "{}", object_pairs_hook=_no_duplicates)


def _parsed_yaml(text: str) -> Any:
    from crystallize.description.yaml_files import parsed

    return parsed(text)


PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".json": _parsed_json,
    ".yaml": _parsed_yaml,
    ".yml": _parsed_yaml,
}


def _no_duplicates(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    no_key_twice(key for key, _ in pairs)
    return dict(pairs)
