"""The section ``compare``: which condition is better, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from crystallize import InvalidValueError, Result, hookimpl
from crystallize_stats.compared import IntervalName, Methods, PairedTest, Sample, compared
from crystallize_stats.means import seed_for
from crystallize_stats.multiplicity import Correction, adjusted
from crystallize_stats.options import share
from crystallize_stats.pairs import Factors, Pairs, comparisons
from crystallize_stats.proportions import wilson
from crystallize_stats.ranks import Ranks
from crystallize_stats.splits import splitter_of
from crystallize_stats.study import Row, Study

KEYS = (
    "treatment", "baseline", "metric", "n", "difference", "lower", "upper", "test", "statistic",
    "p", "p_adjusted", "effect", "pairing_gain", "effect_lower", "effect_upper", "effect_measure",
    "interval", "p_exact", "replicates_saved", "family", "note",
)  # fmt: skip
FAILURE_KEYS = ("condition", "failed", "n", "rate", "lower", "upper")


class Described(Protocol):
    """What is read of an experiment."""

    @property
    def function(self) -> Callable[..., Any]: ...

    @property
    def factors(self) -> Factors: ...

    @property
    def baseline(self) -> str: ...

    @property
    def conditions(self) -> Mapping[str, Any]: ...


class Compare:
    """Each treatment against the baseline, paired by replicate.

    A row has ``treatment``, ``baseline``, the treatment's factors, ``metric``, ``n`` (pairs),
    ``difference`` (treatment less baseline) with ``lower`` and ``upper``, ``test``,
    ``statistic``, ``p``, ``p_adjusted``, ``effect``, ``pairing_gain`` (how many times as many
    replicates it would take without pairs); further ``effect_lower``, ``effect_upper``,
    ``effect_measure``, ``interval`` (its method), ``p_exact`` (McNemar's), ``replicates_saved``
    (per condition), ``family`` (what `p_adjusted` is adjusted over) and ``note``.

    Replicates that lack either value are left out, and the note says how many.  Where fewer
    than half of the values are in pairs all of them are compared as independent samples, by
    Welch's t or, for a yes or no, by the score test and Newcombe's interval; the note says so.
    What cannot be computed is ``None``.

    Where a cell failed there is a second section, ``failures``: ``condition``, the factors,
    ``failed``, ``n`` cells, ``rate`` with Wilson's ``lower`` and ``upper``.  With `datasets` there
    is a section ``ranks``; see :class:`crystallize_stats.ranks.Ranks`.

    Parameters
    ----------
    test : {"t", "wilcoxon", "permutation", "mcnemar"}, optional
        Default: ``"mcnemar"`` for a metric that is a yes or no (a boolean, or 0 and 1 alone),
        ``"t"`` for other numbers, also where ``"mcnemar"`` is asked for and no metrics are named.
    interval : {"t", "bca"}, optional
        Default: Bonett and Price's for a yes or no, else ``"t"``.
    correction : {"holm", "bh", "none"}
        Over all comparisons and metrics of the section: one family.
    pairs : {"baseline", "all"}
        Each with the baseline, or every two.
    within : sequence of str
        Factors: only conditions that agree in them are compared.
    metrics : sequence of str, optional
        Default: all that hold numbers.
    alpha : float
        1 - the confidence of each interval, which is for that difference alone.
    test_to_train : float, optional
        Where replicates are random splits of one data set: cases in the test part over cases in the
        training part.  Corrects t test and t interval as Nadeau and Bengio (2003) do.
    datasets : str, optional
        The factor that says which data set it is: ranks over data sets.
    post_hoc : {"nemenyi", "holm"}
        What follows Friedman's test.
    better : {"higher", "lower"}
        Which values have rank 1.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, if an option has a value that means nothing.

    References
    ----------
    Those of :mod:`crystallize_stats.paired`, :mod:`~crystallize_stats.yes_no`,
    :mod:`~crystallize_stats.unpaired`, :mod:`~crystallize_stats.effects` and
    :mod:`~crystallize_stats.multiplicity`.
    """

    def __init__(
        self,
        test: PairedTest | None = None,
        interval: IntervalName | None = None,
        correction: Correction = "holm",
        pairs: Pairs = "baseline",
        within: Sequence[str] = (),
        metrics: Sequence[str] | None = None,
        alpha: float = 0.05,
        test_to_train: float | None = None,
        datasets: str | None = None,
        post_hoc: Literal["nemenyi", "holm"] = "nemenyi",
        better: Literal["higher", "lower"] = "higher",
    ) -> None:
        if test_to_train is not None and not 0 < test_to_train < np.inf:
            raise InvalidValueError("test_to_train", test_to_train, "a number above 0")
        if test_to_train is not None and (test not in (None, "t") or interval == "bca"):
            name, value = ("interval", interval) if interval == "bca" else ("test", test)
            raise InvalidValueError(name, value, "'t', which alone test_to_train corrects")
        self._test = test
        self._interval = interval
        self._correction: Correction = correction
        self._pairs: Pairs = pairs
        self._within = list(within)
        self._metrics = metrics
        self._alpha = share("alpha", alpha)
        self._test_to_train = test_to_train
        self._ranks = None
        if datasets is not None:
            self._ranks = Ranks(datasets, post_hoc, better, self._alpha)

    @hookimpl
    def check_experiment(self, experiment: Described) -> None:
        """Refuse factors that there are not."""
        comparisons(experiment.factors, experiment.baseline, self._pairs, self._within)
        if self._ranks is not None:
            self._ranks.check(experiment.factors)

    @hookimpl
    def extend_result(self, experiment: Described, result: Result) -> dict[str, list[Row]]:
        """The sections."""
        study = Study(result, "compare")
        with np.errstate(all="ignore"):  # what is not finite is None in a row
            metrics = study.chosen(self._metrics)
            sections = {"compare": self._rows(study, metrics, splitter_of(experiment.function))}
            if failures := failure_rows(study, self._alpha):
                sections["failures"] = failures
            if self._ranks is not None:
                sections["ranks"] = self._ranks.rows(study, metrics)
        return sections

    def _rows(self, study: Study, metrics: Sequence[str], splitter: str | None) -> list[Row]:
        pairs = comparisons(study.factors, study.baseline, self._pairs, self._within)
        methods = {metric: self._methods(study, metric) for metric in metrics}
        rows = []
        for treatment, baseline in pairs:
            conditional = _conditional(study, treatment, baseline)
            for metric, how in methods.items():
                seed = seed_for(study.root, treatment, baseline, metric)
                columns = (study.numbers(one, metric, "metrics") for one in (treatment, baseline))
                row = {
                    "treatment": treatment,
                    "baseline": baseline,
                    **study.labels(treatment, KEYS),
                    "metric": metric,
                    **compared(Sample.of(*columns), how, seed),
                }
                notes = [*conditional, *row.pop("note")]
                del row["direction"]
                if splitter is not None and self._test_to_train is None:
                    notes.append(
                        f"replicates overlap if {splitter} splits one data set: set test_to_train"
                    )
                rows.append({**row, "family": None, "note": "; ".join(notes) or None})
        return self._adjusted(rows, len(pairs), len(metrics))

    def _adjusted(self, rows: list[Row], comparisons: int, metrics: int) -> list[Row]:
        p_adjusted = adjusted([row["p"] for row in rows], self._correction)
        tests = sum(p is not None for p in p_adjusted)
        family = (
            f"{self._correction} over {tests} {'test' if tests == 1 else 'tests'}: "
            f"{comparisons} x {metrics} (comparisons x metrics)"
        )
        if self._correction == "none":
            family = "none"
        return [
            {**row, "p_adjusted": p, "family": family}
            for row, p in zip(rows, p_adjusted, strict=True)
        ]

    def _methods(self, study: Study, metric: str) -> Methods:
        is_yes_no = study.is_yes_no(metric)
        test: PairedTest = self._test or ("mcnemar" if is_yes_no else "t")
        if self._test_to_train is not None:
            test = "t"
        if test == "mcnemar" and not is_yes_no:
            if self._metrics is not None and not study.is_empty(metric):
                raise InvalidValueError(
                    "compare.metrics", metric, "a yes or no (0 or 1), as 'mcnemar' takes"
                )
            test = "t"
        interval = self._interval or ("t" if self._test_to_train is not None else None)
        return Methods(test, interval, self._alpha, self._test_to_train, is_yes_no)


def failure_rows(study: Study, alpha: float) -> list[Row]:
    """How often cells failed, by condition; nothing where none did."""
    counts = {condition: study.failures(condition) for condition in study.conditions}
    if not any(failed for failed, _ in counts.values()):
        return []
    return [
        {
            "condition": condition,
            **study.labels(condition, FAILURE_KEYS),
            "failed": failed,
            "n": n,
            "rate": failed / n if n else None,
            **wilson(failed, n, alpha)._asdict(),
        }
        for condition, (failed, n) in counts.items()
    ]


def _conditional(study: Study, treatment: str, baseline: str) -> list[str]:
    (failed, n), (base_failed, base_n) = study.failures(treatment), study.failures(baseline)
    if failed * base_n == base_failed * n:
        return []
    return [
        f"conditional on success: {failed} of {n} cells failed under {treatment!r}, "
        f"{base_failed} of {base_n} under {baseline!r}"
    ]
