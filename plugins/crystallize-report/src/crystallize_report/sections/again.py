"""How to run it again: a config that says all that the provenance knows, and a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from crystallize_report.study import ReportedStudy
from crystallize_report.texts import inline, listed, mapping
from crystallize_report.toml_text import document

FILE = "again.toml"
DEFAULTS = {
    "timeout": None, "on_error": "collect", "rate_limit": None, "blas_threads": None,
    "seed_globals": None,
}  # fmt: skip
"""Settings of a run, and what they are where nobody says anything."""
UNTIL = ("metric", "half_width", "relative", "of", "confidence", "at_least", "at_most", "bounds")
MOST_CONFIG = 60_000
"""How many letters of a config are put into a report."""


@dataclass(frozen=True)
class Again:
    """The section.

    Attributes
    ----------
    command, check : str
        To run it, and to hold what comes of it against what is here.
    config : str
        Empty where none can be written.
    file : str
    problems : list of str
        Why the config alone is not enough.
    """

    command: str
    check: str
    config: str
    file: str
    problems: list[str]

    @property
    def href(self) -> str:
        """The config as an address that holds it."""
        return "data:application/toml;charset=utf-8," + quote(self.config)


def again(study: ReportedStudy) -> Again:
    """Gather it."""
    problems: list[str] = []
    config = config_of(study, problems)
    text = document(config) if config is not None else ""
    if len(text) > MOST_CONFIG:
        problems.append(f"The config has {len(text):,} letters, too many to be in a report.")
        text = ""
    return Again(
        f"crystallize run {FILE} --output again.zip",
        f"crystallize verify {FILE} --against RESULT_OR_STORE",
        text,
        FILE,
        problems,
    )


def config_of(study: ReportedStudy, problems: list[str]) -> dict[str, Any] | None:
    """What a config of the same run says; ``None`` where its function cannot be named.

    Parameters
    ----------
    study : ReportedStudy
    problems : list of str
        Learns what would not be the same.
    """
    function = study.function
    if function is None or "<" in function or function.startswith("__main__:"):
        problems.append(
            f"No config can name the function ({inline(function or 'unknown')}): it was defined "
            "in a session or inside another function. Put it into a module first."
        )
        return None
    result, of = study.result, study.provenance
    seed = mapping(of, "seed") or of
    execution = mapping(of, "execution")
    experiment: dict[str, Any] = {"name": study.name, "function": function}
    until = listed(of, "until")
    if not until:
        experiment["replicates"] = result.replicates
    experiment["seed"] = result.root
    if result.seed_rule != "numpy":
        experiment["seed_rule"] = result.seed_rule
    if isinstance(seed.get("streams"), list) and seed["streams"]:
        experiment["streams"] = seed["streams"]
    if result.baseline != next(iter(result.conditions)):
        experiment["baseline"] = result.baseline
    experiment |= _settings(of, execution)
    config: dict[str, Any] = {"experiment": experiment}
    if study.shared:
        config["parameters"] = dict(study.shared)
    own = _own_replicates(study)
    config["conditions"] = {
        name: {key: value for key, value in parameters.items() if key not in study.shared}
        | ({"replicates": own[name]} if name in own else {})
        for name, parameters in study.parameters.items()
    }
    if until:
        config["until"] = {key: until[0][key] for key in UNTIL if until[0].get(key) is not None}
        if len(until) > 1:
            problems.append("It ran until more than one thing was known; the config has the first.")
    if execution.get("strategy"):
        config["execution"] = {"strategy": execution["strategy"], **mapping(execution, "options")}
    _add_plugins(config, study, problems)
    _say_what_is_lost(study, problems)
    if shard := mapping(of, "shard"):
        problems.append(
            f"This is shard {shard.get('number')} of {shard.get('count')} of the study, which the "
            "config runs whole."
        )
    if study.is_of_store:
        problems.append(
            "A store has cells, and neither the strategy nor the aggregators of the runs that "
            "filled it: the config has what the cells follow from."
        )
    return config


def _settings(of: Mapping[str, Any], execution: Mapping[str, Any]) -> dict[str, Any]:
    """What `[experiment]` says of keeping, failing and trying again."""
    found = {
        k: execution[k] for k, usual in DEFAULTS.items() if execution.get(k) not in (None, usual)
    }
    if of.get("keep") == "summary":
        found["keep"] = "summary"
    if execution.get("retries"):
        found["retries"] = mapping(execution, "retry") or execution["retries"]
    return found


def _own_replicates(study: ReportedStudy) -> dict[str, int]:
    """The conditions whose number of replicates is their own, and was not to be seen."""
    sizes = study.result.replicates_of
    if listed(study.provenance, "until"):
        seen = {name for one in listed(study.provenance, "until") for name in mapping(one, "path")}
        return {n: size for n, size in sizes.items() if n not in {*seen, study.result.baseline}}
    return {name: size for name, size in sizes.items() if size < study.result.replicates}


def _add_plugins(config: dict[str, Any], study: ReportedStudy, problems: list[str]) -> None:
    for plugin in listed(study.provenance, "plugins"):
        name, kind = str(plugin.get("name")), plugin.get("kind")
        options = dict(mapping(plugin, "options"))
        if kind in ("aggregator", "observer", "plugin") and plugin.get("distribution") is None:
            problems.append(
                f"The {kind} {inline(name)} was given as an object or by its module; "
                "add it yourself."
            )
        elif kind == "aggregator":
            section = config.setdefault("aggregation", {"aggregators": []})
            section["aggregators"].append(name)
            if name == "hypotheses":
                config["hypothesis"] = options.pop("claims", {})
                options.pop("register", None)
            if options:
                section.setdefault("options", {})[name] = options
        elif kind == "observer":
            config.setdefault("plugins", {})[name] = options


def _say_what_is_lost(study: ReportedStudy, problems: list[str]) -> None:
    opaque = mapping(study.provenance, "opaque")
    keys = dict.fromkeys(key for own in opaque.values() if isinstance(own, list) for key in own)
    if keys:
        problems.append(
            "These parameters are no plain data, or secret, so that their values are not here: "
            f"{', '.join(inline(key) for key in keys)}."
        )
    git = study.provenance.get("git")
    if isinstance(git, Mapping):
        dirty = " with changes that were not committed" if git.get("dirty") else ""
        problems.append(f"The code was at commit {inline(git.get('commit'), 300)}{dirty}.")
