"""The figures that are promised, and whether the measurements reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.counts import AT_THE_PEAK, KEPT, row_name
from benchmarks.timing import Row, Table

Tables = Mapping[str, Table]
"""Workload -> contender -> measurements."""

SERIAL, THREAD, PROCESS = "crystallize serial", "crystallize thread", "crystallize process"
OURS = "crystallize "
"""How the names of our own rows start; crystallize-ml's do not."""
LIMIT, BARE = "limit", "bare loop"
LOKY = "joblib loky"


class NotMeasured(Exception):
    """What a figure needs and nobody measured."""


@dataclass(frozen=True)
class Figure:
    """One promise: a measured value and a bound.

    Attributes
    ----------
    workload : str
    what : str
    bound : float
    at_most : bool
        Whether the bound is the most or the least that the value may be.
    unit : str
    value : float or None
        ``None`` where what it needs was not measured.
    judged : bool
        Whether the value says if the promise is kept: one of fewer replicates does not.
    """

    workload: str
    what: str
    bound: float
    at_most: bool
    unit: str = ""
    value: float | None = None
    judged: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether the value is within the bound; ``None`` where there is none that counts."""
        if not self.judged or self.value is None or self.value != self.value:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    @property
    def target(self) -> str:
        """The bound in words."""
        return f"{'at most' if self.at_most else 'at least'} {self.bound:,g}{self._unit}"

    @property
    def measured(self) -> str:
        """The value in words."""
        if self.value is None or self.value != self.value:
            return "not measured"
        digits = 0 if abs(self.value) >= 1000 else 3
        return (
            f"{self.value:,.{digits}f}{self._unit}"
            if digits == 0
            else (f"{self.value:.3g}{self._unit}")
        )

    @property
    def verdict(self) -> str:
        """Whether it is reached, in a word or two."""
        return {True: "reached", False: "NOT reached", None: "-"}[self.reached]

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "what": self.what,
            "target": self.target,
            "value": self.value,
            "reached": self.reached,
        }


def _row(tables: Tables, workload: str, contender: str) -> Row:
    try:
        return tables[workload][contender]
    except KeyError:
        raise NotMeasured(f"{workload}: {contender}") from None


def _speed(tables: Tables, workload: str, contender: str, other: str) -> float:
    """How many times faster one is than another, a replicate."""
    return _row(tables, workload, other).each / _row(tables, workload, contender).each


def best(tables: Tables, workload: str, without: tuple[str, ...] = (LIMIT,)) -> str:
    """The quickest of the others."""
    others = {
        name: row.each
        for name, row in tables.get(workload, {}).items()
        if name not in without and not name.startswith(OURS)
    }
    if not others:
        raise NotMeasured(workload)
    return min(others, key=others.__getitem__)


def _against_best(workload: str, without: tuple[str, ...] = (LIMIT,)) -> Callable[[Tables], float]:
    return lambda tables: _speed(tables, workload, PROCESS, best(tables, workload, without))


def _against(workload: str, contender: str, other: str) -> Callable[[Tables], float]:
    return lambda tables: _speed(tables, workload, contender, other)


def _slower(workload: str, contender: str, other: str) -> Callable[[Tables], float]:
    return lambda tables: 1 / _speed(tables, workload, contender, other)


def _beyond_bare(workload: str) -> Callable[[Tables], float]:
    def microseconds(tables: Tables) -> float:
        beyond = _row(tables, workload, SERIAL).each - _row(tables, workload, BARE).each
        return beyond * 1e6

    return microseconds


def _value(workload: str, contender: str, name: str) -> Callable[[Tables], float]:
    def value(tables: Tables) -> float:
        row = _row(tables, workload, contender)
        if name not in row.values:
            raise NotMeasured(name)
        return row.value(name)

    return value


def _value_ratio(workload: str, contender: str, other: str, name: str) -> Callable[[Tables], float]:
    def ratio(tables: Tables) -> float:
        return _value(workload, contender, name)(tables) / _value(workload, other, name)(tables)

    return ratio


def _most_grown(tables: Tables, contender: str) -> int:
    """The largest number of replicates that was measured."""
    counts = [
        row.replicates
        for name, row in tables.get("growth", {}).items()
        if name == row_name(contender, row.replicates)
    ]
    if not counts:
        raise NotMeasured("growth")
    return max(counts)


def _growth(contender: str) -> Callable[[Tables], float]:
    def ratio(tables: Tables) -> float:
        most = row_name(contender, _most_grown(tables, contender))
        return _row(tables, "growth", most).each / (
            _row(tables, "growth", row_name(contender, 10**4)).each
        )

    return ratio


def _grown_bytes(contender: str, name: str) -> Callable[[Tables], float]:
    def value(tables: Tables) -> float:
        row = row_name(contender, _most_grown(tables, contender))
        return _value("growth", row, name)(tables)

    return value


def _a_condition(tables: Tables) -> float:
    return _row(tables, "conditions", row_name(SERIAL, 10**5)).each * 1e6


def _conditions_grown(tables: Tables) -> float:
    few = _row(tables, "conditions", row_name(SERIAL, 10**3)).each
    return _row(tables, "conditions", row_name(SERIAL, 10**5)).each / few


def _counted(workload: str, contender: str, other: str, count: int) -> Callable[[Tables], float]:
    """Time over another's, at one count."""
    return _slower(workload, row_name(contender, count), row_name(other, count))


def _seconds(workload: str, row: str) -> Callable[[Tables], float]:
    return lambda tables: _row(tables, workload, row).median


def _milliseconds(contender: str, less: str | None = None) -> Callable[[Tables], float]:
    def value(tables: Tables) -> float:
        beyond = _row(tables, "start", less).median if less else 0.0
        return (_row(tables, "start", contender).median - beyond) * 1e3

    return value


MOST, LEAST = True, False

FIGURES: tuple[tuple[Figure, Callable[[Tables], float]], ...] = (
    (
        Figure("null", "serial, a replicate beyond the bare loop", 0.8, MOST, "us"),
        _beyond_bare("null"),
    ),
    (
        Figure("null", "serial, times as fast as crystallize-ml", 80, LEAST),
        _against("null", SERIAL, "crystallize-ml serial"),
    ),
    (
        Figure("null", "process, speed of the best that uses workers", 1, LEAST),
        _against_best("null", (LIMIT, BARE)),
    ),
    (
        Figure("null", "process, speed of the bare loop", 1, LEAST),
        _against("null", PROCESS, BARE),
    ),
    (
        Figure("null", "thread, cost of a replicate over serial's", 2, MOST),
        _slower("null", THREAD, SERIAL),
    ),
    *(
        figure
        for workload in ("tiny", "1 ms", "skew")
        for figure in (
            (
                Figure(workload, "process, speed of the best contender", 0.95, LEAST),
                _against_best(workload),
            ),
            (
                Figure(workload, "process, speed of the limit", 0.90, LEAST),
                _against(workload, PROCESS, LIMIT),
            ),
        )
    ),
    (
        Figure("rng", "serial, time over making the streams by hand", 0.35, MOST),
        _slower("rng", SERIAL, BARE),
    ),
    (
        Figure("rng", "process, speed of the best that makes the same streams", 2.5, LEAST),
        _against_best("rng"),
    ),
    (
        Figure("usual", "serial, time over the loop with streams by hand", 0.6, MOST),
        _slower("usual", SERIAL, BARE),
    ),
    (
        Figure("dict", "serial, a replicate beyond the bare loop", 0.6, MOST, "us"),
        _beyond_bare("dict"),
    ),
    (
        Figure("numpy", "process, speed of joblib", 1, LEAST),
        _against("numpy", PROCESS, LOKY),
    ),
    (
        Figure("thread", "thread, speed of the limit", 0.9, LEAST),
        _against("thread", THREAD, LIMIT),
    ),
    (
        Figure("shared", "process, speed of joblib", 1, LEAST),
        _against("shared", PROCESS, LOKY),
    ),
    (
        Figure("shared", "process, copies of the array held on the machine", 1.1, MOST),
        _value("shared", PROCESS, "copies held"),
    ),
    (
        Figure("sleep", "async, time over raw asyncio with a window", 1.25, MOST),
        _slower("sleep", "crystallize async", "asyncio window"),
    ),
    (
        Figure("sleep", "async, peak memory over raw asyncio's with NumPy", 1.5, MOST),
        _value_ratio("sleep", "crystallize async", "asyncio window, NumPy", "peak bytes"),
    ),
    (
        Figure("sleep", "async, peak memory over raw asyncio's without NumPy", 1.5, MOST),
        _value_ratio("sleep", "crystallize async", "asyncio window", "peak bytes"),
    ),
    *(
        (
            Figure(
                "growth",
                f"{contender.removeprefix(OURS)}, a replicate of the most over one of 10,000",
                1.2,
                MOST,
            ),
            _growth(contender),
        )
        for contender in (SERIAL, PROCESS)
    ),
    *(
        (
            Figure("growth", f"{contender.removeprefix(OURS)}, {name}", 10, MOST, "bytes"),
            _grown_bytes(contender, name),
        )
        for contender in (SERIAL, PROCESS)
        for name in (KEPT, AT_THE_PEAK)
    ),
    (Figure("conditions", "serial, one of 100,000", 15, MOST, "us"), _a_condition),
    (
        Figure("conditions", "serial, one of 100,000 over one of 1,000", 1.3, MOST),
        _conditions_grown,
    ),
    (
        Figure("store", "10,000,000 cells into one, time over a run without", 1.5, MOST),
        _counted("store", "crystallize, store", "crystallize, no store", 10**7),
    ),
    (
        Figure("store", "10,000,000 cells resumed, time over a run without", 1.5, MOST),
        _counted("store", "crystallize, resume", "crystallize, no store", 10**7),
    ),
    (
        Figure("store", f"10,000,000 cells shown, {AT_THE_PEAK}", 1, MOST, "bytes"),
        _value("store", row_name("crystallize, show", 10**7), AT_THE_PEAK),
    ),
    (
        Figure("summary", "10,000,000 replicates, time over keeping values", 1.5, MOST),
        _counted("summary", "crystallize summary", "crystallize values", 10**7),
    ),
    (
        Figure("summary", f"10,000,000 replicates, {AT_THE_PEAK}", 2, MOST, "bytes"),
        _value("summary", row_name("crystallize summary", 10**7), AT_THE_PEAK),
    ),
    (
        Figure("seeds", "1,000,000 of a result", 0.2, MOST, "s"),
        _seconds("seeds", row_name("crystallize", 10**6)),
    ),
    (
        Figure("driver", "blocks a second", 20_000, LEAST),
        _value("driver", "crystallize blocks", "blocks a second"),
    ),
    (
        Figure("driver", "10,000 workers, of the ideal makespan", 0.95, LEAST),
        _value("driver", "crystallize simulated", "of the ideal makespan"),
    ),
    (
        Figure("start", "import crystallize, beyond bare Python", 15, MOST, "ms"),
        _milliseconds("import crystallize", "python"),
    ),
    (
        Figure("start", "crystallize plugins", 120, MOST, "ms"),
        _milliseconds("crystallize plugins"),
    ),
    (
        Figure("start", "crystallize --help", 120, MOST, "ms"),
        _milliseconds("crystallize --help"),
    ),
)


def judged(tables: Tables, whole: bool = True) -> list[Figure]:
    """Every figure of the workloads that were run, with its value.

    Parameters
    ----------
    tables : mapping
    whole : bool
        Whether the workloads were run with all of their replicates.
    """
    from dataclasses import replace

    found = []
    for figure, compute in FIGURES:
        if figure.workload not in tables:
            continue
        try:
            value = compute(tables)
        except NotMeasured:
            value = None
        found.append(replace(figure, value=value, judged=whole))
    return found
