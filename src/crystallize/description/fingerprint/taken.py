"""The walks that there are: each begins anew, because values may have changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from crystallize.description.fingerprint.parts import Fingerprint, Part
from crystallize.description.fingerprint.walk import Walk
from crystallize.description.spec import ExperimentSpec


def fingerprint_of(spec: ExperimentSpec) -> Fingerprint:
    """The fingerprint of an experiment's function, its resources and its conditions."""
    with halted_before_conditions(spec) as walk:
        walk.add_conditions(spec.conditions)
        return walk.fingerprint()


@contextmanager
def halted_before_conditions(spec: ExperimentSpec) -> Iterator[Walk]:
    """A walk that has seen an experiment's function and resources; the conditions may follow."""
    with closing(Walk(spec.function, "source")) as walk:
        walk.add_resources(spec.resources)
        yield walk


def function_fingerprint(function: Callable[..., Any]) -> Fingerprint:
    """The fingerprint of a function alone."""
    with closing(Walk(function, "source")) as walk:
        walk.follow()
        return walk.fingerprint()


def loaded_fingerprint(
    function: Callable[..., Any], conditions: Mapping[str, Mapping[str, Any]]
) -> Fingerprint:
    """What this process has loaded of all that a function and its conditions' values reach.

    The values themselves are left out: a worker has them from the driver.
    """
    with closing(Walk(function, "loaded")) as walk:
        for parameters in conditions.values():
            walk.pass_through(parameters)
        walk.follow()
        return walk.fingerprint()


def generators_reached(spec: ExperimentSpec) -> tuple[str, ...]:
    """The random generators that an experiment's function or conditions reach, by name."""
    with closing(Walk(spec.function, "nothing")) as walk:
        walk.add_resources(spec.resources)
        walk.add_conditions(spec.conditions)
        return walk.generators


def changing_state(function: Callable[..., Any]) -> frozenset[str]:
    """The parts of what a function reaches that its code changes, and reads as well."""
    with closing(Walk(function, "nothing")) as walk:
        walk.follow()
        return frozenset(walk.state)


def state_of(function: Callable[..., Any], names: frozenset[str]) -> dict[str, Part]:
    """What some of these parts are now, for comparison with what they are later."""
    with closing(Walk(function, "nothing", names)) as walk:
        walk.follow()
        return {name: part for name, part in walk.state.items() if name in names}
