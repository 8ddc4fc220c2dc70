"""The ways in which cells can be run here: every strategy that is installed, with other workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from crystallize.callables import is_async
from crystallize.contracts import Capabilities
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import CrystallizeError, PluginError
from crystallize.installed.catalog import PluginInfo
from crystallize.installed.loading import build, constructed, load
from crystallize.installed.lookup import factory_of
from crystallize.installed.options import Declaration, declaration
from crystallize.plugins.host import Host
from crystallize.verification.certificate import NotTried

EXECUTORS = "crystallize.executors"
WORKERS = (1, 3)
"""How many workers each strategy is tried with, where it says how to have so many."""


@dataclass(frozen=True)
class Way:
    """An executor, and what it is called.

    Attributes
    ----------
    strategy : str
    executor : object
    options : mapping
    distribution, version : str or None
    """

    strategy: str
    executor: object
    options: Mapping[str, Any] = field(default_factory=dict)
    distribution: str | None = None
    version: str | None = None

    def is_same(self, other: Way) -> bool:
        """Whether both are one strategy with the same options."""
        if self.distribution is None or other.distribution is None:
            return self.executor is other.executor
        one, two = ((w.strategy, w.distribution, dict(w.options)) for w in (self, other))
        return one == two


def own_way(host: Host) -> Way:
    """The strategy that the experiment has, as it has it."""
    used = next(used for used in host.used if used.kind == "executor")
    return Way(used.name, host.executor, host.executor_options, used.distribution, used.version)


def installed_ways(
    experiment: ExperimentSpec,
    host: Host,
    only: Sequence[str | object] | None = None,
    workers: Sequence[int] = WORKERS,
) -> tuple[list[Way], list[NotTried]]:
    """Every installed strategy that takes the function, and those that cannot be had here.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins: a strategy that it names has the options that it gives.
    only : sequence of (str or object), optional
        Names of strategies, or executors, instead of all that are installed.
    workers : sequence of int
        With how many workers each is tried; with its own number, if there is none.

    Raises
    ------
    UnknownNameError, DuplicateNameError, PluginError
        If one of `only` names nothing that can be had.
    """
    own = own_way(host)
    ways: list[Way] = []
    not_tried: list[NotTried] = []
    for given in host.catalog.of("executor") if only is None else only:
        found = factory_of(host.catalog, "executor", given) if isinstance(given, str) else given
        try:
            ways += _ways_of(experiment, own, given, found, workers)
        except CrystallizeError as error:
            info = found if isinstance(found, PluginInfo) else None
            distribution, version = (info.distribution, info.version) if info else (None, None)
            why = NotTried(_name(given, found), distribution, version, str(error))
            not_tried.append(why)
    if only is None:
        for problem in host.catalog.problems:
            if problem.group == EXECUTORS and problem.is_broken:
                not_tried.append(
                    NotTried(problem.name, problem.distribution, problem.version, problem.status)
                )
    return ways, not_tried


def _ways_of(
    experiment: ExperimentSpec, own: Way, given: object, found: object, workers: Sequence[int]
) -> Iterator[Way]:
    if not isinstance(found, PluginInfo):
        executor = constructed(str(given), found, {}) if isinstance(given, str) else given
        check_takes(executor, experiment)
        yield Way(_name(given, found), executor)
        return
    if found.status == "blocked":
        raise PluginError("it is blocked")
    is_own = (own.strategy, own.distribution) == (found.name, found.distribution)
    for options, executor in _variants(found, own.options if is_own else {}, workers):
        check_takes(executor, experiment)
        yield Way(_name(given, found), executor, options, found.distribution, found.version)


def _name(given: object, found: object) -> str:
    if isinstance(found, PluginInfo):
        return found.qualified if found.status == "conflict" else found.name
    return str(given) if isinstance(given, str) else type(given).__name__


def check_takes(executor: object, experiment: ExperimentSpec) -> None:
    """Refuse an executor that does not take a function.

    Raises
    ------
    PluginError
    """
    kind = "async" if is_async(experiment.function) else "sync"
    if kind not in Capabilities.of(executor).functions:
        raise PluginError(f"it takes {'coroutine' if kind == 'sync' else 'plain'} functions only")


def _variants(
    info: PluginInfo, options: Mapping[str, Any], workers: Sequence[int]
) -> Iterator[tuple[dict[str, Any], object]]:
    """A strategy with every choice that one of its options has, and other numbers of workers."""
    declared = declaration(_factory(info))
    chosen: list[dict[str, Any]] = [dict(options)]
    for name, option in declared.options.items():
        if name not in options:
            chosen += [
                dict(options) | {name: choice}
                for choice in option.choices
                if choice != option.default
            ]
    for given in chosen:
        executor = build(info, given)
        by_workers = _with_workers(info, declared, given, workers)
        yield from by_workers or [(given, executor)]


def _factory(info: PluginInfo) -> Any:
    factory = load(info)
    return factory if callable(factory) else lambda: factory


def _with_workers(
    info: PluginInfo, declared: Declaration, options: Mapping[str, Any], numbers: Sequence[int]
) -> list[tuple[dict[str, Any], object]]:
    """The strategy with each number of workers, by the option that its capabilities follow."""
    for name in declared.options:
        found = []
        for workers in numbers:
            given = dict(options) | {name: workers}
            with suppress(Exception):  # the option is not for numbers, or not together with these
                executor = build(info, given)
                if Capabilities.of(executor).workers == workers:
                    found.append((given, executor))
        if len(found) == len(numbers):
            return found
    return []
