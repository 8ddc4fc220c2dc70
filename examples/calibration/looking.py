"""Does an interval hold that is looked at after every page, until one likes what one sees?

Each replicate draws one study of up to 10,000 values and looks at the ends of pages.  It says
whether any look excluded the truth (for 95% intervals: at most 5% of studies may), and how many
values it took to have the half width that an interval for one look, whose standard deviation
is known, has after 1,000: what someone would take who knew everything beforehand.
"""

import sys

import numpy as np

from crystallize import Experiment
from crystallize.cells.page import page_stop
from crystallize.sequences.means import BoundedSequence, MeanSequence
from crystallize.sequences.proportions import ProportionSequence
from crystallize.sequences.quantiles import QuantileSequence

ALPHA, MOST, ORACLE = 0.05, 10_000, 1000

DATA = {
    # name -> (draws, mean, standard deviation)
    "normal": (lambda rng, n: rng.normal(size=n), 0.0, 1.0),
    "tied": (lambda rng, n: np.round(rng.normal(size=n)), 0.0, (1 + 1 / 12) ** 0.5),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0, 1.0),
    "t, 3 df": (lambda rng, n: rng.standard_t(3, size=n), 0.0, 3**0.5),
    "lognormal": (
        lambda rng, n: rng.lognormal(size=n),
        np.exp(0.5),
        ((np.e - 1) * np.e) ** 0.5,
    ),
    "yes 0.05": (lambda rng, n: 1.0 * (rng.random(n) < 0.05), 0.05, 0.0475**0.5),
    "yes 0.5": (lambda rng, n: 1.0 * (rng.random(n) < 0.5), 0.5, 0.5),
    "beta(2, 5)": (lambda rng, n: rng.beta(2, 5, size=n), 2 / 7, (10 / 392) ** 0.5),
}
METHODS = {
    "asymptotic": lambda: MeanSequence(ALPHA),
    "beta-binomial": lambda: ProportionSequence(ALPHA),
    "empirical Bernstein": lambda: BoundedSequence(ALPHA, 0.0, 1.0),
    "median": lambda: QuantileSequence(ALPHA, 0.5),
    "one look": None,
}


class OneLook:
    """Student's interval, made for one look: what not to do."""

    def __init__(self):
        self.values = np.array([])

    def add(self, values):
        self.values = np.concatenate((self.values, values))

    def interval(self):
        half = 1.96 * self.values.std(ddof=1) / len(self.values) ** 0.5
        return Bounds(self.values.mean() - half, self.values.mean() + half, half)


class Bounds:
    def __init__(self, lower, upper, half_width):
        self.lower, self.upper, self.half_width = lower, upper, half_width


def look(rng, method, data, at_least):
    draw, truth, sd = DATA[data]
    sequence = OneLook() if method == "one look" else METHODS[method]()
    values, start, wrong, used, ended_wrong = draw(rng, MOST), 0, False, None, None
    while start < MOST:
        stop = page_stop(start, MOST)
        sequence.add(values[start:stop])
        start = stop
        interval = sequence.interval() if stop >= at_least else None
        if interval is None:
            continue
        excludes = not interval.lower <= truth <= interval.upper
        wrong = wrong or excludes
        if used is None and interval.half_width <= 1.96 * sd / ORACLE**0.5:
            used, ended_wrong = stop, excludes
    return {"wrong": wrong, "used": used, "ended_wrong": ended_wrong}


CASES = [
    *(("asymptotic", data, n) for n in (100, 400, 1000) for data in list(DATA)[:5]),
    *(("beta-binomial", data, 1) for data in ("yes 0.05", "yes 0.5")),
    *(("empirical Bernstein", data, 1) for data in ("yes 0.05", "yes 0.5", "beta(2, 5)")),
    *(("median", data, 1) for data in ("normal", "tied")),
    ("one look", "normal", 100),
    ("one look", "yes 0.05", 100),
]


def study(studies, execution="parallel", **options):
    conditions = {
        f"{method}, {data}, {n}": {"method": method, "data": data, "at_least": n}
        for method, data, n in CASES
    }
    return Experiment(
        look, conditions, replicates=studies, seed=2024, execution=execution, **options
    ).run()


def table(result):
    yield "| method | data | from | wrong at any look | values, 1,000 at best | wrong at the end |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, metrics in result.metrics.items():
        factors = result.factors[name]
        used = np.array([u for u in metrics["used"] if u is not None], dtype=float)
        ends = [w for w in metrics["ended_wrong"] if w is not None]
        took = f"{used.mean():.0f}" if len(used) == len(metrics["used"]) else "-"
        if factors["method"] == "median":
            took = "-"  # whose half width is of something else
        missed = f"{np.mean(ends):.4f}" if took != "-" else "-"
        wrong = np.mean(np.asarray(metrics["wrong"], dtype=float))
        yield (
            f"| {factors['method']} | {factors['data']} | {factors['at_least']} "
            f"| {wrong:.4f} ± {1.96 * (wrong * (1 - wrong) / result.replicates) ** 0.5:.4f} "
            f"| {took} | {missed} |"
        )


if __name__ == "__main__":
    options = {"execution_options": {"executor_type": "process"}}
    print("\n".join(table(study(int(sys.argv[1]) if len(sys.argv) > 1 else 400, **options))))
