"""Functions that draw a split of given data: their replicates are not independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

SPLITTERS = frozenset(
    {
        "train_test_split", "cross_val_score", "cross_validate", "cross_val_predict", "KFold",
        "StratifiedKFold", "RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit",
        "StratifiedShuffleSplit", "GroupShuffleSplit", "GroupKFold",
    }
)  # fmt: skip
"""What scikit-learn calls them."""


def splitter_of(function: Callable[..., Any]) -> str | None:
    """The name by which a function splits data, if it uses one that is known."""
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    names = {name for part in _codes(code) for name in (*part.co_names, *part.co_freevars)}
    return next(iter(sorted(names & SPLITTERS)), None)


def _codes(code: object) -> Iterator[CodeType]:
    if isinstance(code, CodeType):
        yield code
        for constant in code.co_consts:
            yield from _codes(constant)
