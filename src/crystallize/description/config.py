"""A file -> a checked, frozen description of an experiment; loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from crystallize.checks import (
    Faults,
    Rule,
    each,
    inside,
    keys_among,
    known,
    names,
    optional,
    table,
    text,
)
from crystallize.description.extending import EXTENDS, read_extended
from crystallize.description.grid import ONLY_CONDITION, grids
from crystallize.description.overrides import (
    UNSET,
    Override,
    apply_overrides,
    attributed,
    read_override,
    refuse_doubles,
)
from crystallize.description.replicates import KEY as REPLICATES
from crystallize.description.replicates import OTHERS, number_or_numbers, own_replicates
from crystallize.description.retry import retries_written
from crystallize.description.spec import DEFAULT_STRATEGY, RULES
from crystallize.description.stream_keys import check_streams
from crystallize.description.summarized import RULES as SUMMARY_RULES
from crystallize.description.until import until_table
from crystallize.errors import (
    ConfigError,
    CrystallizeError,
    InvalidValueError,
    listing,
    suggestion,
)
from crystallize.located import folder_of, plain

T = TypeVar("T")


def _function(where: str, value: object) -> str:
    if not isinstance(value, str) or value.count(":") != 1:
        raise InvalidValueError(where, value, "'module:attribute'")
    if not all(part and part == "".join(part.split()) for part in value.split(":")):
        raise InvalidValueError(where, value, "'module:attribute'")
    return value  # with the folder of its file, beside which it is looked up


ELSEWHERE = ("store", "shard", "retry_failed", "accept_changes", "summary")
EXPERIMENT_RULES: Mapping[str, Rule[Any]] = {
    "function": _function,
    "baseline": optional(text),
    "plugins": names,
    "block": names,
    # Some have a section of their own; what the command asks for stands in no file.
    **{key: RULES[key] for key in RULES if key not in ELSEWHERE},
    "retries": retries_written,
    REPLICATES: number_or_numbers,
}
"""What the keys of ``[experiment]`` may be; arguments of :class:`crystallize.Experiment`."""

AGGREGATION_RULES: Mapping[str, Rule[Any]] = {"aggregators": names, "options": each(table)}
STORE_RULES: Mapping[str, Rule[Any]] = {"path": RULES["store"]}


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

    strategy: str = DEFAULT_STRATEGY
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
    conditions : mapping or None
        Those of a grid too, each with the parameters that all share.
    own_replicates : mapping of str to int
        Condition -> its number of replicates, where it has its own.
    with_own_key : tuple of str
        The conditions in whose own tables that stands.
    execution : ExecutionSection
    aggregation : AggregationSection
    summary : mapping
        What summaries say, as :class:`crystallize.Experiment` takes it.
    store : path or None
        The file in which finished cells are kept; beside the config if relative.
    log : path or None
        ``experiment.log``, likewise.
    plugins : mapping
        ``[plugins.NAME]``: the name of an observer -> its options.
    hypotheses : mapping
        ``[hypothesis.NAME]``: a name -> what is claimed, as the aggregator
        ``hypotheses`` takes it.
    """

    experiment: ExperimentSection
    conditions: Mapping[str, Mapping[str, Any]] | None = None
    own_replicates: Mapping[str, int] = field(default_factory=dict)
    with_own_key: tuple[str, ...] = ()
    execution: ExecutionSection = ExecutionSection()
    aggregation: AggregationSection = AggregationSection()
    summary: Mapping[str, Any] = field(default_factory=dict)
    store: Path | None = None
    log: Path | None = None
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hypotheses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


SECTIONS = (
    "experiment", "parameters", "conditions", "grid", "execution", "aggregation", "summary",
    "hypothesis", "plugins", "store", "until",
)  # fmt: skip
GIVING_CONDITIONS = ("conditions", "grid", "parameters")
"""The sections of which one says what conditions there are; without them there is one."""
HYPOTHESES = "hypotheses"
"""The aggregator that decides what ``[hypothesis.NAME]`` claims; a distribution has it."""


def read_config(
    path: str | Path, overrides: Sequence[str] = (), options: Sequence[Override] = ()
) -> Config:
    """Read and validate a config file.

    Parameters
    ----------
    path : path
        A ``.toml`` or ``.json`` file; ``.yaml`` and ``.yml`` where PyYAML is
        installed.
    overrides : sequence of str
        ``section.key=value``, with a value as TOML spells it, or plain text; without
        one, the key is unset.
    options : sequence of Override
        What options of the command give; not together with one of `overrides`.

    Raises
    ------
    ConfigError
        Listing everything that is wrong.
    """
    path = Path(path)
    read = read_extended(path)
    content = read.content
    if content in (None, "", {}, []):
        raise ConfigError(path, ["the file is empty; it needs at least [experiment] function"])
    if not isinstance(content, dict):
        raise ConfigError(path, [f"expected sections, such as [experiment], got {content!r}"])
    reader = _Reader()
    written = (reader.faults(read_override, text) for text in overrides)
    given = [override for override in written if override is not None]
    reader.faults(refuse_doubles, options, given)
    origins = read.origins + apply_overrides(content, [*options, *given], reader.faults)
    # What they were meant for may be wrong only without them.
    if problems := reader.faults.problems:
        raise ConfigError(path, problems)
    _leave_out_replaced(content, [*options, *given])
    config = reader.config(content)
    if problems := reader.faults.problems:
        raise ConfigError(path, [attributed(problem, origins) for problem in problems])
    return config


def _leave_out_replaced(content: Any, given: Sequence[Override]) -> None:
    """What is given beside the file is there instead of what says the same in it.

    A number of replicates is that of every condition, instead of ``[until]`` and of numbers of
    their own, unless these are given beside the file too.
    """
    keys = [override.parts for override in given if override.value is not UNSET]
    if ("experiment", REPLICATES) in keys:
        content.pop("until", None)
        tables = content.get("conditions")
        for name, own in tables.items() if isinstance(tables, dict) else ():
            is_given = ("conditions", name, REPLICATES) in keys or ("conditions",) in keys
            if isinstance(own, dict) and not is_given:
                own.pop(REPLICATES, None)
    elif isinstance(content.get("experiment"), dict) and any(key[0] == "until" for key in keys):
        content["experiment"].pop("replicates", None)


class _Reader:
    """Applies the rules to what was parsed, and collects what is wrong with it.

    What it gives is of use where it found no faults; until then, a part that could not
    be read is ``None``, and what depends on that part is not looked at.
    """

    def __init__(self) -> None:
        self.faults = Faults()

    def config(self, content: Mapping[str, Any]) -> Config:
        self._refuse_unknown("", content, (EXTENDS, *SECTIONS))
        numbers = self._numbers_of_tables(content.get("conditions"))
        experiment, conditions = self._experiment(content), self._conditions(content)
        are_given = any(name in content for name in GIVING_CONDITIONS)
        sets = conditions if are_given else {ONLY_CONDITION: {}}
        config = Config(
            experiment=experiment,
            conditions=conditions,
            own_replicates=self._own_replicates(content, sets, numbers),
            with_own_key=tuple(numbers),
            execution=self._execution(content.get("execution", {})),
            aggregation=self._aggregation(content.get("aggregation", {})),
            summary=self._section("summary", content.get("summary", {}), SUMMARY_RULES) or {},
            store=self._store(content.get("store")),
            log=self._log(content.get("experiment")),
            plugins=self._plugins(content.get("plugins", {})),
            hypotheses=self._hypotheses(content.get("hypothesis", {})),
        )
        self._contradictions(config, sets)
        return config

    def _experiment(self, content: Mapping[str, Any]) -> Any:
        if "experiment" not in content:
            return self._say("experiment: missing; it must be given.")
        given = self._section("experiment", content["experiment"], EXPERIMENT_RULES, "function")
        if given is None:
            return None
        values = {"replicates": 1, "seed": None, "baseline": None, "function": ""} | given
        if isinstance(own := values["replicates"], Mapping):
            values["replicates"] = own.get(OTHERS)
        if "until" in content:
            if "replicates" in given and values["replicates"] is not None:
                self._say("experiment.replicates, until: give one or the other, not both.")
            values["replicates"] = self._checked(until_table, "until", content["until"])
        return ExperimentSection(values.pop("function"), MappingProxyType(plain(values)))

    def _conditions(self, content: Mapping[str, Any]) -> Any:
        given, combined = content.get("conditions"), content.get("grid")
        if given is not None and combined is not None:
            self._say(
                "conditions, grid: give one or the other, not both; for a sweep instead of the "
                "file's conditions leave these out with --set conditions=."
            )
        shared = self._checked(table, "parameters", content.get("parameters", {}))
        conditions = None
        if combined is not None:
            conditions = self._checked(grids, "grid", combined)
        if given is not None:
            tables = self._checked(each(table, may_be_empty=False), "conditions", given) or {}
            conditions = {
                name: {key: value for key, value in own.items() if key != REPLICATES}
                for name, own in tables.items()
            } or None
        if shared and given is None and combined is None:
            conditions = {ONLY_CONDITION: {}}
        if conditions is None or shared is None:
            return None
        return {name: plain({**shared, **own}) for name, own in conditions.items()}

    def _numbers_of_tables(self, given: object) -> dict[str, int]:
        """Condition -> its number of replicates, of those in whose tables there is one."""
        numbers = {}
        for name, own in given.items() if isinstance(given, Mapping) else ():
            if isinstance(own, Mapping) and REPLICATES in own:
                place = f"{inside('conditions', str(name))}.{REPLICATES}"
                numbers[name] = self.faults(RULES[REPLICATES], place, own[REPLICATES])
        return numbers

    def _own_replicates(
        self, content: Mapping[str, Any], conditions: Any, numbers: Mapping[str, int]
    ) -> dict[str, int]:
        """Condition -> its number of replicates, of those that have their own."""
        section = content.get("experiment")
        given = section.get(REPLICATES) if isinstance(section, Mapping) else None
        named = given if isinstance(given, Mapping) else {}
        for name in numbers:
            if name in named:
                place = f"{inside('conditions', name)}.{REPLICATES}"
                self._say(f"{inside(f'experiment.{REPLICATES}', name)}, {place}: give one of them.")
        own = {}
        if named and conditions is not None and self._are_numbers(named):
            elsewhere = conditions if "until" in content else numbers
            where = f"experiment.{REPLICATES}"
            own = self._checked(own_replicates, where, named, conditions, elsewhere) or {}
        return {**own, **numbers}

    @staticmethod
    def _are_numbers(named: Mapping[str, Any]) -> bool:
        try:
            number_or_numbers(REPLICATES, named)
        except CrystallizeError:
            return False  # which was said already
        return True

    def _execution(self, given: object) -> Any:
        options = self._checked(table, "execution", given)
        if options is None:
            return None
        given = options.pop("strategy", DEFAULT_STRATEGY)
        strategy: Any = self._checked(text, "execution.strategy", given)
        return ExecutionSection(strategy, MappingProxyType(options))

    def _aggregation(self, given: object) -> Any:
        section = self._section("aggregation", given, AGGREGATION_RULES)
        return None if section is None else AggregationSection(**section)

    def _plugins(self, given: object) -> Any:
        return self._checked(each(table), "plugins", given)

    def _hypotheses(self, given: object) -> Any:
        return self._checked(each(table), "hypothesis", given)

    def _store(self, given: object) -> Any:
        if given is None:
            return None
        section = self._section("store", given, STORE_RULES, "path")
        if section is None or section.get("path") is None:
            return None
        return (folder_of(table("store", given)["path"]) or Path()) / section["path"]

    def _log(self, given: object) -> Any:
        path = given.get("log") if isinstance(given, dict) else None
        if not path or not isinstance(path, str):
            return None  # none, or refused where the section is read
        return (folder_of(path) or Path()) / path

    def _section(
        self, name: str, given: object, rules: Mapping[str, Rule[Any]], *required: str
    ) -> dict[str, Any] | None:
        section = self._checked(table, name, given)
        if section is None:
            return None
        self._refuse_unknown(name, section, rules)
        for key in required:
            if key not in section:
                self._say(f"{name}.{key}: missing; it must be given.")
        return {
            key: self._checked(rules[key], inside(name, key), value)
            for key, value in section.items()
            if key in rules
        }

    def _contradictions(self, config: Config, sets: Any) -> None:
        baseline = config.experiment and config.experiment.values["baseline"]
        if baseline and config.conditions:
            self._checked(known, "experiment.baseline", baseline, "condition", config.conditions)
        values = config.experiment.values if config.experiment else {}
        if sets is not None and (streams := values.get("streams")):
            rule = values.get("seed_rule", "numpy")
            self._checked(check_streams, "experiment.streams", streams, sets, rule)
        aggregators = config.aggregation and config.aggregation.aggregators
        options = config.aggregation and config.aggregation.options
        if aggregators is not None and options is not None:
            named = list(config.aggregation.aggregators) + [HYPOTHESES] * bool(config.hypotheses)
            self._checked(keys_among, "aggregation.options", options, "aggregator", named)

    def _checked(self, rule: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
        return self.faults(rule, *args, **kwargs)

    def _refuse_unknown(self, where: str, section: Iterable[str], keys: Iterable[str]) -> None:
        names = list(keys)
        for key in section:
            if key not in names:
                place = inside(where, key) if where else key
                self._say(f"{place}: no such key.{suggestion(key, names)} Known: {listing(names)}.")

    def _say(self, problem: str) -> None:
        self.faults.found.append(CrystallizeError(problem))
