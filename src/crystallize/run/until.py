"""When each condition has replicates enough: looked at page after page, in index order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from crystallize.cells.page import Page, page_stop
from crystallize.cells.table import Table
from crystallize.description.factors import factor_columns
from crystallize.description.spec import ExperimentSpec
from crystallize.description.until import Until
from crystallize.errors import CrystallizeError, InvalidValueError, UnknownNameError
from crystallize.sequences.interval import Interval, Numbers
from crystallize.sequences.tracked import Tracked
from crystallize.store.status import Known

Row = dict[str, Any]

MOST_KNOWN = 20
"""Of how many conditions a store says how well they are known."""

COLUMNS = (
    "condition", "metric", "of", "n", "estimate", "lower", "upper", "half_width", "target",
    "reached", "method",
)  # fmt: skip
"""What a row of the section has, beside the condition's factors."""


class Goal:
    """One thing that is to be known of each condition, and how well it is known by now.

    Parameters
    ----------
    until : Until
    factors : mapping
        Condition -> factor -> level.
    baseline : str

    Attributes
    ----------
    path : dict
        Condition -> what was known at the ends of pages: (replicates, interval or ``None``).
    reached : dict
        Condition -> after how many replicates it was known well enough.
    """

    def __init__(
        self, until: Until, factors: Mapping[str, Mapping[str, Any]], baseline: str
    ) -> None:
        self.until = until
        conditions = list(factors)
        self._factors = factor_columns(factors, COLUMNS)
        self._baseline = baseline if until.of == "difference" else None
        own = [name for name in conditions if name != self._baseline]
        self._known = {
            name: Tracked(until.of, until.probability, until.confidence, until.bounds)
            for name in own
        }
        self.path: dict[str, list[tuple[int, Interval | None]]] = {name: [] for name in own}
        self.reached: dict[str, int] = {}

    def look(self, page: Page, replicates: Mapping[str, int]) -> None:
        """Learn what a page holds of the conditions that are not known well enough.

        Parameters
        ----------
        page : Page
        replicates : mapping of str to int
            Condition -> how many there are with this page.

        Raises
        ------
        CrystallizeError
            If the metric is no number, or no such metric is there.
        """
        until = self.until
        before = None if self._baseline is None else self._numbers(page, self._baseline)
        for name, known in self._known.items():
            if name in self.reached or name not in page.tables:
                continue
            values, others = self._numbers(page, name), before
            if self._baseline is not None and others is not None:
                both = min(len(values), len(others))  # where one of them has no more
                values, others = values[:both], others[:both]
            known.add(until.metric, values, others)
            if replicates[name] < until.at_least:
                continue
            if not any(one.n for one in self._known.values()):
                self._refuse_unknown(page)
            interval = known.interval()
            self.path[name].append((replicates[name], interval))
            if interval is not None and interval.half_width <= until.target(interval.estimate):
                self.reached[name] = replicates[name]

    def needs(self, going: Collection[str]) -> set[str]:
        """The conditions that are to go on, of those that have replicates left."""
        needed = {name for name in self._known if name in going and name not in self.reached}
        return needed | {self._baseline} if needed and self._baseline is not None else needed

    def expected(self, condition: str) -> int:
        """How many replicates a condition will take, as far as one can tell."""
        until = self.until
        if condition == self._baseline:
            return max(map(self.expected, self._known))
        if condition in self.reached:
            return self.reached[condition]
        if not self.path[condition]:
            return until.at_least
        replicates, interval = self.path[condition][-1]
        if interval is None or not isfinite(interval.half_width):
            return until.at_most
        wanted = until.target(interval.estimate)
        times = (interval.half_width / wanted) ** 2 if wanted else float("inf")
        return int(min(until.at_most, max(replicates * times, until.at_least)))

    def rows(self, stops: Mapping[str, int]) -> list[Row]:
        """What is known of each condition, after so many replicates."""
        rows = []
        for name, path in self.path.items():
            seen = [step for step in path if step[0] <= stops[name]]
            interval = seen[-1][1] if seen else None
            row: Row = {"condition": name, **self._factors[name]}
            row |= dict.fromkeys(COLUMNS[1:]) | {"metric": self.until.metric, "of": self.until.of}
            if interval is not None:
                row |= interval._asdict() | {"half_width": interval.half_width}
                row["target"] = self.until.target(interval.estimate)
            row["reached"] = name in self.reached and self.reached[name] <= stops[name]
            row["method"] = self._known[name].method
            rows.append(row)
        return rows

    def described(self, stops: Mapping[str, int]) -> Row:
        """What was wanted, and how the half width came down to it."""
        path = {
            name: [[n, None if i is None else i.half_width] for n, i in path if n <= stops[name]]
            for name, path in self.path.items()
        }
        return {**self.until.to_dict(), "path": path}

    def known(self) -> Iterator[Known]:
        """How well it is known of each condition of which it is not known well enough."""
        for name, path in self.path.items():
            interval = path[-1][1] if path and name not in self.reached else None
            if interval is None or not isfinite(interval.half_width):
                continue
            if target := self.until.target(interval.estimate):
                yield Known(
                    name, self.until.metric, self.until.of, interval.n, interval.half_width, target
                )

    def _numbers(self, page: Page, condition: str) -> Numbers:
        table = page.tables.get(condition)
        if table is None:
            return np.array([])
        return numbers_of(table, self.until.metric)

    def _refuse_unknown(self, page: Page) -> None:
        """Refuse a metric that no cell has, where cells have others."""
        metrics = list(dict.fromkeys(n for table in page.tables.values() for n in table.names()))
        if metrics and self.until.metric not in metrics:
            raise UnknownNameError("metric", self.until.metric, metrics, where="until.metric")


class Stopping:
    """When each condition of a run ends.

    Parameters
    ----------
    experiment : ExperimentSpec

    Attributes
    ----------
    ended : dict of str to int
        Condition -> how many replicates it has, of those that have ended.
    error : CrystallizeError or None
        Why nothing can be said.
    """

    def __init__(self, experiment: ExperimentSpec) -> None:
        conditions = list(experiment.conditions)
        self._most = experiment.replicates_of
        self._own = experiment.own_replicates  # those have as many as that, whatever is known
        factors, baseline = experiment.factors, experiment.baseline
        self._goals = [Goal(until, factors, baseline) for until in experiment.until]
        self._seen = dict.fromkeys(conditions, 0)
        self.ended: dict[str, int] = {}
        self.error: CrystallizeError | None = None

    @property
    def done(self) -> bool:
        """Whether the run is to end."""
        return self.error is not None or len(self.ended) == len(self._most)

    def look(self, page: Page) -> dict[str, int]:
        """Learn what a page holds; which conditions end with it, with how many replicates."""
        for name, table in page.tables.items():
            self._seen[name] = table.start + table.size
        try:
            for goal in self._goals:
                goal.look(page, self._seen)
        except CrystallizeError as error:
            self.error = error
            return {}
        going = [
            name
            for name, most in self._most.items()
            if name not in self.ended and self._seen[name] < most
        ]
        needed = set(self._own).union(*(goal.needs(going) for goal in self._goals))
        ends = {
            name: self._seen[name]
            for name, most in self._most.items()
            if name not in self.ended and (name not in needed or self._seen[name] == most)
        }
        self.ended |= ends
        return ends

    def wanted(self) -> dict[str, int]:
        """Condition -> how many replicates it will have for certain: up to the next look."""
        last = max(self._most.values())
        return {
            name: self.ended.get(name, min(most, page_stop(self._seen[name], last)))
            for name, most in self._most.items()
        }

    def expected(self) -> dict[str, int]:
        """Condition -> how many replicates it will have, as far as one can tell."""
        return {
            name: self.ended.get(name, most if name in self._own else self._expected(name, most))
            for name, most in self._most.items()
        }

    def _expected(self, name: str, most: int) -> int:
        return min(most, max([self._seen[name], *(goal.expected(name) for goal in self._goals)]))

    def known(self) -> list[Known]:
        """How well what is not known well enough is known, the worst first."""
        found = [row for goal in self._goals for row in goal.known()]
        return sorted(found, key=lambda row: -row.half_width / row.target)[:MOST_KNOWN]

    def progress(self) -> str:
        """How well what is known least is known."""
        return ", ".join(filter(None, map(_progress, self._goals)))

    def rows(self, stops: Mapping[str, int]) -> list[Row]:
        """The section ``until``: what is known of each condition, after so many replicates."""
        return [row for goal in self._goals for row in goal.rows(stops)]

    def described(self, stops: Mapping[str, int]) -> list[Row]:
        """What was wanted and how it came, for the provenance."""
        return [goal.described(stops) for goal in self._goals]


def _progress(goal: Goal) -> str:
    """The widest interval in units of what is wanted, as text."""
    latest = [path[-1][1] for path in goal.path.values() if path]
    known = [one for one in latest if one is not None and isfinite(one.half_width)]
    if not known:
        return ""
    widest = max(known, key=lambda one: one.half_width - goal.until.target(one.estimate))
    wanted = goal.until.target(widest.estimate)
    return f"{goal.until.metric} ±{widest.half_width:.2g} of {wanted:.2g}"


def numbers_of(table: Table, metric: str) -> Numbers:
    """The values of a metric in part of a table, NaN where there is none.

    Raises
    ------
    InvalidValueError
        If they are no numbers.
    """
    column = table.columns.get(metric)
    if column is None:
        return np.full(table.size, np.nan)
    values = column.finished()
    if values.ndim == 1 and values.dtype.kind in "biuf":
        return np.ma.filled(values.astype(np.float64), np.nan)
    if values.ndim == 1 and all(map(_is_number, values.tolist())):
        return np.array([np.nan if v is None else v for v in values.tolist()], dtype=np.float64)
    raise InvalidValueError("until.metric", metric, "a metric that is one number, or a yes or no")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float))
