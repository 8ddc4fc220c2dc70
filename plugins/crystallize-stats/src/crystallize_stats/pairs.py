"""Which conditions are compared with which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from crystallize import CrystallizeError, UnknownNameError

Pairs = Literal["baseline", "all"]
Factors = Mapping[str, Mapping[str, Any]]


def comparisons(
    factors: Factors, baseline: str, pairs: Pairs, within: Sequence[str]
) -> list[tuple[str, str]]:
    """Treatment and baseline of each comparison.

    Conditions are compared where they agree in the factors of `within`; the baseline among
    those is the one that agrees with the experiment's baseline in every other factor.

    Parameters
    ----------
    factors : mapping
        Condition -> factor -> level.
    baseline : str
    pairs : {"baseline", "all"}
    within : sequence of str

    Raises
    ------
    UnknownNameError
        If there is no such factor.
    CrystallizeError
        If conditions that agree have no baseline among them.
    """
    if len(factors) == 1:
        return []
    names = list(dict.fromkeys(name for levels in factors.values() for name in levels))
    for name in within:
        if name not in names:
            raise UnknownNameError("factor", name, names, where="compare.within")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for condition, levels in factors.items():
        groups.setdefault(tuple(levels.get(name) for name in within), []).append(condition)
    found: list[tuple[str, str]] = []
    for level, group in groups.items():
        if pairs == "all":
            # Whichever is the baseline stands for it here too.
            ordered = sorted(group, key=lambda condition: condition != baseline)
            found += [(treatment, base) for base, treatment in combinations(ordered, 2)]
            continue
        own = _baseline_of(group, factors, baseline, within)
        if own is None:
            where = ", ".join(f"{n} = {v!r}" for n, v in zip(within, level, strict=True))
            raise CrystallizeError(
                f"compare.within: of the conditions with {where} none is the baseline: none agrees "
                f"with {baseline!r} in every other factor. Add one, or use pairs = 'all'."
            )
        found += [(condition, own) for condition in group if condition != own]
    return found


def _baseline_of(
    group: Sequence[str], factors: Factors, baseline: str, within: Sequence[str]
) -> str | None:
    if baseline in group:
        return baseline

    def others(condition: str) -> dict[str, Any]:
        return {name: v for name, v in factors[condition].items() if name not in within}

    return next((one for one in group if others(one) == others(baseline)), None)
