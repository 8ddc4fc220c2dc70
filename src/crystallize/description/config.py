"""A file -> a validated, frozen description of an experiment; loads nothing."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crystallize.description.conditions import grid
from crystallize.errors import ConfigError, DuplicateNameError, listing, suggestion

Count = Annotated[int, Field(ge=1)]


FORMATS = (".toml", ".json", ".yaml", ".yml")


EXPECTED = {
    "model_type": "a table of keys and values",
    "dict_type": "a table of keys and values",
    "string_too_short": "text that is not empty",
    "too_short": "at least one",
    "invalid_key": "a key that is text",
}
"""pydantic's types of error whose own sentences are not for people."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExperimentSection(_Section):
    """``[experiment]``: what is run; the names are those of :class:`crystallize.Experiment`."""

    function: Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+$")]
    name: Annotated[str, Field(min_length=1)] | None = None
    replicates: Count = 1
    seed: Annotated[int, Field(ge=0)] | None = None
    baseline: str | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    timeout: Annotated[float, Field(gt=0)] | None = None
    max_failures: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, lt=1)] | None = None
    on_error: Literal["collect", "raise"] = "collect"
    seed_globals: bool = False
    blas_threads: Count = 1
    plugins: list[str] = []
    progress: bool = False


class ExecutionSection(_Section):
    """``[execution]``: the strategy; every other key is an option of it."""

    model_config = ConfigDict(extra="allow")

    strategy: Annotated[str, Field(min_length=1)] = "serial"


class AggregationSection(_Section):
    """``[aggregation]``: the aggregators, and their options by name."""

    aggregators: list[str] = []
    options: dict[str, dict[str, Any]] = {}


class StoreSection(_Section):
    """``[store]``: the file in which finished cells are kept; beside the config if relative."""

    path: Annotated[str, Field(min_length=1)]


class Config(_Section):
    """A whole config file."""

    experiment: ExperimentSection
    conditions: Annotated[dict[str, dict[str, Any]], Field(min_length=1)] | None = None
    grid: Annotated[dict[str, list[Any]], Field(min_length=1)] | None = None
    execution: ExecutionSection = ExecutionSection()
    aggregation: AggregationSection = AggregationSection()
    store: StoreSection | None = None


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read and validate a config file.

    Parameters
    ----------
    path : path
        A ``.toml`` or ``.json`` file; ``.yaml`` and ``.yml`` where PyYAML is
        installed.
    overrides : sequence of str
        ``section.key=value``, with a value as TOML spells it, or plain text.

    Raises
    ------
    ConfigError
        Listing everything that is wrong.
    """
    path = Path(path)
    content = _parsed(path, _text(path))
    if content in (None, "", {}, []):
        raise ConfigError(path, ["the file is empty; it needs at least [experiment] function"])
    if not isinstance(content, dict):
        raise ConfigError(path, [f"expected sections, such as [experiment], got {content!r}"])
    origins = dict(_override(path, content, override) for override in overrides)
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(path, [_sentence(e, origins) for e in error.errors()]) from None
    if problems := list(_contradictions(config)):
        raise ConfigError(path, problems)
    return config


def _contradictions(config: Config) -> Iterable[str]:
    if config.conditions and config.grid:
        yield "conditions, grid: give one or the other, not both"
    for name, values in (config.grid or {}).items():
        if not values:
            yield f"grid.{name}: expected at least one value, got []"
    baseline = config.experiment.baseline
    if baseline is not None and config.conditions and baseline not in config.conditions:
        yield (
            f"experiment.baseline: there is no condition {baseline!r}."
            f"{suggestion(baseline, config.conditions)} Conditions: {listing(config.conditions)}"
        )
    for name in config.aggregation.options:
        if name not in config.aggregation.aggregators:
            yield (
                f"aggregation.options.{name}: {name!r} is not among the aggregators."
                f"{suggestion(name, config.aggregation.aggregators)} "
                f"Aggregators: {listing(config.aggregation.aggregators)}"
            )


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


def _override(path: Path, content: dict[str, Any], override: str) -> tuple[tuple[str, ...], str]:
    """Put one override in its place; return the place and what messages call it."""
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or len(parts) < 2 or not all(parts):
        raise ConfigError(path, [f"--set {override}: expected section.key=value"])
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    except RecursionError:
        raise ConfigError(path, [f"--set {override}: nested too deeply"]) from None
    table = content
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(path, [f"--set {override}: {part!r} is not a section"])
    table[parts[-1]] = value
    return tuple(parts), f"--set {override}: "


def _sentence(error: Any, origins: Mapping[tuple[str, ...], str]) -> str:
    """One of pydantic's errors, for people."""
    location = [str(part) for part in error["loc"]]
    # A section that only an override has is that override's mistake.
    origin = next((o for p, o in origins.items() if p[: len(location)] == tuple(location)), "")
    where = origin + ".".join(location)
    if error["type"] == "extra_forbidden":
        known = _known(location[:-1])
        return f"{where}: no such key.{suggestion(location[-1], known)} Known: {listing(known)}"
    if error["type"] == "missing":
        return f"{where}: missing; it must be given"
    got = f", got {error['input']!r}"
    if location == ["experiment", "function"] and error["type"] == "string_pattern_mismatch":
        return f"{where}: expected 'module:attribute'{got}"
    expected = EXPECTED.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    return f"{where}: expected {expected}{got}"


def _known(location: Sequence[str]) -> list[str]:
    model: Any = Config
    for part in location:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def experiment_arguments(
    config: Config, beside: Path, *, execution: str | None = None
) -> dict[str, Any]:
    """The keyword arguments of :class:`crystallize.Experiment`, all but the function.

    Parameters
    ----------
    config : Config
    beside : path
        The config's folder.
    execution : str, optional
        Another strategy; the config's options go with its own alone.
    """
    strategy = config.execution.strategy if execution is None else execution
    own = strategy == config.execution.strategy
    return {
        **config.experiment.model_dump(exclude={"function"}),
        "conditions": grid(**config.grid) if config.grid else config.conditions,
        "execution": strategy,
        "execution_options": dict(config.execution.model_extra or {}) if own else {},
        "aggregators": config.aggregation.aggregators,
        "aggregator_options": config.aggregation.options,
        "store": None if config.store is None else beside / config.store.path,
    }
