"""What an experiment is, once it was checked: read-only, and all that a run is given of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from crystallize.checks import (
    Rule,
    above_zero,
    choice,
    count_or_share,
    duration,
    flag,
    flag_or,
    names,
    optional,
    path,
    seconds,
    text,
    whole_number,
)
from crystallize.description.retry import NEVER, Retry, retries
from crystallize.description.secrets import without_secrets_among
from crystallize.description.shard import WHOLE, Shard, shard
from crystallize.description.summarized import USUAL, Summarized, summarized

if TYPE_CHECKING:
    from crystallize.description.seeding import Seeding
    from crystallize.description.until import Until

Keep = Literal["values", "summary"]
OnError = Literal["collect", "raise"]
SeedRule = Literal["numpy", "crystallize-ml"]
Progress = bool | Literal["long"]

DEFAULT_STRATEGY = "serial"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentSpec:
    """The description of an experiment; :class:`crystallize.Experiment` makes it.

    Attributes
    ----------
    function : callable
        The user's function, plain or coroutine.
    conditions : mapping of str to mapping
        Name -> parameters, both read-only.
    injected : tuple of str
        What the function asks for by name.
    offered : tuple of str
        What only plugins' worker contexts can give the function.
    takes : tuple of str or None
        All parameters of the function; ``None`` where it takes any.
    resources : mapping of str to callable
        Parameter -> what makes its value, once in each worker; read-only.
    replicates : int
        Of each condition that has no number of its own.
    own_replicates : mapping of str to int
        Condition -> its number of replicates, where it has its own; read-only.
    until : tuple of Until
        What ends conditions before they have all of these replicates.
    shard : Shard or None
        Which part of the replicates is run, if not all.
    seed : int
        The root of all randomness.
    seed_rule : {"numpy", "crystallize-ml"}
        How the seeds of replicates follow from the root.
    streams : tuple of str
        The factors in whose levels conditions have streams of their own.
    stream_keys : mapping of str to int
        Condition -> the key of its streams, of those that have their own.
    name : str
    baseline : str
        The condition that others are compared with.
    retry : Retry
        How often a failed cell is tried again, after which time, and which exceptions.
    rate_limit : float or None
        How many cells may begin in a second, each try of one counted.
    timeout : float or None
        Seconds that a cell may take.
    time_limit : float or None
        Seconds after which a run begins no more cells.
    max_failures : int, float or None
        How many failed cells end the run: a number, or below 1 a share of all.
    on_error : {"collect", "raise"}
    seed_globals : bool
    blas_threads : int or None
    store : path or None
    retry_failed : bool
    accept_changes : bool
    keep_secrets : bool
        Whether parameters that are named like secrets are written down as they are.
    progress : bool or "long"
    log : path or None
        A file to which lines are added on what happens.
    keep : {"values", "summary"}
        Whether the driver keeps values, or only what summaries need of them.
    summary : Summarized
        What summaries say of each metric.
    """

    function: Callable[..., Any]
    conditions: Mapping[str, Mapping[str, Any]]
    injected: tuple[str, ...]
    replicates: int
    seed: int
    name: str
    baseline: str
    own_replicates: Mapping[str, int] = field(default_factory=dict)
    until: tuple[Until, ...] = ()
    shard: Shard | None = None
    offered: tuple[str, ...] = ()
    takes: tuple[str, ...] | None = None
    resources: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    retry: Retry = NEVER
    rate_limit: float | None = None
    timeout: float | None = None
    time_limit: float | None = None
    max_failures: int | float | None = None
    on_error: OnError = "collect"
    seed_rule: str = "numpy"
    streams: Sequence[str] = ()
    stream_keys: Mapping[str, int] = field(default_factory=dict)
    seed_globals: bool = False
    blas_threads: int | None = 1
    store: Path | None = None
    retry_failed: bool = False
    accept_changes: bool = False
    keep_secrets: bool = False
    progress: Progress = False
    log: Path | None = None
    keep: Keep = "values"
    summary: Summarized = USUAL

    @property
    def retries(self) -> int:
        """How many more times a failed cell is tried."""
        return self.retry.times

    @property
    def seeding(self) -> Seeding:
        """How the randomness of every replicate follows from the root."""
        from crystallize.description.seeding import Seeding  # NumPy, not for who reads a config

        return Seeding(self.seed, self.seed_rule, self.stream_keys)

    @property
    def seed_formula(self) -> str:
        """How anyone gets a replicate's stream by hand."""
        from crystallize.description.seeding import formula

        return formula(self.seed_rule, self.streams)

    @cached_property
    def factors(self) -> dict[str, dict[str, Any]]:
        """Condition -> factor -> level: the parameters whose values differ."""
        from crystallize.description.factors import factors  # NumPy, which no config needs

        return factors(self.shown_conditions)

    @cached_property
    def shown_conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """The conditions as they are written down, with digests in the place of secrets."""
        if self.keep_secrets:
            return self.conditions
        return {name: without_secrets_among(given) for name, given in self.conditions.items()}

    @cached_property
    def replicates_of(self) -> Mapping[str, int]:
        """Condition -> how many replicates it has, or with `until` has at the most."""
        own, others = self.own_replicates, self.replicates
        return MappingProxyType({name: own.get(name, others) for name in self.conditions})

    @cached_property
    def parts(self) -> Mapping[str, tuple[int, int]]:
        """Condition -> the range [start, stop) of its replicates that are run."""
        part = (self.shard or WHOLE).part
        replicates_of = self.replicates_of.items()
        return MappingProxyType({name: part(replicates) for name, replicates in replicates_of})

    @property
    def fewest(self) -> int:
        """How many replicates every condition has for certain."""
        fewest = min(self.replicates_of.values())
        return min([fewest, *(goal.at_least for goal in self.until)])

    @cached_property
    def cells(self) -> int:
        """How many cells are run."""
        return sum(stop - start for start, stop in self.parts.values())


RULES: Mapping[str, Rule[Any]] = {
    "name": optional(text),
    "replicates": partial(whole_number, least=1),
    "seed": optional(whole_number),
    "seed_rule": partial(choice, choices=get_args(SeedRule)),
    "streams": names,
    "retries": retries,
    "rate_limit": optional(above_zero),
    "timeout": optional(seconds),
    "time_limit": optional(duration),
    "max_failures": optional(count_or_share),
    "on_error": partial(choice, choices=("collect", "raise")),
    "seed_globals": flag,
    "blas_threads": optional(partial(whole_number, least=1)),
    "store": optional(path),
    "shard": optional(shard),
    "retry_failed": flag,
    "accept_changes": flag,
    "keep_secrets": flag,
    "progress": partial(flag_or, word="long"),
    "log": optional(path),
    "keep": partial(choice, choices=get_args(Keep)),
    "summary": summarized,
}
"""What each value of an experiment may be, whoever gives it: the API, a config, the command."""
