"""What a hypothesis claims: ``forest.accuracy > logistic.accuracy + 0.01``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from crystallize import CrystallizeError, InvalidValueError, UnknownNameError
from crystallize_stats.compared import PairedTest
from crystallize_stats.options import share

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SIDES = re.compile(r"(.+?)\s+([<>])\s+(.+)")
WITH_MARGIN = re.compile(rf"(.+?)\s+([+-])\s+({NUMBER})")
TESTS = ("t", "wilcoxon", "permutation", "mcnemar")
KEYS = ("claim", "alpha", "test")


@dataclass(frozen=True)
class Measured:
    """A metric under a condition."""

    condition: str
    metric: str


@dataclass(frozen=True)
class Claim:
    """One side is greater than the other.

    Attributes
    ----------
    greater, smaller : Measured or float
        Of which one at least is measured.
    margin : float
        By how much more.
    """

    greater: Measured | float
    smaller: Measured | float
    margin: float


@dataclass(frozen=True)
class Hypothesis:
    """A claim, not yet held against conditions.

    Attributes
    ----------
    name, text : str
    alpha : float
    test : str or None
    """

    name: str
    text: str
    alpha: float
    test: PairedTest | None

    @classmethod
    def of(cls, name: str, given: Any) -> Hypothesis:
        """Read what ``[hypothesis.NAME]`` says.

        Raises
        ------
        InvalidValueError, UnknownNameError
            If it cannot be read; says where.
        """
        where = f"hypothesis.{name}"
        if not isinstance(given, Mapping):
            raise InvalidValueError(where, given, "a mapping with the key 'claim'")
        for key in given:
            if key not in KEYS:
                raise UnknownNameError("key", key, KEYS, where=where)
        text, test = given.get("claim"), given.get("test")
        if not isinstance(text, str) or not SIDES.fullmatch(text.strip()):
            raise InvalidValueError(
                f"{where}.claim", text, "a claim such as 'treated.x > control.x'"
            )
        if test is not None and test not in TESTS:
            raise InvalidValueError(f"{where}.test", test, " or ".join(map(repr, TESTS)))
        alpha = given.get("alpha", 0.05)
        if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
            raise InvalidValueError(f"{where}.alpha", alpha, "a number between 0 and 1")
        return cls(name, " ".join(text.split()), share(f"{where}.alpha", alpha), test)

    def claim(self, conditions: Collection[str]) -> Claim:
        """What is claimed, of conditions that there are.

        Raises
        ------
        CrystallizeError
            If a side is none of theirs.
        """
        sides = SIDES.fullmatch(self.text)
        assert sides is not None
        left, relation, right = sides.groups()
        margin = 0.0
        if with_margin := WITH_MARGIN.fullmatch(right):
            right = with_margin[1]
            margin = float(with_margin[2] + with_margin[3])
        one, other = self._side(left, conditions), self._side(right, conditions)
        if isinstance(one, float) and isinstance(other, float):
            raise InvalidValueError(f"hypothesis.{self.name}.claim", self.text, "a metric in it")
        if relation == ">":
            return Claim(one, other, margin)
        return Claim(other, one, -margin)  # a < b + m: b > a - m

    def _side(self, text: str, conditions: Collection[str]) -> Measured | float:
        if re.fullmatch(NUMBER, text):
            return float(text)
        for condition in sorted(conditions, key=len, reverse=True):
            for spelt in (condition, f'"{condition}"', f"'{condition}'"):
                if text.startswith(f"{spelt}.") and len(text) > len(spelt) + 1:
                    return Measured(condition, text[len(spelt) + 1 :])
        where = f"hypothesis.{self.name}.claim"
        name, dot, _ = text.rpartition(".")
        if not dot:
            raise CrystallizeError(f"{where}: expected CONDITION.METRIC or a number, got {text!r}.")
        raise UnknownNameError("condition", name, tuple(conditions), where=where)
