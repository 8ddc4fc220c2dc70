"""A file -> a checked, frozen description of an experiment; loads nothing."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crystallize.checks import optional, sequence, table, text
from crystallize.description.spec import RULES, Rule
from crystallize.errors import (
    ConfigError,
    DuplicateNameError,
    InvalidValueError,
    listing,
    suggestion,
)

FORMATS = (".toml", ".json", ".yaml", ".yml")


def _names(where: str, value: object) -> list[str]:
    return [text(where, name) for name in sequence(where, value)]


def _function(where: str, value: object) -> str:
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(part and part == "".join(part.split()) for part in parts):
        raise InvalidValueError(where, value, "'module:attribute'")
    return str(value)


def _values(where: str, value: object) -> list[Any]:
    values = sequence(where, value)
    if not values:
        raise InvalidValueError(where, value, "at least one value")
    return list(values)


EXPERIMENT_RULES: Mapping[str, Rule] = {
    "function": _function,
    "baseline": optional(text),
    "plugins": _names,
    # A store has a section of its own; what the command asks for stands in no file.
    **{key: RULES[key] for key in RULES if key not in ("store", "retry_failed", "accept_changes")},
}
"""What the keys of ``[experiment]`` may be; arguments of :class:`crystallize.Experiment`."""


@dataclass(frozen=True)
class ExperimentSection:
    """``[experiment]``: what is run.

    Attributes
    ----------
    function : str
        ``module:attribute``.
    values : mapping
        The other keys, as :class:`crystallize.Experiment` takes them; those that the
        file leaves out have the experiment's own defaults.
    """

    function: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class ExecutionSection:
    """``[execution]``: the strategy; every other key is an option of it."""

    strategy: str = "serial"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AggregationSection:
    """``[aggregation]``: the aggregators, and their options by name."""

    aggregators: Sequence[str] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """A whole config file.

    Attributes
    ----------
    experiment : ExperimentSection
    conditions, grid : dict or None
    execution : ExecutionSection
    aggregation : AggregationSection
    store : str or None
        The file in which finished cells are kept; beside the config if relative.
    """

    experiment: ExperimentSection
    conditions: Mapping[str, Mapping[str, Any]] | None = None
    grid: Mapping[str, list[Any]] | None = None
    execution: ExecutionSection = ExecutionSection()
    aggregation: AggregationSection = AggregationSection()
    store: str | None = None


SECTIONS = ("experiment", "conditions", "grid", "execution", "aggregation", "store")


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
    reader = _Reader(origins)
    config = reader.config(content)
    if not reader.problems:
        reader.problems += _contradictions(config)
    if reader.problems:
        raise ConfigError(path, reader.problems)
    return config


class _Reader:
    """Applies the rules to what was parsed, and collects what is wrong with it.

    Parameters
    ----------
    origins : mapping
        Place of a key -> what messages put before it, where an override gave it.
    """

    def __init__(self, origins: Mapping[tuple[str, ...], str]) -> None:
        self.problems: list[str] = []
        self._origins = origins

    def config(self, content: Mapping[str, Any]) -> Config:
        self._refuse_unknown((), content, SECTIONS)
        get = content.get
        return Config(
            experiment=self._experiment(content),
            conditions=self._tables(("conditions",), get("conditions"), table),
            grid=self._tables(("grid",), get("grid"), _values),
            execution=self._execution(get("execution", {})),
            aggregation=self._aggregation(get("aggregation", {})),
            store=self._store(get("store")),
        )

    def _experiment(self, content: Mapping[str, Any]) -> Any:
        if "experiment" not in content:
            self._missing("experiment")
            return None
        section = self._section("experiment", content["experiment"], EXPERIMENT_RULES)
        if section is None:
            return None
        if "function" not in section:
            self._missing("experiment", "function")
        values = {"replicates": 1, "seed": None, "baseline": None} | {
            key: self._checked(("experiment", key), EXPERIMENT_RULES[key], value)
            for key, value in section.items()
            if key in EXPERIMENT_RULES
        }
        return ExperimentSection(values.pop("function", ""), MappingProxyType(values))

    def _execution(self, given: object) -> Any:
        section = self._checked(("execution",), table, given)
        if section is None:
            return None
        strategy = section.pop("strategy", "serial")
        strategy = self._checked(("execution", "strategy"), text, strategy)
        return ExecutionSection(strategy, MappingProxyType(section))

    def _aggregation(self, given: object) -> Any:
        section = self._section("aggregation", given, ("aggregators", "options"))
        if section is None:
            return None
        place = ("aggregation", "aggregators")
        return AggregationSection(
            self._checked(place, _names, section.get("aggregators", [])),
            self._tables(("aggregation", "options"), section.get("options", {}), table, least=0),
        )

    def _store(self, given: object) -> str | None:
        if given is None:
            return None
        section = self._section("store", given, ("path",))
        if section is None:
            return None
        if "path" not in section:
            self._missing("store", "path")
            return None
        checked: str | None = self._checked(("store", "path"), text, section["path"])
        return checked

    def _section(self, name: str, given: object, known: Iterable[str]) -> dict[str, Any] | None:
        section: dict[str, Any] | None = self._checked((name,), table, given)
        if section is not None:
            self._refuse_unknown((name,), section, known)
        return section

    def _tables(self, place: tuple[str, ...], given: object, rule: Rule, *, least: int = 1) -> Any:
        """A table of which every value is checked by one rule."""
        if given is None:
            return None
        section = self._checked(place, table, given)
        if section is None:
            return None
        if len(section) < least:
            where = self._where(place)
            self.problems.append(str(InvalidValueError(where, given, "at least one")))
        return {key: self._checked((*place, key), rule, value) for key, value in section.items()}

    def _checked(self, place: tuple[str, ...], rule: Callable[..., Any], value: object) -> Any:
        try:
            return rule(self._where(place), value)
        except InvalidValueError as error:
            self.problems.append(str(error))
            return None

    def _refuse_unknown(
        self, place: tuple[str, ...], section: Mapping[str, Any], known: Iterable[str]
    ) -> None:
        names = list(known)
        for key in section:
            if key not in names:
                self.problems.append(
                    f"{self._where((*place, key))}: no such key.{suggestion(key, names)} "
                    f"Known: {listing(names)}"
                )

    def _missing(self, *place: str) -> None:
        self.problems.append(f"{self._where(place)}: missing; it must be given")

    def _where(self, place: tuple[str, ...]) -> str:
        # A section that only an override has is that override's mistake.
        origin = next((o for p, o in self._origins.items() if p[: len(place)] == place), "")
        return origin + ".".join(place)


def _contradictions(config: Config) -> Iterable[str]:
    if config.conditions and config.grid:
        yield "conditions, grid: give one or the other, not both"
    baseline = config.experiment.values["baseline"]
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
