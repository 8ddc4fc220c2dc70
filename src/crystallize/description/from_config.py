"""From a config to the arguments of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crystallize.description.config import HYPOTHESES, Config
from crystallize.description.lookup import find_function
from crystallize.description.replicates import OTHERS, refuse_ambiguous
from crystallize.description.retry import Retry
from crystallize.description.shard import one_of_its_own
from crystallize.description.spec import RULES
from crystallize.located import located

NOTHING: Mapping[str, Any] = MappingProxyType({})

OPTIONS_OF = {
    "execution": "execution_options",
    "aggregators": "aggregator_options",
    "plugins": "plugin_options",
}
"""Which argument has the options of what another one names."""

REGISTER = "hypotheses.jsonl"
"""Where hypotheses are written down, beside the config, unless it says otherwise."""


def all_arguments(
    config: Config, beside: Path, overrides: Mapping[str, Any] = NOTHING
) -> dict[str, Any]:
    """The arguments of :class:`crystallize.Experiment`, with the function, which is imported.

    Raises
    ------
    FunctionLookupError, FunctionError
    """
    arguments = experiment_arguments(config, beside, overrides)
    if "function" not in overrides:
        arguments["function"] = find_function(config.experiment.function, beside)
    if not {"conditions", "replicates"} & set(overrides):
        refuse_ambiguous(arguments["function"], config.with_own_key)
    return arguments


def experiment_arguments(
    config: Config, beside: Path, overrides: Mapping[str, Any] = NOTHING
) -> dict[str, Any]:
    """The keyword arguments of :class:`crystallize.Experiment`, all but the function.

    Parameters
    ----------
    config : Config
    beside : path
        The config's folder.
    overrides : mapping
        Arguments that are used instead of the config's.  The config's options go with
        what it names itself, not with others that are named instead: another strategy
        has none of them, an aggregator or observer that is named again keeps its own.
    """
    plugins = dict.fromkeys([*config.experiment.values.get("plugins", ()), *config.plugins])
    named = {
        "execution": config.execution.strategy,
        "execution_options": dict(config.execution.options),
        "aggregators": config.aggregation.aggregators,
        "aggregator_options": config.aggregation.options,
        "plugins": list(plugins),
        "plugin_options": config.plugins,
    }
    if config.hypotheses:
        _add_hypotheses(config, named)
    store = None if config.store is None else beside / config.store
    log = None if config.log is None else beside / config.log
    own = {}
    if overrides.get("shard") is not None:
        own["shard"] = RULES["shard"]("shard", overrides["shard"])
        # What is written for all shards; a path that is given for one is as it is given.
        store, log = (path and one_of_its_own(path, own["shard"]) for path in (store, log))
    for names, options in OPTIONS_OF.items():
        if names in overrides:
            named[options] = _of_those(overrides[names], named[names], named[options])
    values = dict(config.experiment.values)
    if isinstance(retries := values.get("retries"), Retry):
        values["retries"] = replace(retries, on=located(list(retries.on), beside))
    return {
        **values,
        "replicates": _replicates(config, overrides.get("conditions", config.conditions)),
        "conditions": config.conditions,
        **{argument: located(value, beside) for argument, value in named.items()},
        "summary": config.summary,
        "store": store,
        "log": log,
        **overrides,
        **own,
    }


def _replicates(config: Config, conditions: object) -> Any:
    """The numbers of replicates of those conditions that are run."""
    others = config.experiment.values["replicates"]
    names = conditions if isinstance(conditions, Mapping) else ()
    own = {name: number for name, number in config.own_replicates.items() if name in names}
    if not own:
        return max(config.own_replicates.values()) if others is None else others
    return own if others is None else {**own, OTHERS: others}


def _of_those(names: object, before: object, options: Any) -> Mapping[str, Any]:
    """The options that the config has for what is named instead of `before`."""
    if isinstance(names, str):
        return options if names == before else {}
    if not isinstance(names, (list, tuple)):
        return {}  # an object, which has its own, or what will be refused
    named = [name for name in names if isinstance(name, str)]
    return {name: own for name, own in options.items() if name in named}


def _add_hypotheses(config: Config, named: dict[str, Any]) -> None:
    """Have the aggregator of hypotheses among those that are named, with what is claimed."""
    if HYPOTHESES not in named["aggregators"]:
        named["aggregators"] = [*named["aggregators"], HYPOTHESES]
    given = {"register": REGISTER, **named["aggregator_options"].get(HYPOTHESES, {})}
    given["claims"] = config.hypotheses
    named["aggregator_options"] = {**named["aggregator_options"], HYPOTHESES: given}
